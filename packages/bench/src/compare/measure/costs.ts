import { readFileSync } from "node:fs";
import { costsOf, TICK_SECONDS } from "../../load/process-costs.js";
import type { BenchEnsemble } from "../contenders/contender.js";
import type { Measured } from "../measurement.js";

interface Look {
  readonly cpuSeconds: number;
  readonly residentMiB: number;
  readonly syncs: number | null;
}

export type Looks = ReadonlyMap<number, Look>;

/** Of the whole machine so far: what its cores did, and what they could have done. */
export interface MachineLook {
  readonly busySeconds: number;
  readonly totalSeconds: number;
}

export function lookAtMachine(): MachineLook {
  const [all = ""] = readFileSync("/proc/stat", "utf8").split("\n", 1);
  // user, nice, system, idle, iowait, irq, softirq, steal; what guests use is part of user.
  const ticks = all.trim().split(/\s+/).slice(1, 9).map(Number);
  const total = ticks.reduce((sum, one) => sum + one, 0);
  const idle = (ticks[3] ?? 0) + (ticks[4] ?? 0);
  return { busySeconds: (total - idle) * TICK_SECONDS, totalSeconds: total * TICK_SECONDS };
}

/** Percent of the machine that neither servers nor load used, between two looks. */
export function othersPercent(before: MachineLook, after: MachineLook, ownSeconds: number): number {
  const total = after.totalSeconds - before.totalSeconds;
  const others = after.busySeconds - before.busySeconds - ownSeconds;
  return total <= 0 ? 0 : Math.max(0, (others / total) * 100);
}

export async function lookAt(ensemble: BenchEnsemble): Promise<Looks> {
  const ids = [...ensemble.ids, ...ensemble.watcherIds];
  // CPU times first, all at one moment; a server may have to be asked for its syncs.
  const costs = ids.map((id) => costsOf(ensemble.pidOf(id)));
  const syncs = await Promise.all(ids.map((id) => ensemble.syncsOf(id)));
  return new Map(
    ids.map((id, i) => [
      id,
      {
        cpuSeconds: costs[i]?.cpuSeconds ?? 0,
        residentMiB: costs[i]?.residentMiB ?? 0,
        syncs: syncs[i] ?? null,
      },
    ]),
  );
}

/** What each request cost the servers, between two looks. */
export function costsBetween(
  ensemble: BenchEnsemble,
  leader: number,
  done: number,
  before: Looks,
  after: Looks,
): Measured["values"] {
  const followers = ensemble.ids.filter((id) => id !== leader);
  const micros = (id: number): number =>
    (((after.get(id)?.cpuSeconds ?? 0) - (before.get(id)?.cpuSeconds ?? 0)) * 1e6) / done;
  const meanOf = (ids: readonly number[], of: (id: number) => number): readonly number[] =>
    ids.length === 0 ? [] : [ids.reduce((sum, id) => sum + of(id), 0) / ids.length];
  const resident = (id: number): number => after.get(id)?.residentMiB ?? 0;
  const all = [...ensemble.ids, ...ensemble.watcherIds];
  const syncsBefore = before.get(leader)?.syncs ?? null;
  const syncsAfter = after.get(leader)?.syncs ?? null;
  const isCounted = syncsBefore !== null && syncsAfter !== null;
  return {
    cpuServers: [all.reduce((sum, id) => sum + micros(id), 0)],
    cpuLeader: [micros(leader)],
    cpuFollower: meanOf(followers, micros),
    cpuWatcher: meanOf(ensemble.watcherIds, micros),
    syncsLeader: isCounted ? [(syncsAfter - syncsBefore) / done] : [],
    rssLeader: [resident(leader)],
    rssFollower: meanOf(followers, resident),
  };
}
