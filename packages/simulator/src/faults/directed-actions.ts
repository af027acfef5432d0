import type { NodeId, PeerMsg } from "@quorate/protocol";
import type { PersistKind } from "../coverage.js";
import type { PipeEnd } from "../network/pipe-end.js";
import type { SimNode } from "../world/sim-node.js";
import type { FaultAction, Nemesis } from "./nemesis.js";

/**
 * Faults with an aim. Chance alone finds some narrow places only in thousands of seeds; these
 * prepare one and then do no more than the fault model allows anyway.
 */

const TRAPPED_MS = 8000;
const POLL_MS = 5;

type Pair = readonly [PersistKind, PersistKind];

/** Cuts a leader off, with what it still proposes; returns how to heal it. */
function isolate(nemesis: Nemesis, node: SimNode): () => void {
  const { links } = nemesis.world;
  nemesis.isPartitioned = true;
  links.partition((from, to) => from !== node.id && to !== node.id);
  let isOver = false;
  return () => {
    if (isOver) return;
    isOver = true;
    nemesis.isPartitioned = false;
    links.partition(() => true);
  };
}

function establishedLeader(nemesis: Nemesis): SimNode | null {
  const leader = nemesis.world.leader();
  return leader?.status()?.isReady === true && !nemesis.isPartitioned ? leader : null;
}

/** A trap that stays for a while and is not asked for its end. */
function trapBetween(nemesis: Nemesis, node: SimNode, pairs: readonly Pair[]): void {
  const [last, next] = nemesis.random.pick(pairs);
  nemesis.line(`n${node.id} will die between ${last} and ${next}`);
  node.setTrap({ kind: next, when: "between", last });
  nemesis.lasting(() => node.setTrap(null), TRAPPED_MS);
}

