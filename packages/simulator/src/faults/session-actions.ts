import { BATCHES_IN_FLIGHT_MAX, entriesOf, OpCode } from "@quorate/protocol";
import { CreateMode } from "@quorate/znode";
import { SESSION_PREFIX } from "../checkers/service/service-model.js";
import type { SessionClient } from "../workload/session/session-client.js";
import { makeEphemerals } from "../workload/session/session-workload.js";
import type { SimNode } from "../world/sim-node.js";
import { establishedLeader, listen } from "./aim.js";
import type { FaultAction, Nemesis } from "./nemesis.js";

/** Faults with an aim at sessions: chance alone finds these places too seldom. */

const nothing = (): void => undefined;

function connected(nemesis: Nemesis, test: (client: SessionClient) => boolean): SessionClient[] {
  return nemesis.world.service.clients.filter((client) => client.isConnected && test(client));
}

/**
 * F44: the leader dies, and all clients leave their servers and come back within a moment, to
 * nodes that have no leader yet.
 */
const reconnectStorm: FaultAction = {
  kind: "F44 reconnect storm",
  durationMs: [1000, 2000],
  begin: (nemesis) => {
    const leader = establishedLeader(nemesis);
    const clients = connected(nemesis, () => true);
    if (leader === null || clients.length === 0) return null;
    nemesis.line(`n${leader.id}, the leader, dies and all clients come anew`);
    leader.kill("killed");
    for (const client of clients) {
      nemesis.world.scheduler.after(nemesis.random.next() * 50, "storm", () => client.move());
    }
    return nothing;
  },
};

/** Shorter than the lease: the leader still leads when it wakes. */
const WITHIN_LEASE_MS = [700, 950] as const;

/**
 * F17: the leader stands still for longer than some sessions' timeouts, while their clients give
 * signs of life elsewhere: alone and within its lease, or with all others.
 */
const pausedLeader: FaultAction = {
  kind: "F17 pause",
  durationMs: [...WITHIN_LEASE_MS],
  begin: (nemesis) => {
    const leader = establishedLeader(nemesis);
    if (leader === null) return null;
    const { world, random } = nemesis;
    const isAlone = random.chance(0.7);
    const victims = isAlone ? [leader] : world.nodes;
    nemesis.line(`stop ${isAlone ? `n${leader.id}, the leader` : "all"}, for sessions' timeouts`);
    for (const { host } of victims) host.pause();
    return () => {
      for (const { host } of victims) host.resume();
    };
  },
};

/** The way back from the followers is cut, within the lease: touches wait in the pipes. */
const deafLeader: FaultAction = {
  kind: "F7 one-way partition",
  durationMs: [...WITHIN_LEASE_MS],
  begin: (nemesis) => {
    const leader = establishedLeader(nemesis);
    if (leader === null) return null;
    const { links } = nemesis.world;
    nemesis.line(`n${leader.id}, the leader, is deaf for sessions' timeouts`);
    nemesis.isPartitioned = true;
    links.partition((_from, to) => to !== leader.id);
    return () => {
      nemesis.isPartitioned = false;
      links.partition(() => true);
    };
  },
};

/** How long a write is held up on its way, or in the leader's queue. */
const HELD_MS = 1500;
const BETWEEN_MS = 10;

/**
 * F48: a client writes through a follower, whose way to the leader is slow, or all disks are; and
 * moves to another server before the writes have arrived, or have their turn.
 */
const movedSession: FaultAction = {
  kind: "F48 moved session",
  durationMs: [HELD_MS, HELD_MS * 2],
  begin: (nemesis) => {
    const { world, random } = nemesis;
    const leader = establishedLeader(nemesis);
    const clients = connected(nemesis, ({ node }) => node !== leader?.id);
    if (leader === null || clients.length === 0) return null;
    const client = random.pick(clients);
    const { node } = client;
    if (node === null) return null;
    const isSlowDisk = random.chance(0.5);
    nemesis.line(`s${client.id} moves from n${node} while its writes are on their way`);
    if (isSlowDisk) for (const one of world.nodes) one.fsyncMs = HELD_MS;
    else world.links.change(node, leader.id, { extraDelayMs: HELD_MS });
    // Some are under way when the others come: those wait behind them in the leader's queue.
    for (let i = 1; i <= BATCHES_IN_FLIGHT_MAX + 2; i += 1) {
      world.scheduler.after(i * BETWEEN_MS, "writes", () => makeEphemerals(client, 1));
    }
    const afterMs = (BATCHES_IN_FLIGHT_MAX + 3) * BETWEEN_MS;
    world.scheduler.after(afterMs, "move", () => client.move());
    return () => {
      for (const one of world.nodes) one.fsyncMs = null;
      world.links.change(node, leader.id, { extraDelayMs: 0 });
    };
  },
};

