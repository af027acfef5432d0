import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ProcessEnsemble } from "@quorate/testkit/processes";
import type { SyncCounter } from "../../load/sync-counter.js";
import {
  READY_MS,
  STOP_MS,
  type BenchEnsemble,
  type Contender,
  type EnsembleWish,
} from "./contender.js";
import { endInOrder } from "./ending.js";

const PROFILER = fileURLToPath(new URL("../profile/thread-profiler.cjs", import.meta.url));

/** One build of ours: `command` is the executable with its leading arguments. */
export function quorateContender(
  name: string,
  description: string,
  command: readonly string[],
  syncs: SyncCounter,
): Contender {
  return {
    name,
    protocol: "zookeeper",
    description,
    canHaveWatchers: true,
    canBeProfiled: true,
    isOurs: true,
    open: (wish) => openQuorate(name, command, syncs, wish),
  };
}

async function openQuorate(
  name: string,
  command: readonly string[],
  syncs: SyncCounter,
  wish: EnsembleWish,
): Promise<BenchEnsemble> {
  const profile = wish.profileDirectory;
  if (profile !== null) mkdirSync(profile, { recursive: true });
  const profiling =
    profile === null ? {} : { NODE_OPTIONS: `--require ${PROFILER}`, THREAD_PROFILES: profile };
  const ensemble = await ProcessEnsemble.create({
    command,
    directory: wish.directory,
    count: wish.voters,
    watchers: wish.watchers,
    // As ZooKeeper's observers: each follows the leader.
    upstreamsOf: () => [],
    config: {
      log: { level: "warn", format: "json" },
      // All clients come from one address.
      zookeeper: { maxClientCnxns: 0 },
    },
    env: (id) => ({ ...syncs.environmentOf(`${name}-${id}`), ...profiling }),
  });
  const all = [...ensemble.ids, ...ensemble.watcherIds];
  return {
    protocol: "zookeeper",
    ids: ensemble.ids,
    watcherIds: ensemble.watcherIds,
    serverOf: (id) => ensemble.serverOf(id),
    pidOf: (id) => ensemble.process(id).pid,
    syncsOf: (id) => Promise.resolve(syncs.countOf(`${name}-${id}`)),
    start: (...ids) => ensemble.start(...(ids.length === 0 ? all : ids)),
    untilReady: async () => {
      const leader = await ensemble.untilReady(ensemble.ids, READY_MS);
      const isReady = (seen: { ready: boolean } | null): boolean => seen?.ready === true;
      await ensemble.until("watchers ready", (seen) => seen.every(isReady), {
        ids: ensemble.watcherIds,
        ms: READY_MS,
      });
      return leader;
    },
    term: async () => {
      const seen = await ensemble.status(ensemble.ids[0] ?? 1);
      return `${seen?.leader ?? "nobody"} in epoch ${seen?.epoch ?? "?"}`;
    },
    kill: async (...ids) => {
      await ensemble.kill("SIGKILL", ...ids);
    },
    stop: () =>
      endInOrder(
        all.map((id) => ensemble.process(id)),
        STOP_MS,
      ),
    logs: () => ensemble.logs(),
    [Symbol.asyncDispose]: () => ensemble[Symbol.asyncDispose](),
  };
}
