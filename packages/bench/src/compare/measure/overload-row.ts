import { setTimeout as pause } from "node:timers/promises";
import type { LoadOrder } from "@quorate/load";
import { costsOf } from "../../load/process-costs.js";
import type { BenchEnsemble } from "../contenders/contender.js";
import type { Measured } from "../measurement.js";
import { microsNow } from "../profile/profile-report.js";
import { errand, serversOf, type BenchContext } from "./bench-context.js";
import type { Probe } from "./errands.js";
import { prepareRows, rootOf } from "./load-row.js";

/** What may be told to whoever asks for too much: tried again, it may have room. */
const REFUSALS: readonly string[] = ["throttled", "ERR_SERVER_BUSY"];
/** Of the rate that a closed loop reaches, and could be asked for all day. */
const OVERLOAD = 3;
const TREE = { keys: 1000, valueBytes: 1024 } as const;
const PROBE_SHAPE = { connections: 10, ratePerSecond: 100 } as const;
const CLOSED_SHAPE = { connections: 30, outstanding: 10 } as const;
/** More than servers take in at a time, so that what bounds them are their own bounds. */
const OPEN_SHAPE = { connections: 30, outstanding: 1000 } as const;
const BEFORE_MS = 3_000;
const AFTER_MS = 6_000;
/** Beside the overload itself: its processes start and drain meanwhile. */
const PROBING_MS_MAX = 120_000;

/** An open loop that asks for three times what is possible, and a few writes all along. */
export async function measureOverload(
  context: BenchContext,
  ensemble: BenchEnsemble,
): Promise<Measured> {
  const { warmUpMs, measureMs } = context.pace;
  await prepareRows(context, ensemble, [TREE]);
  const servers = serversOf(ensemble, ensemble.ids);
  const order: LoadOrder = {
    ...TREE,
    ...CLOSED_SHAPE,
    servers,
    workload: "set",
    keyChoice: "in-turn",
    ratePerSecond: null,
    requests: null,
    warmUpMs,
    measureMs,
    seed: 1,
    root: rootOf(TREE),
  };
  const workMs = warmUpMs + measureMs;
  const most = await errand(context, "load", order, { workMs });
  const ratePerSecond = Math.round((most.done / most.seconds) * OVERLOAD);
  const probing = startProbing(context, servers);
  const stopProbing = await probing.steady;
  await pause(BEFORE_MS, undefined, { signal: context.signal });
  const term = await ensemble.term();
  const beganAt = microsNow();
  let endedAt = 0;
  const result = await errand(
    context,
    "load",
    { ...order, ...OPEN_SHAPE, ratePerSecond, warmUpMs: 0 },
    {
      workMs,
      onNotice: (notice) => {
        if (notice.kind === "window" && notice.edge === "end") endedAt = microsNow();
        return Promise.resolve();
      },
    },
  );
  await pause(AFTER_MS, undefined, { signal: context.signal });
  stopProbing();
  const probes = await probing.probes;
  const { baseMs, besideMs, recoveredMs } = recoveryOf(probes, beganAt, endedAt);
  const refused = Object.values(result.errors).reduce((sum, one) => sum + one, 0);
  const notes = [
    `${ratePerSecond}/s were meant to arrive, ${result.unsent} of them were never sent`,
    `p99 of a few writes before: ${baseMs.toFixed(1)} ms`,
  ];
  const refusals = new Set(probes.flatMap(({ error }) => error ?? []));
  if (refusals.size > 0) notes.push(`some of these ended with ${[...refusals].join(", ")}`);
  await ensemble.untilReady();
  const errors = [...Object.keys(result.errors), ...refusals];
  const faults = faultsOf(term, await ensemble.term(), errors);
  if (context.contender.isOurs && faults.length > 0) throw new Error(faults.join("; "));
  notes.push(...faults);
  return {
    values: {
      ops: [result.done / result.seconds],
      shed: [refused / result.seconds],
      p99: [result.latencyMs.p99],
      beside: besideMs === null ? [] : [besideMs],
      recovered: [recoveredMs],
      peak: [Math.max(...ensemble.ids.map((id) => costsOf(ensemble.pidOf(id)).residentMaxMiB))],
    },
    errors: result.errors,
    notes,
  };
}

/** What an overload must not do: take the leader, or end a request with anything but a refusal. */
export function faultsOf(term: string, termNow: string, errors: readonly string[]): string[] {
  const faults: string[] = [];
  if (termNow !== term) faults.push(`it did not keep its leader: ${term}, then ${termNow}`);
  const others = [...new Set(errors)].filter((error) => !REFUSALS.includes(error));
  if (others.length > 0) faults.push(`requests ended with ${others.join(", ")}`);
  return faults;
}

/** `steady` gives how to end it, once it writes. */
function startProbing(
  context: BenchContext,
  servers: readonly string[],
): { readonly steady: Promise<() => void>; readonly probes: Promise<readonly Probe[]> } {
  const forMsMax = PROBING_MS_MAX + context.pace.measureMs;
  let onSteady: (stop: () => void) => void = () => undefined;
  const isSteady = new Promise<() => void>((resolve) => (onSteady = resolve));
  const probes = errand(
    context,
    "probe",
    { ...TREE, ...PROBE_SHAPE, servers, root: rootOf(TREE), forMsMax },
    {
      workMs: forMsMax,
      onNotice: (notice, tell) => {
        if (notice.kind === "steady") onSteady(() => tell({ kind: "stop" }));
        return Promise.resolve();
      },
    },
  );
  // When it fails, it is never steady.
  const steady = Promise.race([isSteady, probes.then(() => () => undefined)]);
  return { steady, probes };
}

/** So much slower than before is as before; noise of a few milliseconds is none of a load's. */
const AS_BEFORE = { times: 2, plusMs: 10 } as const;

export interface Recovery {
  /** p99 of those carried out before the load, and while it lasted; null for none of these. */
  readonly baseMs: number;
  readonly besideMs: number | null;
  /** How long after its end the last answer came that was not as those before it. */
  readonly recoveredMs: number;
}

/** What an overload was to a few writes beside it. */
export function recoveryOf(probes: readonly Probe[], beganAt: number, endedAt: number): Recovery {
  const baseMs = p99Of(probes.filter(({ startedAt }) => startedAt < beganAt)) ?? 0;
  const besideMs = p99Of(
    probes.filter(({ startedAt }) => startedAt >= beganAt && startedAt < endedAt),
  );
  const limitMs = Math.max(baseMs * AS_BEFORE.times, baseMs + AS_BEFORE.plusMs);
  const others = probes.filter(
    ({ startedAt, ms, error }) => startedAt >= beganAt && (error !== null || ms > limitMs),
  );
  const lastAt = Math.max(endedAt, ...others.map(({ startedAt, ms }) => startedAt + ms * 1000));
  return { baseMs, besideMs, recoveredMs: (lastAt - endedAt) / 1000 };
}

/** Of those that were carried out; null for none. */
function p99Of(probes: readonly Probe[]): number | null {
  const all = probes.filter(({ error }) => error === null).map(({ ms }) => ms);
  all.sort((a, b) => a - b);
  return all[Math.floor(all.length * 0.99)] ?? null;
}
