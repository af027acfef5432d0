import {
  defaultMsgFactory,
  EPOCH_ZERO,
  majorityQuorum,
  makeTxnid,
  ROUND_JUMP_MAX,
  toEpoch,
  toIdentity,
  toNodeId,
  TXNID_ZERO,
  type Standing,
  type VoteMsg,
} from "@quorate/protocol";
import { describe, expect, it } from "vitest";
import { BallotMachine, type BallotEffect } from "../src/ballot-machine.js";
import type { Candidacy } from "../src/vote-order.js";

function candidacy(id: number, fields: Partial<Candidacy> = {}): Candidacy {
  return {
    candidate: toNodeId(id),
    epoch: EPOCH_ZERO,
    loggedTxnid: TXNID_ZERO,
    committedTxnid: TXNID_ZERO,
    standing: "member",
    ...fields,
  };
}

function vote(whom: Candidacy, fields: Partial<Omit<VoteMsg, "kind">> = {}): VoteMsg {
  return defaultMsgFactory.createVote({
    round: 1,
    status: "electing",
    epoch: whom.epoch,
    candidate: whom.candidate,
    candidateLoggedTxnid: whom.loggedTxnid,
    candidateCommittedTxnid: whom.committedTxnid,
    candidateStanding: whom.standing,
    solicit: false,
    standing: "member",
    identity: toIdentity("00".repeat(16)),
    ...fields,
  });
}

/** A ballot of one node, told of votes. */
class Bench {
  readonly machine: BallotMachine;
  readonly own: Candidacy;
  readonly started: BallotEffect[];

  constructor(own: Candidacy, voters: readonly number[], solicitOnly = false) {
    this.own = own;
    const quorum = majorityQuorum(voters.map(toNodeId));
    this.machine = new BallotMachine({ round: 1, own, quorum, solicitOnly });
    this.started = this.machine.start();
  }

  hear(from: number, heard: VoteMsg): BallotEffect[] {
    return this.machine.step({
      kind: "voteReceived",
      from: toNodeId(from),
      vote: heard,
      standing: heard.standing,
      own: this.own,
    });
  }
}

const multicast = { kind: "multicastProposal" } as const;
const arm = { kind: "armFinalize" } as const;
const cancel = { kind: "cancelFinalize" } as const;
const answer = (to: number) => ({ kind: "answerProposal", to }) as const;
const ended = (winner: Candidacy, established = false, round = 1) =>
  [cancel, { kind: "ballotEnded", outcome: { round, winner, established } }] as const;

