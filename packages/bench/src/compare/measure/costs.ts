import { costsOf } from "../../load/process-costs.js";
import type { BenchEnsemble } from "../contenders/contender.js";
import type { Measured } from "../measurement.js";

interface Look {
  readonly cpuSeconds: number;
  readonly residentMiB: number;
  readonly syncs: number | null;
}

export type Looks = ReadonlyMap<number, Look>;

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
