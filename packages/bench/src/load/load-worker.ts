import { createClient, type QuorateClient } from "@quorate/client";
import { errorCodeOf } from "@quorate/protocol";
import { distributionOf, type Distribution } from "../distribution.js";

/** What one load process is told, as JSON in its first argument. */
export interface LoadOrder {
  readonly servers: readonly string[];
  readonly connections: number;
  readonly outstanding: number;
  readonly bytes: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

/** What it prints, as JSON. */
export interface LoadReport {
  readonly writes: number;
  readonly seconds: number;
  readonly latencyMs: Distribution;
  readonly cpuSeconds: number;
  readonly errors: Readonly<Record<string, number>>;
}

/** Nodes that are written to, in turn: enough that no write waits for another of its node. */
const PATHS = 1000;

/** Writes as fast as the answers come, and measures. */
export async function runLoad(order: LoadOrder): Promise<LoadReport> {
  const clients = Array.from({ length: order.connections }, (_, i) =>
    createClient({ servers: [order.servers[i % order.servers.length] ?? ""] }),
  );
  const [first] = clients;
  if (first === undefined) throw new Error("no connections");
  await makePaths(first);
  const data = new Uint8Array(order.bytes).fill(120);
  const start = performance.now() + order.warmUpMs;
  const end = start + order.measureMs;
  const latencies: number[] = [];
  const errors = new Map<string, number>();
  let next = 0;
  const worker = async (client: QuorateClient): Promise<void> => {
    for (;;) {
      const from = performance.now();
      if (from >= end) return;
      next = (next + 1) % PATHS;
      try {
        await client.set(`/load/${next}`, data);
      } catch (error) {
        const code = errorCodeOf(error) ?? String(error);
        errors.set(code, (errors.get(code) ?? 0) + 1);
        continue;
      }
      const at = performance.now();
      if (from >= start && at <= end) latencies.push(at - from);
    }
  };
  const cpuBefore = process.cpuUsage();
  await Promise.all(
    clients.flatMap((client) => Array.from({ length: order.outstanding }, () => worker(client))),
  );
  const { user, system } = process.cpuUsage(cpuBefore);
  for (const client of clients) client.close();
  return {
    writes: latencies.length,
    seconds: order.measureMs / 1000,
    latencyMs: distributionOf(latencies),
    cpuSeconds: (user + system) / 1e6,
    errors: Object.fromEntries(errors),
  };
}

async function makePaths(client: QuorateClient): Promise<void> {
  const paths = ["/load", ...Array.from({ length: PATHS }, (_, i) => `/load/${i}`)];
  await Promise.all(
    paths.map((path) =>
      client.create(path).catch((error: unknown) => {
        // An earlier load on the same ensemble made them.
        if (errorCodeOf(error) !== "ERR_ZNODE_NODE_EXISTS") throw error;
      }),
    ),
  );
}

const [order] = process.argv.slice(2);
if (order !== undefined) {
  const report = await runLoad(JSON.parse(order) as LoadOrder);
  process.stdout.write(JSON.stringify(report));
}
