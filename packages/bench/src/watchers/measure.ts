import { createClient } from "@quorate/client";
import { ProcessEnsemble } from "@quorate/testkit/processes";
import type { Distribution } from "../distribution.js";
import type { FanOutReport } from "../fan-out/fan-out-worker.js";
import { writeSteadily } from "../fan-out/steady-writes.js";
import { startSubscribers } from "../fan-out/subscribers.js";
import { runLoadProcess } from "../load/load-process.js";
import type { LoadReport } from "../load/load-worker.js";
import { WARM_UP_MS } from "../load/measure.js";
import { makePaths } from "../load/paths.js";
import { costsOf } from "../load/process-costs.js";
import { upstreamsIn, type Topology } from "./topology.js";

export interface WatchersOptions {
  readonly command: readonly string[];
  /** Everything is written below it. */
  readonly directory: string;
  readonly voters: number;
  readonly connections: number;
  readonly outstanding: number;
  readonly bytes: number;
  readonly seconds: number;
  /** Writes per second while the lag is measured. */
  readonly rate: number;
}

/** What an ensemble with such watchers did. */
export interface WatchersRun {
  readonly writesPerSecond: number;
  readonly latencyMs: Distribution;
  readonly errors: Readonly<Record<string, number>>;
  readonly cpuMicrosPerWrite: {
    readonly leader: number;
    /** The mean of those that follow the leader; null without one. */
    readonly direct: number | null;
    readonly behind: number | null;
  };
  /** From the end of the load until every watcher had all of it. */
  readonly caughtUpMs: number;
  /** Of one stream, from the last watcher, or from a follower where there is none. */
  readonly lagMs: Distribution;
  /** Not all that was written at the steady rate, or one of them twice: it must be 0. */
  readonly missed: number;
}

const PREFIX = "/lag";

/** @throws (rejects) when the watchers do not follow as the topology says, from start to end. */
export async function measureWatchers(
  topology: Topology,
  options: WatchersOptions,
): Promise<WatchersRun> {
  await using ensemble = await ProcessEnsemble.create({
    command: options.command,
    directory: options.directory,
    count: options.voters,
    watchers: topology.direct + topology.behind,
    upstreamsOf: (watcher, all) => upstreamsIn(topology, watcher, all),
    config: { log: { level: "warn", format: "json" } },
  });
  ensemble.start(...ensemble.ids, ...ensemble.watcherIds);
  const leader = await untilFollowing(ensemble, topology);
  const client = createClient({ servers: ensemble.servers, timeoutMs: 30_000 });
  try {
    await makePaths(client);
    await client.create(PREFIX);
    const loaded = await measureLoad(ensemble, topology, leader, options);
    const lag = await measureLag(ensemble, client, options);
    const leaderNow = await untilFollowing(ensemble, topology);
    if (leaderNow !== leader) throw new Error("the leader changed: the figures mix two of them");
    return { ...loaded, ...lag };
  } finally {
    client.close();
  }
}

/** Waits until all are ready and each watcher follows whom it should; @returns the leader. */
async function untilFollowing(ensemble: ProcessEnsemble, topology: Topology): Promise<number> {
  const leader = await ensemble.untilReady();
  const ids = ensemble.watcherIds;
  if (ids.length === 0) return leader;
  await ensemble.until(
    "each watcher to follow its upstream",
    (all) =>
      all.every((seen) => {
        const [upstream = leader] = seen === null ? [] : upstreamsIn(topology, seen.id, ids);
        return seen?.ready === true && seen.leader === upstream;
      }),
    { ids },
  );
  return leader;
}

async function measureLoad(
  ensemble: ProcessEnsemble,
  { direct }: Topology,
  leader: number,
  { connections, outstanding, bytes, seconds }: WatchersOptions,
): Promise<Omit<WatchersRun, "lagMs" | "missed">> {
  const all = [...ensemble.ids, ...ensemble.watcherIds];
  const cpuOf = (id: number): number => costsOf(ensemble.process(id).pid).cpuSeconds;
  const before = new Map(all.map((id) => [id, cpuOf(id)]));
  const voters = ensemble.ids.map((id) => ensemble.serverOf(id));
  const report: LoadReport = await runLoadProcess({
    servers: voters,
    connections,
    outstanding,
    bytes,
    warmUpMs: WARM_UP_MS,
    measureMs: seconds * 1000,
  });
  const from = performance.now();
  await ensemble.untilEqual(all);
  const caughtUpMs = performance.now() - from;
  const perWrite = (ids: readonly number[]): number | null => {
    const used = ids.map((id) => cpuOf(id) - (before.get(id) ?? 0));
    const sum = used.reduce((total, one) => total + one, 0);
    return ids.length === 0 ? null : (sum / ids.length / report.acknowledged) * 1e6;
  };
  return {
    writesPerSecond: report.writes / report.seconds,
    latencyMs: report.latencyMs,
    errors: report.errors,
    cpuMicrosPerWrite: {
      leader: perWrite([leader]) ?? 0,
      direct: perWrite(ensemble.watcherIds.slice(0, direct)),
      behind: perWrite(ensemble.watcherIds.slice(direct)),
    },
    caughtUpMs,
  };
}

async function measureLag(
  ensemble: ProcessEnsemble,
  client: ReturnType<typeof createClient>,
  { rate, seconds, bytes }: WatchersOptions,
): Promise<Pick<WatchersRun, "lagMs" | "missed">> {
  const leader = await ensemble.untilReady();
  const followers = ensemble.ids.filter((id) => id !== leader);
  const last = ensemble.watcherIds.at(-1) ?? followers.at(-1) ?? leader;
  const servers = [ensemble.serverOf(last)];
  const stop = await startSubscribers({ servers, subscribers: 1, prefix: PREFIX, sampleEvery: 1 });
  const writes = await writeSteadily(client, PREFIX, { rate, seconds, bytes });
  await ensemble.untilEqual([...ensemble.ids, ...ensemble.watcherIds]);
  const { events, lagMs, errors }: FanOutReport = await stop();
  if (errors.length > 0) throw new Error(`the stream ended: ${errors.join("; ")}`);
  return { lagMs, missed: Math.abs(writes - events) };
}