describe("a ballot", () => {
  it("of one voter ends as it starts", () => {
    expect(new Bench(candidacy(1), [1]).started).toEqual([multicast, ...ended(candidacy(1))]);
  });

  it("adopts a greater vote, says so, and ends at once when everybody voted for it", () => {
    const bench = new Bench(candidacy(1), [1, 2, 3]);
    expect(bench.hear(3, vote(candidacy(3)))).toEqual([multicast, arm]);
    expect(bench.hear(2, vote(candidacy(3)))).toEqual(ended(candidacy(3)));
  });

  it("does not let a lesser or stale vote cancel the finalize wait (G12)", () => {
    const bench = new Bench(candidacy(3), [1, 2, 3]);
    expect(bench.hear(1, vote(candidacy(3)))).toEqual([arm]);
    expect(bench.hear(2, vote(candidacy(2)))).toEqual([answer(2)]);
    expect(bench.hear(2, vote(candidacy(2), { round: 0 }))).toEqual([answer(2)]);
    expect(bench.hear(1, vote(candidacy(1)))).toEqual([answer(1)]);
    expect(bench.machine.step({ kind: "finalizeTimeout" })).toEqual(ended(candidacy(3)));
  });

  it("starts the finalize wait anew when the proposal changes", () => {
    const bench = new Bench(candidacy(2), [1, 2, 3, 4]);
    bench.hear(1, vote(candidacy(2)));
    expect(bench.hear(4, vote(candidacy(2)))).toEqual([arm]);
    expect(bench.hear(3, vote(candidacy(3)))).toEqual([multicast, cancel]);
    expect(bench.hear(1, vote(candidacy(3)))).toEqual([arm]);
  });

  it("does not wait for a voter whose pipe was reset", () => {
    const bench = new Bench(candidacy(3), [1, 2, 3]);
    expect(bench.machine.step({ kind: "peerUnreachable", peer: toNodeId(1) })).toEqual([]);
    expect(bench.hear(2, vote(candidacy(3)))).toEqual(ended(candidacy(3)));
  });

  it("ends when the voter it waits for becomes unreachable", () => {
    const bench = new Bench(candidacy(3), [1, 2, 3]);
    expect(bench.hear(2, vote(candidacy(3)))).toEqual([arm]);
    expect(bench.machine.step({ kind: "peerUnreachable", peer: toNodeId(1) })).toEqual(
      ended(candidacy(3)),
    );
  });

  it("joins a higher round with the greater of that vote and its own state", () => {
    const bench = new Bench(candidacy(2), [1, 2, 3]);
    bench.hear(3, vote(candidacy(3)));
    expect(bench.hear(1, vote(candidacy(1), { round: 5 }))).toEqual([multicast, cancel]);
    expect(bench.machine).toMatchObject({ round: 5, proposal: candidacy(2) });
    expect(bench.hear(3, vote(candidacy(3)))).toEqual([answer(3)]);
    expect(bench.hear(3, vote(candidacy(3), { round: 6 }))).toEqual([multicast, arm]);
    expect(bench.machine.proposal).toEqual(candidacy(3));
  });

  it("refuses a round further ahead than ROUND_JUMP_MAX (F13)", () => {
    const bench = new Bench(candidacy(2), [1, 2, 3]);
    expect(bench.hear(3, vote(candidacy(3), { round: 2 + ROUND_JUMP_MAX }))).toEqual([]);
    expect(bench.machine.round).toBe(1);
    bench.hear(3, vote(candidacy(3), { round: 1 + ROUND_JUMP_MAX }));
    expect(bench.machine.round).toBe(1 + ROUND_JUMP_MAX);
  });

  it("does not adopt what others still repeat of this node from before it was restarted", () => {
    const bench = new Bench(candidacy(1), [1, 2, 3]);
    const former = candidacy(1, { epoch: toEpoch(7), loggedTxnid: makeTxnid(7, 7) });
    expect(bench.hear(2, vote(former))).toEqual([]);
    expect(bench.machine.proposal).toEqual(candidacy(1));
  });

  it("leaves the round when its candidate votes for less than it claimed", () => {
    const claim = candidacy(3, { epoch: toEpoch(7) });
    const bench = new Bench(candidacy(2), [1, 2, 3, 4, 5]);
    bench.hear(3, vote(claim));
    expect(bench.machine.proposal).toEqual(claim);
    const wiped = candidacy(3, { standing: "empty" });
    expect(bench.hear(3, vote(wiped, { standing: "empty" }))).toEqual([multicast]);
    expect(bench.machine).toMatchObject({ round: 2, proposal: candidacy(2) });
  });

  it("ignores votes for and by nodes that are no voters, and solicitations", () => {
    const bench = new Bench(candidacy(2), [1, 2, 3]);
    expect(bench.hear(3, vote(candidacy(9)))).toEqual([]);
    expect(bench.hear(9, vote(candidacy(3)))).toEqual([]);
    expect(bench.hear(3, vote(candidacy(3), { solicit: true }))).toEqual([]);
    expect(bench.machine.proposal).toEqual(candidacy(2));
  });
});

describe("standing", () => {
  const by = (standing: Standing) => ({ standing });
  const empty = (id: number) => candidacy(id, { standing: "empty" });
  const recovering = (id: number) => candidacy(id, { standing: "recovering" });

  it("lets empty voters found an ensemble all together, and never by a majority (G27)", () => {
    const bench = new Bench(empty(1), [1, 2, 3]);
    expect(bench.machine.awaitedFounders).toEqual([2, 3]);
    expect(bench.hear(2, vote(empty(3), by("empty")))).toEqual([multicast]);
    expect(bench.machine.awaitedFounders).toEqual([3]);
    // Nor when the third cannot be reached: it may be the one that holds what was acknowledged.
    expect(bench.machine.step({ kind: "peerUnreachable", peer: toNodeId(3) })).toEqual([]);
    expect(bench.machine.step({ kind: "finalizeTimeout" })).toEqual([]);
    expect(bench.hear(3, vote(empty(3), by("empty")))).toEqual(ended(empty(3)));
  });

  it("founds nothing with a voter whose directory was found damaged, and names it", () => {
    const bench = new Bench(empty(1), [1, 2]);
    expect(bench.hear(2, vote(empty(1), by("recovering")))).toEqual([]);
    expect(bench.machine.awaitedFounders).toEqual([2]);
  });

  it("waits for no founder once a history was heard of", () => {
    const bench = new Bench(empty(1), [1, 2, 3]);
    bench.hear(3, vote(candidacy(3)));
    expect(bench.machine.awaitedFounders).toEqual([]);
    expect(new Bench(candidacy(1), [1, 2, 3]).machine.awaitedFounders).toEqual([]);
  });

  it("counts no empty voter for a member, so that a wiped and a lagging node wait (G27)", () => {
    const lagging = candidacy(1);
    const bench = new Bench(lagging, [1, 2, 3]);
    expect(bench.hear(2, vote(lagging, by("empty")))).toEqual([]);
    expect(bench.hear(2, vote(empty(2), by("empty")))).toEqual([answer(2)]);
    expect(bench.machine.step({ kind: "finalizeTimeout" })).toEqual([]);
  });

  it("counts no empty voter once any member has been heard", () => {
    const bench = new Bench(empty(3), [1, 2, 3]);
    bench.hear(1, vote(empty(3), by("empty")));
    // A member in an old round: too late to count, but it holds a history, even if it loses that.
    expect(bench.hear(2, vote(candidacy(2), { round: 0 }))).toEqual([answer(2)]);
    expect(bench.hear(2, vote(empty(3), by("empty")))).toEqual([]);
  });

  it("lets an empty candidate lose against any member, whatever it claims", () => {
    const bench = new Bench(candidacy(1), [1, 2, 3]);
    const boaster = { ...empty(3), epoch: toEpoch(9), loggedTxnid: makeTxnid(9, 9) };
    expect(bench.hear(3, vote(boaster, by("empty")))).toEqual([answer(3)]);
    expect(bench.machine.proposal).toEqual(candidacy(1));
  });

  it("lets an empty node follow whom a quorum of members elects, without counting itself", () => {
    const bench = new Bench(empty(1), [1, 2, 3]);
    expect(bench.hear(3, vote(candidacy(3)))).toEqual([multicast]);
    expect(bench.hear(2, vote(candidacy(3)))).toEqual(ended(candidacy(3)));
  });

  it("never counts a recovering node for itself", () => {
    expect(new Bench(recovering(1), [1]).started).toEqual([multicast]);
  });

  it("lets a recovering node follow whom a quorum of members elects without it", () => {
    const bench = new Bench(recovering(3), [1, 2, 3]);
    expect(bench.hear(2, vote(candidacy(2)))).toEqual([multicast]);
    expect(bench.hear(1, vote(candidacy(2)))).toEqual(ended(candidacy(2)));
  });

  it("neither counts nor proposes a recovering node", () => {
    const bench = new Bench(candidacy(1), [1, 2, 3]);
    expect(bench.hear(3, vote(recovering(3), by("recovering")))).toEqual([answer(3)]);
    expect(bench.hear(3, vote(candidacy(1), by("recovering")))).toEqual([]);
    expect(bench.hear(2, vote(recovering(3)))).toEqual([]);
    expect(bench.machine.proposal).toEqual(candidacy(1));
  });

  it("ignores a node that gives itself two standings", () => {
    const bench = new Bench(candidacy(1), [1, 2, 3]);
    expect(bench.hear(3, vote(candidacy(3), by("empty")))).toEqual([]);
  });
});

