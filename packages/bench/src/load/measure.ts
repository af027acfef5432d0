import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { createClient } from "@quorate/client";
import { ProcessEnsemble } from "@quorate/testkit/processes";
import { runLoadProcess } from "./load-process.js";
import type { LoadOrder, LoadReport } from "./load-worker.js";
import { makePaths } from "./paths.js";
import { costsOf, type ProcessCosts } from "./process-costs.js";
import { SyncCounter } from "./sync-counter.js";

export interface RunOptions {
  readonly command: readonly string[];
  /** Everything is written below it. */
  readonly directory: string;
  readonly nodes: number;
  readonly shapes: readonly string[];
  readonly seconds: number;
  readonly bytes: number;
}

export type ServerRole = "leader" | "follower";

/** What one server process did and has. */
export interface ServerCosts {
  readonly role: ServerRole;
  readonly cpuMicrosPerWrite: number;
  readonly syncsPerWrite: number;
  readonly residentMiB: number;
}

export interface ShapeRun extends LoadReport {
  readonly shape: string;
  readonly writesPerSecond: number;
  readonly clientCpuMicrosPerWrite: number;
  readonly servers: readonly ServerCosts[];
}

/** One ensemble from its first start to its end. */
export interface Run {
  /** From the start of all processes on empty directories to the first acknowledged write. */
  readonly coldStartMs: number;
  /** CPU seconds that each server has used by then. */
  readonly coldStartCpuSeconds: readonly number[];
  /** Once it has served that write and nothing else for a while. */
  readonly idleMiB: readonly number[];
  readonly shapes: readonly ShapeRun[];
}

export const WARM_UP_MS = 2000;
/** Before the resident memory of idle servers is read. */
const IDLE_MS = 3000;

export async function measureRun(options: RunOptions): Promise<Run> {
  const counter = new SyncCounter(join(options.directory, "syncs"));
  await using ensemble = await ProcessEnsemble.create({
    command: options.command,
    directory: options.directory,
    count: options.nodes,
    config: { log: { level: "warn", format: "json" } },
    env: (id) => counter.environmentOf(String(id)),
  });
  const costs = (): ProcessCosts[] => ensemble.ids.map((id) => costsOf(ensemble.process(id).pid));
  const coldStartMs = await firstWrite(ensemble);
  const coldStartCpuSeconds = costs().map(({ cpuSeconds }) => cpuSeconds);
  await ensemble.untilReady();
  await pause(IDLE_MS);
  const idleMiB = costs().map(({ residentMiB }) => residentMiB);
  const client = createClient({ servers: ensemble.servers });
  if (options.shapes.length > 0) await makePaths(client);
  client.close();
  const shapes: ShapeRun[] = [];
  for (const shape of options.shapes) {
    shapes.push(await measureShape(ensemble, counter, shape, options));
  }
  await ensemble.kill("SIGTERM", ...ensemble.ids);
  return { coldStartMs, coldStartCpuSeconds, idleMiB, shapes };
}

async function firstWrite(ensemble: ProcessEnsemble): Promise<number> {
  const from = performance.now();
  ensemble.start();
  const seen = await ensemble.until("a leader", (all) => all.some((one) => one?.ready === true));
  const client = createClient({ servers: [ensemble.serverOf(seen[0]?.id ?? 1)] });
  try {
    await client.create("/first");
    return performance.now() - from;
  } finally {
    client.close();
  }
}

async function measureShape(
  ensemble: ProcessEnsemble,
  counter: SyncCounter,
  shape: string,
  { seconds, bytes }: RunOptions,
): Promise<ShapeRun> {
  const [connections = 0, outstanding = 0] = shape.split("x").map(Number);
  const leader = await ensemble.untilReady();
  const order: LoadOrder = {
    servers: ensemble.servers,
    connections,
    outstanding,
    bytes,
    warmUpMs: WARM_UP_MS,
    measureMs: seconds * 1000,
  };
  const look = (): { cpuSeconds: number; residentMiB: number; syncs: number }[] =>
    ensemble.ids.map((id) => ({
      ...costsOf(ensemble.process(id).pid),
      syncs: counter.countOf(String(id)),
    }));
  const before = look();
  const report = await runLoadProcess(order);
  const after = look();
  // Costs are of the whole load, so they are shared out among all that was acknowledged.
  const perWrite = (cpuSeconds: number): number => (cpuSeconds * 1e6) / report.acknowledged;
  return {
    ...report,
    shape,
    writesPerSecond: report.writes / report.seconds,
    clientCpuMicrosPerWrite: perWrite(report.cpuSeconds),
    servers: ensemble.ids.map((id, i) => ({
      role: id === leader ? "leader" : "follower",
      cpuMicrosPerWrite: perWrite((after[i]?.cpuSeconds ?? 0) - (before[i]?.cpuSeconds ?? 0)),
      syncsPerWrite: ((after[i]?.syncs ?? 0) - (before[i]?.syncs ?? 0)) / report.acknowledged,
      residentMiB: after[i]?.residentMiB ?? 0,
    })),
  };
}
