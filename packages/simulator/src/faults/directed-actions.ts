import type { NodeId } from "@quorate/protocol";
import type { SimNode } from "../world/sim-node.js";
import { establishedLeader, isolate, listen, POLL_MS } from "./aim.js";
import type { FaultAction } from "./nemesis.js";

/**
 * Faults with an aim. Chance alone finds some narrow places only in thousands of seeds; these
 * prepare one and then do no more than the fault model allows anyway.
 */

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
    world.pace = "busy";
    return () => {
      heal();
      leader.host.clock.set({ timerLateMs: 0 });
      world.pace = "drawn";
    };
  },
};

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

/** Writes that fill a queue. */
const FILLING_WRITES = 16;
const FILL_MS = 3000;

/** F15: large writes towards one slow receiver, until the queue towards it is full. */
const overflowPipe: FaultAction = {
  kind: "F15 slow receiver",
  durationMs: [FILL_MS, FILL_MS + 500],
  begin: (nemesis) => {
    const { world } = nemesis;
    const leader = establishedLeader(nemesis);
    const overflows = (): number => world.coverage.get("event pipe overflow");
    // Once in a run is enough: large values are what a run spends its time on.
    if (leader === null || overflows() > 0) return null;
    const slow = nemesis.otherThan(leader.id);
    nemesis.line(`n${slow} receives slowly, and all write much`);
    world.links.change(leader.id, slow, { bytesPerMs: 1 });
    world.pace = "busy";
    world.valueBytes = Math.ceil(world.options.pipeQueueBytesMax / FILLING_WRITES);
    let isOver = false;
    const end = (): void => {
      if (isOver) return;
      isOver = true;
      world.links.change(leader.id, slow, { bytesPerMs: 0 });
      world.pace = "drawn";
      world.valueBytes = null;
    };
    const watch = (): void => {
      if (overflows() > 0) end();
      else if (!isOver) world.scheduler.after(POLL_MS, "watch", watch);
    };
    watch();
    return end;
  },
};

export const directedActions: readonly FaultAction[] = [
  overflowPipe,
  returnInDiscovery,
  unawareLeader,
  halfOpenAtLastGate,
  failDiscoveries,
];
