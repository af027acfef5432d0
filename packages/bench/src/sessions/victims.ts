import { setTimeout as pause } from "node:timers/promises";
import { type ProcessEnsemble, type ZookeeperEnsemble } from "@quorate/testkit/processes";

/** An ensemble of processes, whoever made them, as a test that harms it sees it. */
export interface Victims extends AsyncDisposable {
  /** The addresses for ZooKeeper's clients. */
  readonly servers: readonly string[];
  /** The processes that run, or ran last. */
  pids(): readonly number[];
  /** Waits until there is one. */
  leader(): Promise<number>;
  signal(id: number, signal: NodeJS.Signals): void;
  /** Waits until it has ended. */
  kill(id: number): Promise<void>;
  start(id: number): void;
  untilReady(): Promise<void>;
  logs(): string;
}

const WAIT_MS = 60_000;
const POLL_MS = 50;

export function zookeeperVictims(ensemble: ZookeeperEnsemble): Victims {
  return {
    servers: ensemble.servers,
    pids: () => ensemble.ids.map((id) => ensemble.process(id).pid),
    leader: async () => {
      const deadline = performance.now() + WAIT_MS;
      for (;;) {
        const leader = await ensemble.leader();
        if (leader !== null) return leader;
        if (performance.now() > deadline) throw new Error(`no leader\n${ensemble.logs()}`);
        await pause(POLL_MS);
      }
    },
    signal: (id, signal) => ensemble.process(id).signal(signal),
    kill: async (id) => {
      await ensemble.kill("SIGKILL", id);
    },
    start: (id) => ensemble.start(id),
    untilReady: () => ensemble.untilReady(),
    logs: () => ensemble.logs(),
    [Symbol.asyncDispose]: () => ensemble[Symbol.asyncDispose](),
  };
}

/** Quorate's servers: ZooKeeper's clients and its own use the same port. */
export function quorateVictims(ensemble: ProcessEnsemble): Victims {
  return {
    servers: ensemble.servers,
    pids: () => ensemble.ids.map((id) => ensemble.process(id).pid),
    leader: () => ensemble.untilReady(),
    signal: (id, signal) => ensemble.process(id).signal(signal),
    kill: async (id) => {
      await ensemble.kill("SIGKILL", id);
    },
    start: (id) => ensemble.start(id),
    untilReady: async () => {
      await ensemble.untilReady();
    },
    logs: () => ensemble.logs(),
    [Symbol.asyncDispose]: () => ensemble[Symbol.asyncDispose](),
  };
}
