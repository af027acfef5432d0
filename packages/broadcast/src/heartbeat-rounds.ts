import { QuorateError } from "@quorate/protocol";
import type { NodeId, QuorumVerifier } from "@quorate/protocol";

/** Rounds whose sending time is remembered; older answers prove nothing newer. */
const ROUNDS_REMEMBERED_MAX = 256;

/**
 * Heartbeat rounds: which quorum was proven to follow, and as of when.
 *
 * A round counts from the time it was *sent*, since that is the moment the answer speaks of. The
 * lease makes a deposed leader stop; it proves nothing about reads. A read needs a round that was
 * sent after the read arrived (Deviation from seed, G15: the original had neither).
 */
export class HeartbeatRounds {
  readonly #self: NodeId;
  readonly #quorum: QuorumVerifier;
  readonly #sentAt = new Map<number, number>();
  /** Per voter that follows: the latest round answered and when it was sent. */
  readonly #heard = new Map<NodeId, { round: number; sentAt: number }>();
  readonly #counted = new Set<NodeId>();
  #round = 0;

  constructor(self: NodeId, quorum: QuorumVerifier) {
    this.#self = self;
    this.#quorum = quorum;
  }

  get round(): number {
    return this.#round;
  }

  /** Opens a round that is being sent now. */
  begin(now: number): number {
    this.#round += 1;
    this.#sentAt.set(this.#round, now);
    this.#sentAt.delete(this.#round - ROUNDS_REMEMBERED_MAX);
    return this.#round;
  }

  /** A voter that has just acknowledged this leader: its answers are noted from now on. */
  addVoter(voter: NodeId, now: number): void {
    this.#heard.set(voter, { round: 0, sentAt: now });
  }

  /**
   * From now on what it answered counts, as of when that was sent: an admission that is committed
   * late, after the voter was last heard, must not prolong the lease.
   */
  count(voter: NodeId): void {
    this.#counted.add(voter);
  }

  removeVoter(voter: NodeId): void {
    this.#heard.delete(voter);
    this.#counted.delete(voter);
  }

  /** @throws ERR_PROTOCOL_ORDER on an answer to a round never sent. */
  check(peer: NodeId, round: number): void {
    if (round > this.#round) {
      throw new QuorateError("ERR_PROTOCOL_ORDER", `node ${peer} answers round ${round}`);
    }
  }

  /** @throws as `check`. */
  answer(voter: NodeId, round: number): void {
    this.check(voter, round);
    const heard = this.#heard.get(voter);
    const sentAt = this.#sentAt.get(round);
    if (heard === undefined || sentAt === undefined || round <= heard.round) return;
    this.#heard.set(voter, { round, sentAt });
  }

  /** Whether a quorum, the leader included, answered this round or a later one. */
  isProven(round: number): boolean {
    return this.#hasQuorum((heard) => heard.round >= round);
  }

  /** Whether a quorum was proven within the last `leaseMs`. */
  isLeaseValid(now: number, leaseMs: number): boolean {
    return this.#hasQuorum((heard) => now - heard.sentAt <= leaseMs);
  }

  #hasQuorum(isProof: (heard: { readonly round: number; readonly sentAt: number }) => boolean) {
    const voters = [this.#self];
    for (const [voter, heard] of this.#heard) {
      if (this.#counted.has(voter) && isProof(heard)) voters.push(voter);
    }
    return this.#quorum.hasQuorumOf(voters);
  }
}