const TRUNCATING: readonly Pair[] = [
  ["acceptedEpoch", "truncate"],
  ["truncate", "append"],
  ["truncate", "currentEpoch"],
  ["append", "currentEpoch"],
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

const INSTALLING: readonly Pair[] = [
  ["acceptedEpoch", "stage"],
  ["stage", "install"],
  ["install", "currentEpoch"],
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
    world.isBusy = true;
    world.scheduler.after(1500, "busy", () => {
      world.isBusy = false;
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

/**
 * F10, with F31: a leader is cut off and comes back while its successor still waits for promises:
 * it knows more than that one, which must abdicate.
 */
const returnInDiscovery: FaultAction = {
  kind: "F10 isolated leader",
  durationMs: [3000, 4000],
  begin: (nemesis) => {
    const leader = establishedLeader(nemesis);
    if (leader === null) return null;
    const { world } = nemesis;
    nemesis.line(`n${leader.id}, the leader, is cut off until the next one is elected`);
    const heal = isolate(nemesis, leader);
    const others = world.nodes.filter((node) => node !== leader);
    let isOver = false;
    const watch = (): void => {
      if (isOver) return;
      const isElected = others.some((node) => {
        const status = node.status();
        return status?.role === "leader" && !status.isReady;
      });
      if (isElected) heal();
      else world.scheduler.after(POLL_MS, "watch", watch);
    };
    world.scheduler.after(1000, "slow disks", () => {
      if (isOver) return;
      for (const node of others) node.extraFsyncMs = 1000;
      watch();
    });
    return () => {
      isOver = true;
      for (const node of others) node.extraFsyncMs = 0;
      heal();
    };
  },
};

/**
 * F10, with F37: a leader is cut off from the voters but not from its clients, who ask much, and
 * its timers are late: it believes in itself longer than its lease.
 */
const unawareLeader: FaultAction = {
  kind: "F10 isolated leader",
  durationMs: [2500, 4000],
  begin: (nemesis) => {
    const leader = establishedLeader(nemesis);
    if (leader === null) return null;
    const { world } = nemesis;
    nemesis.line(`n${leader.id}, the leader, is cut off and its timers are late`);
    const heal = isolate(nemesis, leader);
    leader.host.clock.set({ timerLateMs: 3000 });
    world.isBusy = true;
    return () => {
      heal();
      leader.host.clock.set({ timerLateMs: 0 });
      world.isBusy = false;
    };
  },
};

/** Calls back with each message that is sent, until the fault ends. */
function listen(nemesis: Nemesis, hear: (pipe: PipeEnd, message: PeerMsg) => void): () => void {
  const { messageListeners } = nemesis.world;
  messageListeners.add(hear);
  return () => messageListeners.delete(hear);
}

/**
 * F6, with F31: of five nodes, one has acknowledged the new leader and loses its connection,
 * which the leader does not notice; the others are slow. It comes back on a second connection.
 */
const halfOpenAtLastGate: FaultAction = {
  kind: "F6 half-open",
  durationMs: [3000, 6000],
  begin: (nemesis) => {
    const { world } = nemesis;
    const leader = establishedLeader(nemesis);
    if (leader === null || world.options.nodes.length < 5) return null;
    let pair: { readonly leader: NodeId; readonly follower: NodeId } | null = null;
    const silence = listen(nemesis, (pipe, message) => {
      if (message.kind === "streamBegin" && pair === null) {
        pair = { leader: pipe.host.id, follower: pipe.peer };
        for (const node of world.nodes) {
          const isFast = node.id === pair.leader || node.id === pair.follower;
          node.extraFsyncMs = isFast ? 0 : 4000;
        }
      }
      if (message.kind === "newLeaderAck" && pipe.host.id === pair?.follower) {
        silence();
        nemesis.line(`n${pair.follower} loses its connection after its acknowledgement`);
        world.scheduler.after(2, "half-open", () => world.pipes.halfOpen(pipe));
      }
    });
    leader.kill("killed");
    return () => {
      silence();
      for (const node of world.nodes) node.extraFsyncMs = 0;
    };
  },
};

const PROMISE_MS = 4;
const RESTART_MS = 50;

/**
 * F16, with F19: a discovery fails when nobody but one node has promised, and after a restart of
 * all it fails in the same way once more. That node has then promised more than the next leader,
 * elected by the others alone, offers.
 */
const failDiscoveries: FaultAction = {
  kind: "F16 kill at port call",
  durationMs: [5000, 7000],
  begin: (nemesis) => {
    const { world } = nemesis;
    const { links, scheduler, nodes } = world;
    const leader = establishedLeader(nemesis);
    if (leader === null || nodes.length < 5) return null;
    // Ids decide between equal histories: this one leads last.
    const chosen = nodes.find((node) => node !== leader) as SimNode;
    let stage: "first" | "restarting" | "second" | "without" | "over" = "first";
    let victim: SimNode | null = null;
    let offering: NodeId | null = null;
    const finish = (): void => {
      if (stage === "over") return;
      stage = "over";
      nemesis.isPartitioned = false;
      links.partition(() => true);
      victim?.release();
    };
    const restartAll = (): void => {
      for (const node of nodes) node.kill("powerLoss", true);
      links.partition(() => true);
      scheduler.after(RESTART_MS, "restart all", () => {
        for (const node of nodes) node.release();
        if (stage === "restarting") stage = "second";
      });
    };
    const leaveOut = (sender: SimNode): void => {
      victim = sender;
      sender.kill("powerLoss", true);
      links.partition((from, to) => from !== chosen.id && to !== chosen.id);
    };
    const silence = listen(nemesis, ({ host, peer }, message) => {
      if (message.kind !== "leaderInfo" || host.id === chosen.id) return;
      if (stage === "over") return;
      if (stage === "without" && host.id !== offering) {
        // The others have agreed on an epoch.
        scheduler.after(PROMISE_MS, "heal", finish);
        return;
      }
      if (peer !== chosen.id) links.change(host.id, peer, { isCut: true });
      else if (stage === "first") {
        stage = "restarting";
        scheduler.after(PROMISE_MS, "fail discovery", restartAll);
      } else if (stage === "second") {
        stage = "without";
        offering = host.id;
        scheduler.after(PROMISE_MS, "fail discovery", () => leaveOut(world.node(host.id)));
      }
    });
    nemesis.isPartitioned = true;
    nemesis.line(`discoveries fail after the promise of n${chosen.id}`);
    leader.kill("killed");
    return () => {
      silence();
      finish();
      for (const node of nodes) node.release();
    };
  },
};

export const directedActions: readonly FaultAction[] = [
  killWhileTruncating,
  killWhileInstalling,
  returnInDiscovery,
  unawareLeader,
  halfOpenAtLastGate,
  failDiscoveries,
];
