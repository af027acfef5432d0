import { toNodeId, type BallotDatagram, type NodeId } from "@quorate/protocol";
import type { LinkFaults } from "../network/link-map.js";
import { drawPartition, type PartitionShape } from "../network/partitions.js";
import type { FaultKind } from "../coverage.js";
import type { FaultAction, Nemesis } from "./nemesis.js";

const STRANGER = toNodeId(200);
const nothing = (): void => undefined;

/** Changes all links for a while. */
function onLinks(kind: FaultKind, draw: (nemesis: Nemesis) => Partial<LinkFaults>): FaultAction {
  return {
    kind,
    durationMs: [2000, 15_000],
    begin: (nemesis) => {
      const change = draw(nemesis);
      const undo = Object.fromEntries(Object.keys(change).map((name) => [name, 0]));
      nemesis.line(`${kind} everywhere`);
      nemesis.world.links.changeAll(change);
      return () => nemesis.world.links.changeAll(undo);
    },
  };
}

/** Changes the links from or to one node for a while. */
function aroundNode(
  kind: FaultKind,
  ways: "to" | "both",
  draw: (nemesis: Nemesis) => Partial<LinkFaults>,
): FaultAction {
  return {
    kind,
    durationMs: [1000, 8000],
    begin: (nemesis) => {
      const { links } = nemesis.world;
      const { id } = nemesis.anyNode();
      const change = draw(nemesis);
      const undo = Object.fromEntries(Object.keys(change).map((name) => [name, 0]));
      const apply = (what: Partial<LinkFaults>): void => {
        for (const other of links.nodes) {
          links.change(other, id, what);
          if (ways === "both") links.change(id, other, what);
        }
      };
      nemesis.line(`${kind} at n${id}`);
      apply(change);
      return () => apply(undo);
    },
  };
}

function partition(kind: FaultKind, shape: PartitionShape): FaultAction {
  return {
    kind,
    durationMs: [300, 8000],
    begin: (nemesis) => {
      if (nemesis.isPartitioned) return null;
      const { links, options } = nemesis.world;
      const leader = nemesis.world.leader()?.id ?? null;
      if (shape === "isolatedLeader" && leader === null) return null;
      const drawn = drawPartition(shape, options.nodes, leader, nemesis.random);
      nemesis.isPartitioned = true;
      nemesis.line(`${kind}: ${drawn.text}`);
      links.partition((from, to) => drawn.mayPass(from, to));
      return () => {
        nemesis.isPartitioned = false;
        nemesis.line(`${kind} heals`);
        links.partition(() => true);
      };
    },
  };
}

const flapping: FaultAction = {
  kind: "F11 flapping",
  durationMs: [2000, 6000],
  begin: (nemesis) => {
    if (nemesis.isPartitioned) return null;
    const { links, scheduler } = nemesis.world;
    const { id } = nemesis.anyNode();
    nemesis.isPartitioned = true;
    nemesis.line(`links of n${id} flap`);
    let isOver = false;
    const flap = (isCut: boolean): void => {
      if (isOver) return;
      for (const other of links.nodes) {
        // Clogged one by one, as the swizzle test does.
        if (nemesis.random.chance(0.7)) links.change(id, other, { isCut });
        if (nemesis.random.chance(0.7)) links.change(other, id, { isCut });
      }
      scheduler.after(nemesis.random.between(20, 700), "flap", () => flap(!isCut));
    };
    flap(true);
    return () => {
      isOver = true;
      nemesis.isPartitioned = false;
      links.partition(() => true);
    };
  },
};

/** Something that happens to one open connection. */
function onConnection(kind: FaultKind, act: (nemesis: Nemesis, id: number) => void): FaultAction {
  return {
    kind,
    durationMs: [0, 1],
    begin: (nemesis) => {
      const open = nemesis.world.pipes.openConnections();
      if (open.length === 0) return null;
      const id = nemesis.random.pick(open);
      nemesis.line(`${kind} of connection ${id}`);
      act(nemesis, id);
      return nothing;
    },
  };
}

