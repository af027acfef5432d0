import type { CrashPair, PersistKind } from "../coverage.js";
import type { SimNode } from "../world/sim-node.js";
import { establishedLeader, isolate, listen, POLL_MS } from "./aim.js";
import type { FaultAction, Nemesis } from "./nemesis.js";

/** Faults with an aim at what becomes durable, and when. */

const TRAPPED_MS = 8000;

/** A trap that stays for a while and is not asked for its end. */
function trapBetween(nemesis: Nemesis, node: SimNode, pairs: readonly CrashPair[]): void {
  const [last, next] = nemesis.random.pick(pairs).split(" > ") as [PersistKind, PersistKind];
  nemesis.line(`n${node.id} will die between ${last} and ${next}`);
  node.setTrap({ kind: next, when: "between", last });
  nemesis.lasting(() => node.setTrap(null), TRAPPED_MS);
}

const TRUNCATING: readonly CrashPair[] = [
  "acceptedEpoch > truncate",
  "truncate > append",
  "append > currentEpoch",
];

/** F16, with F10: a leader with a tail of its own comes back and dies while it is truncated. */
const killWhileTruncating: FaultAction = {
  kind: "F16 kill around persist",
  durationMs: [1800, 4000],
  begin: (nemesis) => {
    const leader = establishedLeader(nemesis);
    if (leader === null) return null;
    nemesis.line(`n${leader.id}, the leader, is cut off`);
    const heal = isolate(nemesis, leader);
    return () => {
      heal();
      trapBetween(nemesis, leader, TRUNCATING);
    };
  },
};

const INSTALLING: readonly CrashPair[] = [
  "acceptedEpoch > stage",
  "stage > install",
  "install > currentEpoch",
];

/** Whether the leader's log begins above this node's end. */
function needsSnapshot(nemesis: Nemesis, node: SimNode): boolean {
  const log = nemesis.world.leader()?.disk.image?.log;
  const end = nemesis.world.disks.end(node.id);
  return log !== undefined && end !== null && log.start.txnid > end.txnid;
}

/** F16, with F18: a node that was away until it needs a snapshot dies while it gets that. */
const killWhileInstalling: FaultAction = {
  kind: "F16 kill around persist",
  durationMs: [8000, 15_000],
  begin: (nemesis) => {
    const node = nemesis.anyNode();
    if (!node.host.isAlive) return null;
    const { world } = nemesis;
    nemesis.line(`n${node.id} is down for long`);
    node.kill("powerLoss", true);
    world.pace = "busy";
    world.scheduler.after(1500, "busy", () => {
      world.pace = "drawn";
    });
    let isOver = false;
    const release = (): void => {
      if (isOver) return;
      isOver = true;
      trapBetween(nemesis, node, INSTALLING);
      node.release();
    };
    const watch = (): void => {
      if (needsSnapshot(nemesis, node)) release();
      else if (!isOver) world.scheduler.after(10 * POLL_MS, "watch", watch);
    };
    watch();
    return release;
  },
};

/** With a tail, and then with nothing that would follow the truncation. */
const TAIL_MS = 150;
/** For the leader of old to find the next one and to be truncated. */
const REJOINS_MS = 1500;

/**
 * The same, and nobody writes to the next leader meanwhile, nor takes up a session there, which
 * would be a transaction too: the truncation is all of the history, and the new epoch follows it
 * directly. So the old leader comes back as soon as there is a next one.
 */
const killAfterTruncation: FaultAction = {
  kind: "F16 kill around persist",
  durationMs: [4000, 6000],
  begin: (nemesis) => {
    const leader = establishedLeader(nemesis);
    if (leader === null) return null;
    const { world } = nemesis;
    const others = world.nodes.filter((node) => node !== leader);
    nemesis.line(`n${leader.id}, the leader, is cut off, and soon nobody writes`);
    const heal = isolate(nemesis, leader);
    world.pace = "busy";
    world.scheduler.after(TAIL_MS, "quiet", () => {
      world.pace = "quiet";
    });
    let isOver = false;
    const comeBack = (): void => {
      if (isOver) return;
      isOver = true;
      trapBetween(nemesis, leader, ["truncate > currentEpoch"]);
      heal();
      nemesis.lasting(() => {
        world.pace = "drawn";
      }, REJOINS_MS);
    };
    const watch = (): void => {
      if (isOver) return;
      const isLed = others.some((node) => {
        const status = node.status();
        return status?.role === "leader" && status.isReady;
      });
      if (isLed) comeBack();
      else world.scheduler.after(POLL_MS, "watch", watch);
    };
    watch();
    return comeBack;
  },
};

const SLOW_FSYNC_MS = 1500;
/** From a proposal's sending until the store has been asked to write it. */
const ASKED_MS = 3;
/** For the write to fail and for the node to open its store again. */
const FULL_MS = 4000;

/** F29, with F12 and F31: the disk is full while a role that has just ended waits for it. */
const fullDiskInBarrier: FaultAction = {
  kind: "F29 disk full",
  durationMs: [FULL_MS, FULL_MS + 1000],
  begin: (nemesis) => {
    const { world, random } = nemesis;
    const leader = establishedLeader(nemesis);
    if (leader === null) return null;
    const node = random.pick(world.nodes);
    if (!node.disk.isOpen) return null;
    nemesis.line(`the disk of n${node.id} will be full while its role ends`);
    node.extraFsyncMs = SLOW_FSYNC_MS;
    world.pace = "busy";
    const silence = listen(nemesis, ({ host, peer }, message) => {
      if (message.kind !== "proposal" || (host.id !== node.id && peer !== node.id)) return;
      silence();
      world.scheduler.after(ASKED_MS, "full", () => {
        if (!node.disk.isOpen) return;
        node.disk.failNextCommit("full");
        world.pipes.resetConnectionsOf(node.id);
      });
    });
    return () => {
      silence();
      node.extraFsyncMs = 0;
      world.pace = "drawn";
    };
  },
};

const LONG_LOG_CHECKPOINT_BYTES_MAX = 16 * 1024;
const LONG_LOG_MS = 4000;

/** F29: no room for checkpoints, and much is written, until the log may grow no further. */
const logWithoutRoom: FaultAction = {
  kind: "F29 disk full",
  durationMs: [LONG_LOG_MS, LONG_LOG_MS + 2000],
  begin: (nemesis) => {
    const { world } = nemesis;
    const { checkpointBytes } = world.options;
    if (establishedLeader(nemesis) === null) return null;
    if (checkpointBytes > LONG_LOG_CHECKPOINT_BYTES_MAX) return null;
    const { id, disk } = nemesis.anyNode();
    nemesis.line(`n${id} has no room for checkpoints while all write much`);
    disk.hasRoomForRows = false;
    world.pace = "busy";
    world.valueBytes = checkpointBytes / 2;
    return () => {
      disk.hasRoomForRows = true;
      world.pace = "drawn";
      world.valueBytes = null;
    };
  },
};

export const directedDiskActions: readonly FaultAction[] = [
  killWhileTruncating,
  killAfterTruncation,
  killWhileInstalling,
  fullDiskInBarrier,
  logWithoutRoom,
];
