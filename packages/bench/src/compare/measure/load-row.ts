import type { LoadOrder } from "@quorate/load";
import type { BenchEnsemble } from "../contenders/contender.js";
import type { Measured } from "../measurement.js";
import type { LoadRow } from "../rows.js";
import { errand, serversOf, type BenchContext } from "./bench-context.js";
import { microsNow, type Traced } from "../profile/profile-report.js";
import { threadCpuOf, usedBetween, type ThreadCpu } from "../profile/thread-times.js";
import {
  costsBetween,
  lookAt,
  lookAtMachine,
  othersPercent,
  type Looks,
  type MachineLook,
} from "./costs.js";
import type { LoadResult } from "./errands.js";

/** Of a closed loop that finds out what the most is, before an open one. */
const PROBE_SHAPE = { connections: 30, outstanding: 10 } as const;
/** What 10,000 nodes of 1 KiB take, at the slowest that is worth measuring. */
const PREPARE_MS_PER_KEY = 2;

export function rootOf({ keys, valueBytes }: Pick<LoadRow, "keys" | "valueBytes">): string {
  return `/bench/k${keys}-b${valueBytes}`;
}

/** Makes the nodes of rows; what two of them share is made once. */
export async function prepareRows(
  context: BenchContext,
  ensemble: BenchEnsemble,
  rows: readonly Pick<LoadRow, "keys" | "valueBytes">[],
): Promise<void> {
  const servers = serversOf(ensemble, ensemble.ids);
  for (const [root, { keys, valueBytes }] of new Map(rows.map((row) => [rootOf(row), row]))) {
    const order = { servers, root, keys, valueBytes };
    await errand(context, "prepare", order, { workMs: keys * PREPARE_MS_PER_KEY });
  }
}

export async function measureLoadRow(
  context: BenchContext,
  ensemble: BenchEnsemble,
  row: LoadRow,
): Promise<Measured> {
  const leader = await ensemble.untilReady();
  const order: LoadOrder = {
    servers: serversFor(ensemble, row, leader),
    connections: row.connections,
    outstanding: row.outstanding,
    workload: row.workload,
    valueBytes: row.valueBytes,
    keys: row.keys,
    keyChoice: row.keyChoice,
    ratePerSecond: null,
    requests: null,
    warmUpMs: context.pace.warmUpMs,
    measureMs: context.pace.measureMs,
    seed: 1,
    root: rootOf(row),
  };
  if (row.rateShare === null) return measureOrder(context, ensemble, leader, order);
  const most = await runLoad(context, ensemble, { ...order, ...PROBE_SHAPE });
  const ratePerSecond = Math.round((most.result.done / most.result.seconds) * row.rateShare);
  const measured = await measureOrder(context, ensemble, leader, { ...order, ratePerSecond });
  return { ...measured, notes: [...measured.notes, `${ratePerSecond}/s were meant to arrive`] };
}

function serversFor(ensemble: BenchEnsemble, { at }: LoadRow, leader: number): string[] {
  switch (at) {
    case "voters":
      return serversOf(ensemble, ensemble.ids);
    case "watchers":
      return serversOf(ensemble, ensemble.watcherIds);
    case "a follower":
      return serversOf(ensemble, ensemble.ids.filter((id) => id !== leader).slice(0, 1));
  }
}

async function measureOrder(
  context: BenchContext,
  ensemble: BenchEnsemble,
  leader: number,
  order: LoadOrder,
): Promise<Measured> {
  const term = await ensemble.term();
  const { result, before, after, machine, traced } = await runLoad(context, ensemble, order);
  const { latencyMs, done, seconds, errors, unsent, unanswered, cpuSeconds } = result;
  if (done === 0) throw new Error(`nothing was done: ${JSON.stringify(errors)}`);
  const notes: string[] = [];
  if (unsent > 0) notes.push(`${unsent} requests were due and never sent`);
  if (unanswered > 0) notes.push(`${unanswered} requests were never answered`);
  if (result.connects > order.connections) notes.push("connections were lost");
  await ensemble.untilReady();
  const termNow = await ensemble.term();
  if (termNow !== term) notes.push(`it did not keep its leader: ${term}, then ${termNow}`);
  return {
    values: {
      ops: [done / seconds],
      p50: [latencyMs.p50],
      p99: [latencyMs.p99],
      p999: [latencyMs.p999],
      max: [latencyMs.max],
      cpuLoad: [(cpuSeconds * 1e6) / done],
      others: [othersPercent(machine.before, machine.after, cpuSeconds + secondsOf(before, after))],
      ...costsBetween(ensemble, leader, done, before, after),
    },
    errors,
    notes,
    ...(traced === null ? {} : { traced: { ...traced, leader: ensemble.pidOf(leader) } }),
  };
}

function secondsOf(before: Looks, after: Looks): number {
  const sum = (looks: Looks): number =>
    [...looks.values()].reduce((seconds, { cpuSeconds }) => seconds + cpuSeconds, 0);
  return sum(after) - sum(before);
}

interface LoadRun {
  readonly result: LoadResult;
  readonly before: Looks;
  readonly after: Looks;
  readonly machine: { readonly before: MachineLook; readonly after: MachineLook };
  /** Null where nothing is profiled. */
  readonly traced: Omit<Traced, "leader"> | null;
}

async function runLoad(
  context: BenchContext,
  ensemble: BenchEnsemble,
  order: LoadOrder,
): Promise<LoadRun> {
  const isTraced = context.profileDirectory !== null;
  const pids = isTraced ? ensemble.ids.map((id) => ensemble.pidOf(id)) : [];
  let before: Looks = new Map();
  let after: Looks = new Map();
  const machine = { before: lookAtMachine(), after: lookAtMachine() };
  let trace: { readonly from: number; readonly cpu: readonly ThreadCpu[] } | null = null;
  let traced: LoadRun["traced"] = null;
  const result = await errand(context, "load", order, {
    workMs: order.warmUpMs + order.measureMs,
    onNotice: async (notice) => {
      if (notice.kind !== "window") return;
      const at = microsNow();
      const cpu = pids.map(threadCpuOf);
      machine[notice.edge === "begin" ? "before" : "after"] = lookAtMachine();
      if (notice.edge === "begin") {
        trace = { from: at, cpu };
        before = await lookAt(ensemble);
        return;
      }
      after = await lookAt(ensemble);
      if (!isTraced || trace === null) return;
      const cpuBefore = trace.cpu;
      const used = pids.map((pid, i): readonly [number, ThreadCpu] => [
        pid,
        usedBetween(cpuBefore[i] ?? new Map(), cpu[i] ?? new Map()),
      ]);
      traced = { from: trace.from, to: at, cpu: new Map(used) };
      for (const pid of pids) process.kill(pid, "SIGUSR2");
    },
  });
  return { result, before, after, machine, traced };
}
