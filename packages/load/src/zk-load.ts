import { ZkOp } from "@quorate/zookeeper";
import { checkOrder, type LoadOrder } from "./order.js";
import { LoadRunner, type RunHooks } from "./runner.js";
import type { LoadReport } from "./recorder.js";
import { freshPath, templatesOf } from "./zk/frames.js";
import { WriteBuffers } from "./zk/write-buffers.js";
import { ZkConnection } from "./zk/zk-connection.js";

/** Until every connection has a server. */
const OPEN_MS = 30_000;

/** What values hold: bytes that nothing makes shorter by squeezing. */
export function valueOf(bytes: number): Uint8Array {
  const value = new Uint8Array(bytes);
  let state = 0x2545f491;
  for (let i = 0; i < bytes; i += 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) | 0;
    value[i] = state >>> 16;
  }
  return value;
}

/** Carries an order out on servers of ZooKeeper's protocol. The nodes must be there: `prepare`. */
export async function runZkLoad(order: LoadOrder, hooks: RunHooks = {}): Promise<LoadReport> {
  checkOrder(order);
  const runner = new LoadRunner(order);
  const shared = {
    servers: order.servers,
    outstanding: order.outstanding,
    templates: templatesOf(order.root, valueOf(order.valueBytes)),
    buffers: new WriteBuffers(),
    reconnects: true,
  };
  const connections = Array.from({ length: order.connections }, (_, index) => {
    const connection = new ZkConnection({ ...shared, index }, runner);
    runner.attach(connection);
    return connection;
  });
  try {
    const deadline = performance.now() + OPEN_MS;
    await Promise.all(connections.map((connection) => connection.open(deadline)));
    const report = await runner.run(hooks);
    await removeLeftovers(runner, connections, order.root);
    return report;
  } finally {
    await Promise.all(connections.map((connection) => connection.close()));
  }
}

/** What a load of `create-delete` had created when its time was up. */
async function removeLeftovers(
  runner: LoadRunner,
  connections: readonly ZkConnection[],
  root: string,
): Promise<void> {
  const connection = connections.find(({ isOpen }) => isOpen);
  if (connection === undefined) return;
  for (const key of runner.plan.leftovers) {
    await connection.request(ZkOp.delete, { path: freshPath(root, key), version: -1 });
  }
}