describe("certification of a running leader", () => {
  const leading = { status: "leading", round: 40 } as const;
  const following = { status: "following", round: 40 } as const;

  it("believes a quorum that names one leader and epoch, once the leader itself says so", () => {
    const bench = new Bench(candidacy(1), [1, 2, 3, 4, 5]);
    const leader = candidacy(5, { epoch: toEpoch(4) });
    expect(bench.hear(2, vote(leader, following))).toEqual([]);
    expect(bench.hear(3, vote(leader, following))).toEqual([]);
    expect(bench.hear(4, vote(leader, following))).toEqual([]);
    expect(bench.hear(5, vote(leader, leading))).toEqual(ended(leader, true, 40));
  });

  it("does not add up votes of different epochs", () => {
    const bench = new Bench(candidacy(1), [1, 2, 3]);
    expect(bench.hear(2, vote(candidacy(3, { epoch: toEpoch(3) }), following))).toEqual([]);
    expect(bench.hear(3, vote(candidacy(3, { epoch: toEpoch(4) }), leading))).toEqual([]);
  });

  it("does not believe that it leads itself", () => {
    const bench = new Bench(candidacy(1), [1, 2, 3]);
    expect(bench.hear(2, vote(candidacy(1), following))).toEqual([]);
    expect(bench.hear(3, vote(candidacy(1), following))).toEqual([]);
  });

  it("counts no follower that recovers", () => {
    const bench = new Bench(candidacy(1), [1, 2, 3]);
    bench.hear(2, vote(candidacy(3), { ...following, standing: "recovering" }));
    expect(bench.hear(3, vote(candidacy(3), leading))).toEqual([]);
  });

  it("forgets what a peer said that elects again or became unreachable", () => {
    const bench = new Bench(candidacy(2), [1, 2, 3]);
    bench.hear(3, vote(candidacy(3), leading));
    bench.machine.step({ kind: "peerUnreachable", peer: toNodeId(3) });
    expect(bench.hear(1, vote(candidacy(3), following))).toEqual([]);
    bench.hear(1, vote(candidacy(1)));
    expect(bench.hear(3, vote(candidacy(3), leading))).toEqual([]);
  });

  it("counts a peer of this very round that decided before its vote was heard", () => {
    const bench = new Bench(candidacy(1), [1, 2, 3]);
    const heard = vote(candidacy(1), { status: "following", round: 1 });
    expect(bench.hear(2, heard)).toEqual([arm]);
  });

  it("lets a site that only solicits learn of the leader, and count nobody", () => {
    const bench = new Bench(candidacy(9), [1, 2, 3], true);
    expect(bench.hear(1, vote(candidacy(3)))).toEqual([]);
    expect(bench.hear(3, vote(candidacy(3), leading))).toEqual([]);
    expect(bench.hear(2, vote(candidacy(3), following))).toEqual(ended(candidacy(3), true, 40));
  });
});
