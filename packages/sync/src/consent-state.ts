import { assert, toEpoch, QuorateError, EPOCH_MAX } from "@quorate/protocol";
import type { Epoch, NodeId, QuorumVerifier } from "@quorate/protocol";

/** The three quorum barriers of discovery and sync (stages 1, 2 and 4 of the original). */
export type Gate = "acceptedEpoch" | "epochAck" | "newLeaderAck";

const GATES: readonly Gate[] = ["acceptedEpoch", "epochAck", "newLeaderAck"];

/**
 * The quorum barrier that all LeaderSyncProxies of one role share. It answers one question per
 * gate: has a quorum of voters consented?
 *
 * Invariant 1 rests on it: voters are counted by configured id, never by connection (G28), the
 * leader is a voter like the others, and no gate opens without the leader's own vote, which its
 * driver casts only when its own promise is durable (G22).
 * Paper: Zab phases 1 and 2.
 */
export class ConsentState {
  readonly #self: NodeId;
  readonly #quorum: QuorumVerifier;
  readonly #votes: Readonly<Record<Gate, Set<NodeId>>> = {
    acceptedEpoch: new Set(),
    epochAck: new Set(),
    newLeaderAck: new Set(),
  };
  readonly #open = new Set<Gate>();
  #highestAccepted = 0;
  #epoch: Epoch | null = null;

  constructor(self: NodeId, quorum: QuorumVerifier) {
    assert(quorum.voterIds.includes(self), "a leader is a configured voter", { self });
    this.#self = self;
    this.#quorum = quorum;
  }

  isOpen(gate: Gate): boolean {
    return this.#open.has(gate);
  }

  /** The new epoch; null until the first gate opens. */
  get epoch(): Epoch | null {
    return this.#epoch;
  }

  /** Voters that have not consented at the gate that opens next, whether it takes them or not. */
  get awaited(): readonly NodeId[] {
    const next = GATES.find((gate) => !this.#open.has(gate));
    if (next === undefined) return [];
    return this.#quorum.voterIds.filter((id) => !this.#votes[next].has(id));
  }

  /**
   * Gate 1: the greatest accepted epoch of a quorum, plus one.
   * @returns whether this vote opened the gate.
   * @throws ERR_PROTOCOL_EPOCH_EXHAUSTED when no epoch is left.
   */
  voteAcceptedEpoch(voter: NodeId, acceptedEpoch: Epoch): boolean {
    if (this.#open.has("acceptedEpoch")) return false;
    this.#highestAccepted = Math.max(this.#highestAccepted, acceptedEpoch);
    if (!this.#vote("acceptedEpoch", voter)) return false;
    if (this.#highestAccepted >= EPOCH_MAX) {
      throw new QuorateError("ERR_PROTOCOL_EPOCH_EXHAUSTED", "no epoch is left");
    }
    this.#epoch = toEpoch(this.#highestAccepted + 1);
    return true;
  }

  /** Gate 2: the voter's promise of this epoch to this leader is durable. */
  voteEpochAck(voter: NodeId): boolean {
    assert(this.isOpen("acceptedEpoch"), "nobody can promise an epoch before there is one");
    return this.#vote("epochAck", voter);
  }

  /** Gate 3: the voter holds the leader's history and its current epoch, durably. */
  voteNewLeaderAck(voter: NodeId): boolean {
    assert(this.isOpen("epochAck"), "no history is accepted before the epoch is");
    return this.#vote("newLeaderAck", voter);
  }

  /** The voter's pipe is gone: its votes at gates still closed do not count any more. */
  withdraw(voter: NodeId): void {
    for (const gate of GATES) if (!this.#open.has(gate)) this.#votes[gate].delete(voter);
  }

  #vote(gate: Gate, voter: NodeId): boolean {
    if (this.#open.has(gate)) return false;
    const votes = this.#votes[gate];
    votes.add(voter);
    if (!votes.has(this.#self) || !this.#quorum.hasQuorumOf(votes)) return false;
    this.#open.add(gate);
    return true;
  }
}
