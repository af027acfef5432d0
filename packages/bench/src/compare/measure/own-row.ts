import { setTimeout as pause } from "node:timers/promises";
import { costsOf } from "../../load/process-costs.js";
import type { BenchEnsemble } from "../contenders/contender.js";
import type { Measured } from "../measurement.js";
import type { LoadRow, OwnRow } from "../rows.js";
import { errand, serversOf, withEnsemble, type BenchContext } from "./bench-context.js";
import { measureLoadRow, prepareRows, rootOf } from "./load-row.js";

/** Before the resident memory of idle servers is read. */
const IDLE_MS = 3_000;
const START_MS = 60_000;
const GAP_SHAPE = { connections: 30, valueBytes: 100, keys: 1000 } as const;
/** A kill, the election, the time to be steady, and a restart. */
const KILL_MS = 40_000;
const FIRST_PATH = "/first";

type LoadShape = Pick<LoadRow, "connections" | "outstanding" | "workload" | "valueBytes" | "keys">;

const written: LoadShape = {
  workload: "set",
  connections: 30,
  outstanding: 10,
  valueBytes: 1024,
  keys: 1000,
};

/** Starts all servers; @returns the milliseconds until a write was acknowledged. */
export async function startToFirstWrite(
  context: BenchContext,
  ensemble: BenchEnsemble,
): Promise<number> {
  // The process that writes is up before, and tries from then on.
  const servers = serversOf(ensemble, ensemble.ids);
  let from = 0;
  const attempts = errand(
    context,
    "first-write",
    { servers, path: FIRST_PATH, timeoutMs: START_MS },
    {
      workMs: START_MS,
      onNotice: (notice) => {
        if (notice.kind !== "steady") return Promise.resolve();
        from = performance.now();
        ensemble.start();
        return Promise.resolve();
      },
    },
  );
  await attempts;
  return performance.now() - from;
}

export async function measureColdStarts(context: BenchContext, row: OwnRow): Promise<Measured> {
  const start: number[] = [];
  for (let i = 0; i < context.pace.starts; i += 1) {
    const wish = { voters: row.voters ?? context.voters, watchers: 0 };
    start.push(
      await withEnsemble(context, wish, (ensemble) => startToFirstWrite(context, ensemble)),
    );
  }
  return { values: { start }, errors: {}, notes: [] };
}

export async function measureMemory(
  context: BenchContext,
  ensemble: BenchEnsemble,
): Promise<Measured> {
  await pause(IDLE_MS, undefined, { signal: context.signal });
  const mean = (): number =>
    ensemble.ids.reduce((sum, id) => sum + costsOf(ensemble.pidOf(id)).residentMiB, 0) /
    ensemble.ids.length;
  const idle = mean();
  await prepareRows(context, ensemble, [written]);
  const { errors, notes } = await measureLoadRow(context, ensemble, loadRowOf(written));
  return { values: { idle: [idle], loaded: [mean()] }, errors, notes };
}

export async function measureKills(
  context: BenchContext,
  ensemble: BenchEnsemble,
): Promise<Measured> {
  const { kills } = context.pace;
  await prepareRows(context, ensemble, [GAP_SHAPE]);
  const servers = serversOf(ensemble, ensemble.ids);
  const gap: number[] = [];
  const order = { ...GAP_SHAPE, servers, root: rootOf(GAP_SHAPE) };
  let killed = 0;
  await errand(context, "gap", order, {
    workMs: kills * KILL_MS,
    onNotice: async (notice, tell) => {
      if (notice.kind === "gap") {
        gap.push(notice.ms);
        ensemble.start(killed);
        if (gap.length === kills) {
          tell({ kind: "stop" });
          return;
        }
      }
      killed = await ensemble.untilReady();
      await pause(SETTLED_MS, undefined, { signal: context.signal });
      tell({ kind: "fault" });
      await ensemble.kill(killed);
    },
  });
  return { values: { gap }, errors: {}, notes: [] };
}

/** A restarted server has caught up by then, and its clients are spread as they were. */
const SETTLED_MS = 1_000;

export async function measureWatches(
  context: BenchContext,
  ensemble: BenchEnsemble,
  row: OwnRow,
): Promise<Measured> {
  const servers = serversOf(ensemble, ensemble.ids);
  const repeats = context.pace.notifications;
  const order = { servers, watches: row.count, repeats, path: "/watched" };
  const notified = await errand(context, "watches", order, { workMs: repeats * 1_000 });
  // The first ones are of servers that do it for the first time.
  return { values: { notified: notified.slice(Math.floor(repeats / 4)) }, errors: {}, notes: [] };
}

/** Writes, then kills all servers at once, starts them again, and waits for the next write. */
export async function measureRecovery(
  context: BenchContext,
  ensemble: BenchEnsemble,
  row: OwnRow,
): Promise<Measured> {
  await prepareRows(context, ensemble, [written]);
  const { workload, connections, outstanding, valueBytes, keys } = written;
  const workMs = row.count * WRITE_MS;
  const { errors } = await errand(
    context,
    "load",
    {
      workload,
      connections,
      outstanding,
      valueBytes,
      keys,
      servers: serversOf(ensemble, ensemble.ids),
      keyChoice: "in-turn",
      ratePerSecond: null,
      requests: row.count,
      warmUpMs: 0,
      measureMs: workMs,
      seed: 1,
      root: rootOf(written),
    },
    { workMs },
  );
  await ensemble.kill(...ensemble.ids);
  const start = await startToFirstWrite(context, ensemble);
  return { values: { start: [start] }, errors, notes: [] };
}

/** The longest that a write of many at a time may take. */
const WRITE_MS = 1;

function loadRowOf(shape: LoadShape): LoadRow {
  return {
    kind: "load",
    id: "",
    set: "table",
    title: "",
    headline: [],
    keyChoice: "in-turn",
    rateShare: null,
    at: "voters",
    voters: null,
    watchers: 0,
    ...shape,
  };
}