/** For so long writes stay behind: within what a silent connection is kept open. */
const LEFT_MS = [900, 2200] as const;
const BACK_AT_MS = 600;
/** Longer than the client takes to connect anew. */
const SLOW_MS = 300;
const ARRIVES_MS = 170;

/**
 * F48: writes of a client lie on a path that is cut, to a server that keeps the connection open.
 * The client moves to another server and writes there. Then the leader dies, and those who elect
 * the next one may have forgotten the move; or the client comes back to its first server, just
 * when that is reached by what was sent there before.
 */
const leftBehind: FaultAction = {
  kind: "F48 moved session",
  durationMs: [3000, 4000],
  begin: (nemesis) => {
    const { world, random } = nemesis;
    const { scheduler, links } = world;
    const leader = establishedLeader(nemesis);
    const clients = connected(
      nemesis,
      ({ node, timeoutMs }) => node !== leader?.id && timeoutMs >= 4000,
    );
    const client = clients.length === 0 ? undefined : random.pick(clients);
    const node = client?.node;
    if (leader === null || client === undefined || typeof node !== "number") return null;
    const comesBack = random.chance(0.5);
    nemesis.line(`s${client.id} leaves writes behind, on its way to n${node}`);
    if (comesBack) client.cut(BACK_AT_MS + ARRIVES_MS, 50);
    else client.cut(random.between(...LEFT_MS));
    makeEphemerals(client, 2);
    const others = world.options.nodes.filter((id) => id !== node && id !== leader.id);
    scheduler.after(10, "move", () =>
      client.move(others.length > 0 ? random.pick(others) : leader.id),
    );
    scheduler.after(BACK_AT_MS / 2, "writes", () => makeEphemerals(client, 1));
    if (!comesBack) {
      scheduler.after(BACK_AT_MS, "kill", () => leader.kill("killed"));
      return nothing;
    }
    // So slow that what is answered to the client comes behind what it had sent.
    links.change(node, leader.id, { extraDelayMs: SLOW_MS });
    scheduler.after(BACK_AT_MS, "move", () => client.move(node));
    return () => links.change(node, leader.id, { extraDelayMs: 0 });
  },
};

/** The leader's word needs so long to reach the server that the client has left. */
const UNAWARE_MS = 400;
/** From its return until what it had sent there before arrives. */
const OVERTAKEN_MS = 30;
const LOOK_MS = 0.5;

/**
 * F48: writes of a client lie on a path that is cut, to a server that hears late of everything. The
 * client writes at another server, leaves it before it is told of anything, and comes back: the
 * first server knows of no move, has the older connection open, and would ask for those writes
 * behind what the client has done elsewhere. They reach it while it asks for the session.
 */
const thereAndBack: FaultAction = {
  kind: "F48 moved session",
  durationMs: [2000, 2500],
  begin: (nemesis) => {
    const { world, random } = nemesis;
    const { scheduler, links } = world;
    const leader = establishedLeader(nemesis);
    const mayGo = ({ node, timeoutMs }: SessionClient): boolean =>
      node !== leader?.id && timeoutMs >= 2000;
    const clients = connected(nemesis, mayGo);
    const client = clients.length === 0 ? undefined : random.pick(clients);
    const node = client?.node;
    if (leader === null || client === undefined || typeof node !== "number") return null;
    nemesis.line(`s${client.id} leaves writes behind on its way to n${node}, and comes back`);
    links.change(leader.id, node, { extraDelayMs: UNAWARE_MS });
    const uncut = client.cutUntil(OVERTAKEN_MS);
    makeEphemerals(client, 1);
    const others = world.options.nodes.filter((id) => id !== node);
    client.move(random.pick(others));
    let isAway = false;
    let isOver = false;
    const watch = (): void => {
      if (isOver) return;
      if (!isAway && client.isConnected && client.node !== node) {
        isAway = true;
        // Sent in one piece: it writes, and is gone before it is answered.
        makeEphemerals(client, 1);
        client.move(node);
      } else if (isAway && client.node === node) {
        scheduler.after(OVERTAKEN_MS, "uncut", uncut);
        return;
      }
      scheduler.after(LOOK_MS, "watch", watch);
    };
    watch();
    return () => {
      isOver = true;
      uncut();
      links.change(leader.id, node, { extraDelayMs: 0 });
    };
  },
};

