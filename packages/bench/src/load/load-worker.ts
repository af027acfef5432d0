import { createClient, type QuorateClient } from "@quorate/client";
import { errorCodeOf } from "@quorate/protocol";
import { distributionOf, type Distribution } from "../distribution.js";
import { pathOf } from "./paths.js";

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
  /** Within the measured time. */
  readonly writes: number;
  /** In all, with those that warmed up. */
  readonly acknowledged: number;
  readonly seconds: number;
  readonly latencyMs: Distribution;
  readonly cpuSeconds: number;
  readonly errors: Readonly<Record<string, number>>;
}

/** Writes as fast as the answers come, and measures. */
export async function runLoad(order: LoadOrder): Promise<LoadReport> {
  const clients = Array.from({ length: order.connections }, (_, i) =>
    createClient({ servers: [order.servers[i % order.servers.length] ?? ""] }),
  );
  const cpuBefore = process.cpuUsage();
  let acknowledged = 0;
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
      next += 1;
      try {
        await client.set(pathOf(next), data);
      } catch (error) {
        const code = errorCodeOf(error) ?? String(error);
        errors.set(code, (errors.get(code) ?? 0) + 1);
        continue;
      }
      acknowledged += 1;
      const at = performance.now();
      if (from >= start && at <= end) latencies.push(at - from);
    }
  };
  await Promise.all(
    clients.flatMap((client) => Array.from({ length: order.outstanding }, () => worker(client))),
  );
  const { user, system } = process.cpuUsage(cpuBefore);
  for (const client of clients) client.close();
  return {
    writes: latencies.length,
    acknowledged,
    seconds: order.measureMs / 1000,
    latencyMs: distributionOf(latencies),
    cpuSeconds: (user + system) / 1e6,
    errors: Object.fromEntries(errors),
  };
}

const [order] = process.argv.slice(2);
if (order !== undefined) {
  const report = await runLoad(JSON.parse(order) as LoadOrder);
  process.stdout.write(JSON.stringify(report));
}
