import { FAULT_KINDS, type FaultKind } from "../coverage.js";
import type { RandomStream } from "../engine/random-stream.js";

/** What a seed decides before its run begins. */
export interface SwarmOptions {
  readonly nodeCount: 3 | 5;
  readonly enabled: ReadonlySet<FaultKind>;
  /** Mean virtual time between two faults. */
  readonly faultEveryMs: number;
  readonly safetyMs: number;
  readonly livenessMsMax: number;
  readonly operations: number;
  readonly clients: number;
  /** With sessions of ZooKeeper; none where the server under test has no such. */
  readonly sessionClients: number;
  readonly keys: number;
  readonly checkpointBytes: number;
  readonly retainedTailBytes: number;
  readonly pipeQueueBytesMax: number;
  readonly valueBytesMax: number;
  /** A server more, without a vote, and whom it follows. */
  readonly watcher: "none" | "of the leader" | "of a voter";
}

const KIB = 1024;
/** One more node costs a fifth of a run. */
const WATCHERS = ["none", "none", "none", "none", "none", "of the leader", "of a voter"] as const;

/**
 * Each seed turns on another part of the faults: a bug that needs three of them shows sooner when
 * the other thirty are silent.
 */
export function drawSwarm(random: RandomStream): SwarmOptions {
  const share = random.pick([0.2, 0.35, 0.5, 0.8]);
  const enabled = new Set<FaultKind>(FAULT_KINDS.filter(() => random.chance(share)));
  for (const kind of random.shuffle(FAULT_KINDS)) {
    if (enabled.size >= 8) break;
    enabled.add(kind);
  }
  return {
    nodeCount: random.chance(0.5) ? 3 : 5,
    enabled,
    faultEveryMs: random.pick([800, 1500, 3000]),
    safetyMs: 120_000,
    livenessMsMax: 60_000,
    operations: 1000,
    clients: 8,
    sessionClients: 6,
    keys: random.pick([6, 16, 40]),
    checkpointBytes: random.pick([4, 16, 64, 1024]) * KIB,
    retainedTailBytes: random.pick([0, 2, 16, 256]) * KIB,
    // Never below the window of a history: four chunks of 256 KiB.
    pipeQueueBytesMax: random.pick([1280, 2048, 4096]) * KIB,
    valueBytesMax: random.pick([16, 200, 2000]),
    watcher: random.pick(WATCHERS),
  };
}
