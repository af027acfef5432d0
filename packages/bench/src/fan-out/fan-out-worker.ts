import { createClient } from "@quorate/client";
import { distributionOf, type Distribution } from "../distribution.js";

/** Subscriptions of one connection: as many as a server takes. */
const PER_CONNECTION = 32;

/** What one process of subscribers is told, as JSON in its first argument. */
export interface FanOutOrder {
  readonly servers: readonly string[];
  readonly subscribers: number;
  readonly prefix: string;
  /** Of the lags of all events; every so-many-th is kept. */
  readonly sampleEvery: number;
}

/** What it prints when its standard input ends, as JSON. */
export interface FanOutReport {
  readonly events: number;
  /** From the leader's clock when it took the request to the event's arrival; one machine. */
  readonly lagMs: Distribution;
  readonly cpuSeconds: number;
  readonly errors: readonly string[];
}

/** Subscribes, says so with a line, and counts until its standard input ends. */
async function follow(order: FanOutOrder): Promise<FanOutReport> {
  const { servers, subscribers, prefix, sampleEvery } = order;
  const clients = Array.from({ length: Math.ceil(subscribers / PER_CONNECTION) }, (_, i) =>
    createClient({ servers: [servers[i % servers.length] ?? ""] }),
  );
  const cpuBefore = process.cpuUsage();
  const lags: number[] = [];
  const errors: string[] = [];
  let events = 0;
  let begun = 0;
  const all = Array.from({ length: subscribers }, async (_, i) => {
    const stream = clients[Math.floor(i / PER_CONNECTION)]?.subscribe({ prefix, bookmarks: true });
    for await (const { operations } of stream ?? []) {
      const [first] = operations;
      if (first === undefined) {
        begun += 1;
        if (begun === subscribers) process.stdout.write("\n");
        continue;
      }
      events += 1;
      if (events % sampleEvery === 0 && "timeMs" in first) lags.push(Date.now() - first.timeMs);
    }
  });
  for (const one of all) one.catch((error: unknown) => errors.push(String(error)));
  process.stdin.resume();
  await new Promise((resolve) => process.stdin.once("end", resolve));
  const { user, system } = process.cpuUsage(cpuBefore);
  for (const client of clients) client.close();
  // Closing ends them all with an error of its own.
  const before = [...errors];
  await Promise.allSettled(all);
  return {
    events,
    lagMs: distributionOf(lags),
    cpuSeconds: (user + system) / 1e6,
    errors: before,
  };
}

const [order] = process.argv.slice(2);
if (order !== undefined) {
  const report = await follow(JSON.parse(order) as FanOutOrder);
  process.stdout.write(JSON.stringify(report));
}
