import { QuorateError } from "@quorate/protocol";
import type { LoadConnection, LoadSink } from "./connection.js";
import { checkOrder, type LoadOrder } from "./order.js";
import type { LoadReport } from "./recorder.js";
import { LoadRunner, type RunHooks } from "./runner.js";

/** Until every connection has a server. */
export const OPEN_MS = 30_000;

/** A connection that is not open yet. The deadline is of `performance.now()`. */
export interface LoadOpener extends LoadConnection {
  open(deadline: number): Promise<void>;
}

/**
 * Carries an order out over connections of any protocol: opens them all, runs, closes them all.
 * `after` is called while they are open yet.
 * @throws (rejects) ERR_ARG_VALUE for what is beyond a bound, ERR_CLIENT_UNREACHABLE when there is
 * no server for a connection.
 */
export async function runLoad<C extends LoadOpener>(
  order: LoadOrder,
  make: (index: number, sink: LoadSink) => C,
  hooks: RunHooks = {},
  after: (connections: readonly C[], runner: LoadRunner) => Promise<void> = () => Promise.resolve(),
): Promise<LoadReport> {
  checkOrder(order);
  const runner = new LoadRunner(order);
  const connections = Array.from({ length: order.connections }, (_, index) => {
    const connection = make(index, runner);
    runner.attach(connection);
    return connection;
  });
  try {
    const deadline = performance.now() + (hooks.openMs ?? OPEN_MS);
    await openAll(connections, deadline);
    const report = await runner.run(hooks);
    await after(connections, runner);
    return report;
  } finally {
    await Promise.all(connections.map((connection) => connection.close()));
  }
}

/** @throws (rejects) ERR_CLIENT_UNREACHABLE, with the reason of the first. */
export async function openAll(connections: readonly LoadOpener[], deadline: number): Promise<void> {
  try {
    await Promise.all(connections.map((connection) => connection.open(deadline)));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new QuorateError("ERR_CLIENT_UNREACHABLE", `no server: ${reason}`, {
      cause,
      retryable: true,
    });
  }
}
