import { setTimeout as pause } from "node:timers/promises";
import { ZookeeperEnsemble } from "@quorate/testkit/processes";
import type { SyncCounter } from "../../load/sync-counter.js";
import {
  POLL_MS,
  READY_MS,
  STOP_MS,
  type BenchEnsemble,
  type Contender,
  type EnsembleWish,
} from "./contender.js";
import { endInOrder } from "./ending.js";

/** As much as ZooKeeper's own start script gives a server; all else is as the JVM has it. */
const JAVA_FLAGS = ["-Xmx1g"];
/** Of the sample configuration that it ships. */
const CONFIG = { tickTime: 2000, initLimit: 10, syncLimit: 5 } as const;

export function zookeeperContender(description: string, syncs: SyncCounter): Contender {
  const name = "zookeeper";
  return {
    name,
    protocol: "zookeeper",
    description,
    canHaveWatchers: true,
    canBeProfiled: false,
    isOurs: false,
    open: (wish) => openZookeeper(name, syncs, wish),
  };
}

async function openZookeeper(
  name: string,
  syncs: SyncCounter,
  wish: EnsembleWish,
): Promise<BenchEnsemble> {
  const ensemble = await ZookeeperEnsemble.create({
    directory: wish.directory,
    count: wish.voters,
    observers: wish.watchers,
    javaFlags: JAVA_FLAGS,
    config: CONFIG,
    env: (id) => {
      // Made for our own processes, and no part of ZooKeeper's defaults.
      const { MALLOC_ARENA_MAX: _, ...env } = syncs.environmentOf(`${name}-${id}`);
      return env;
    },
  });
  const all = [...ensemble.ids, ...ensemble.observerIds];
  const untilLed = async (): Promise<number> => {
    await ensemble.untilReady(all, READY_MS);
    const deadline = performance.now() + READY_MS;
    for (;;) {
      const leader = await ensemble.leader();
      if (leader !== null) return leader;
      if (performance.now() > deadline) throw new Error(`no leader\n${ensemble.logs()}`);
      await pause(POLL_MS);
    }
  };
  return {
    protocol: "zookeeper",
    ids: ensemble.ids,
    watcherIds: ensemble.observerIds,
    serverOf: (id) => ensemble.servers[id - 1] ?? "",
    pidOf: (id) => ensemble.process(id).pid,
    syncsOf: (id) => Promise.resolve(syncs.countOf(`${name}-${id}`)),
    start: (...ids) => ensemble.start(...(ids.length === 0 ? all : ids)),
    untilReady: untilLed,
    term: async () => {
      const leader = await ensemble.leader();
      if (leader === null) return "nobody";
      return `${leader} in epoch ${(await ensemble.epochOf(leader)) ?? "?"}`;
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