const replay: FaultAction = {
  kind: "F13 replay",
  durationMs: [0, 1],
  begin: (nemesis) => {
    for (const id of nemesis.world.options.nodes) {
      for (let i = 0; i < 10; i += 1) nemesis.world.datagrams.replay(id);
    }
    return nothing;
  },
};

const spoof: FaultAction = {
  kind: "F13 spoof",
  durationMs: [0, 1],
  begin: (nemesis) => {
    const { random } = nemesis;
    for (const to of nemesis.world.options.nodes) {
      const sender: NodeId = random.chance(0.5) ? STRANGER : nemesis.otherThan(to);
      nemesis.world.datagrams.spoof(sender, to, forged(nemesis, sender));
    }
    return nothing;
  },
};

function forged({ random }: Nemesis, sender: NodeId): BallotDatagram {
  return {
    cluster: random.chance(0.5) ? "sim" : "another",
    sender,
    bootId: random.nextUint64(),
    sequence: BigInt(random.below(1000)),
    echo: random.nextUint64(),
    vote: {
      kind: "vote",
      round: random.pick([1, 1000, 2 ** 30]),
      status: random.pick(["electing", "leading", "following"]),
      epoch: random.below(100) as BallotDatagram["vote"]["epoch"],
      candidate: sender,
      candidateLoggedTxnid: random.nextUint64() as BallotDatagram["vote"]["candidateLoggedTxnid"],
      candidateCommittedTxnid: 0n as BallotDatagram["vote"]["candidateCommittedTxnid"],
      candidateStanding: "member",
      solicit: false,
      standing: "member",
    } as BallotDatagram["vote"],
  };
}

/** F14: a new address: all connections die, and nobody finds the node for a moment. */
const newAddress: FaultAction = {
  kind: "F14 new address",
  durationMs: [50, 500],
  begin: (nemesis) => {
    const { links, pipes } = nemesis.world;
    if (nemesis.isPartitioned) return null;
    const { id } = nemesis.anyNode();
    nemesis.isPartitioned = true;
    nemesis.line(`n${id} gets a new address`);
    pipes.resetConnectionsOf(id);
    links.partition((from, to) => from !== id && to !== id);
    return () => {
      nemesis.isPartitioned = false;
      links.partition(() => true);
    };
  },
};

export const networkActions: readonly FaultAction[] = [
  onLinks("F1 drop", ({ random }) => ({ drop: random.pick([0.05, 0.3, 0.8]) })),
  onLinks("F2 duplicate", ({ random }) => ({ duplicate: random.pick([0.1, 0.6]) })),
  onLinks("F3 reorder", ({ random }) => ({ reorder: random.pick([0.1, 0.6]) })),
  aroundNode("F4 slow link", "both", ({ random }) => ({
    extraDelayMs: random.pick([5, 40, 250]),
    jitterMs: random.pick([5, 100]),
  })),
  onLinks("F5 corrupt", ({ random }) => ({ corrupt: random.pick([0.05, 0.4]) })),
  onConnection("F5 corrupt", ({ world }, id) => world.pipes.corruptNextFrame(id)),
  onConnection("F6 half-open", ({ world }, id) => world.pipes.halfOpen(id)),
  partition("F7 one-way partition", "oneWay"),
  partition("F8 split", "split"),
  partition("F9 bridge", "bridge"),
  partition("F9 ring", "ring"),
  partition("F10 isolated leader", "isolatedLeader"),
  flapping,
  onConnection("F12 reset", ({ world }, id) => world.pipes.resetConnection(id)),
  replay,
  spoof,
  newAddress,
  aroundNode("F15 slow receiver", "to", ({ random }) => ({
    bytesPerMs: random.pick([0.5, 5, 50]),
  })),
];