/** More than any session has by chance. */
const EPHEMERALS = 32;

/**
 * F50: a session with many ephemerals ends, by its own wish or by silence, and the leader dies
 * while the transaction is on its way. Some were made in the same breath.
 */
const massExpiry: FaultAction = {
  kind: "F50 mass expiry",
  durationMs: [4000, 8000],
  begin: (nemesis) => {
    const { world, random } = nemesis;
    const { scheduler } = world;
    const leader = establishedLeader(nemesis);
    const clients = connected(nemesis, ({ timeoutMs }) => timeoutMs <= 4000);
    if (leader === null || clients.length === 0) return null;
    const client = random.pick(clients);
    const { session } = client;
    nemesis.line(`s${client.id} ends with ${EPHEMERALS} ephemerals`);
    const isAsked = random.chance(0.5);
    makeEphemerals(client, EPHEMERALS);
    scheduler.after(isAsked ? random.pick([0, 0.2, 50]) : 50, "end of a session", () => {
      if (client.session !== session) return;
      if (isAsked) client.ask({ kind: "closeSession" });
      else client.freeze(client.timeoutMs + 2000);
    });
    const dies = random.chance(0.5);
    const silence = listen(nemesis, ({ host }, message) => {
      if (message.kind !== "proposal") return;
      const entries = [...entriesOf(message.batch)];
      if (!entries.some(({ op }) => op === OpCode.closeSession)) return;
      silence();
      const sender: SimNode = world.node(host.id);
      if (dies) scheduler.after(random.next() * 2, "kill", () => sender.kill("killed"));
    });
    return silence;
  },
};

/** Longer than between two looks of a leader at what may go, shorter than it waits for a disk. */
const UNWRITTEN_MS = 2200;
/** Over soon after the disks become slow. */
const TIME_TO_LIVE_MS = 2500;
const SLOW_FROM_MS = 2300;
const EMPTIED_MS = 100;

/**
 * A leader looks for what may go in what is applied, while what keeps it is prepared and not yet
 * durable: a node that is set just before its time is over, a container whose last child went and
 * that another is made in. By chance all that takes a few milliseconds, and a look comes every two
 * seconds.
 */
const keptJustInTime: FaultAction = {
  kind: "F31 slow fsync",
  durationMs: [SLOW_FROM_MS + UNWRITTEN_MS, SLOW_FROM_MS + UNWRITTEN_MS * 2],
  begin: (nemesis) => {
    const { world, random } = nemesis;
    const { scheduler } = world;
    const leader = establishedLeader(nemesis);
    // Others would hear nothing for too long while their writes wait.
    const clients = connected(nemesis, ({ timeoutMs }) => timeoutMs >= 4000);
    if (leader === null || clients.length === 0) return null;
    const client = random.pick(clients);
    nemesis.line(`s${client.id} keeps nodes just before they may go, on slow disks`);
    const parent = `${SESSION_PREFIX}0`;
    const { persistent, ephemeral, container, ttl } = CreateMode;
    const make = (path: string, mode: CreateMode): void => {
      const ttlMs = mode === ttl ? { ttlMs: TIME_TO_LIVE_MS } : {};
      client.ask({ kind: "create", path, value: client.value(), mode, ...ttlMs });
    };
    make(parent, persistent);
    make(`${parent}/timed`, ttl);
    make(`${parent}/kept`, container);
    make(`${parent}/kept/a`, persistent);
    scheduler.after(SLOW_FROM_MS - EMPTIED_MS, "emptied", () => {
      client.ask({ kind: "delete", path: `${parent}/kept/a`, version: -1 });
    });
    let isOver = false;
    scheduler.after(SLOW_FROM_MS, "slow disks", () => {
      if (isOver) return;
      for (const one of world.nodes) one.fsyncMs = UNWRITTEN_MS;
      client.ask({ kind: "set", path: `${parent}/timed`, value: client.value(), version: -1 });
      make(`${parent}/kept/b`, ephemeral);
    });
    return () => {
      isOver = true;
      for (const one of world.nodes) one.fsyncMs = null;
      client.ask({ kind: "delete", path: `${parent}/kept/b`, version: -1 });
    };
  },
};

export const sessionActions: readonly FaultAction[] = [
  reconnectStorm,
  pausedLeader,
  deafLeader,
  movedSession,
  leftBehind,
  thereAndBack,
  massExpiry,
  keptJustInTime,
];
