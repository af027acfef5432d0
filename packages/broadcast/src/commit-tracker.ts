import { assert, formatTxnid, maxTxnid, QuorateError } from "@quorate/protocol";
import type { NodeId, QuorumVerifier, Txnid } from "@quorate/protocol";

/**
 * Decides when proposals are committed.
 *
 * Accepts are cumulative: a voter's accept of a txnid says that its log is durable up to there.
 * The commit mark is the greatest txnid that a quorum of counted voters has accepted, and it only
 * moves forward, so commits are in order (Paper: Zab, total order).
 * Invariant 6: nothing below the start of this epoch is committed by counting; the leader commits
 * its initial history at once when it is established.
 * Safety: voters are counted by configured id; a voter counts only after its NewLeaderAck (G25)
 * and, if it had forgotten, after its committed re-admission (G27). The leader's own accept is
 * cast when its own disk has answered.
 */
export class CommitTracker {
  readonly #quorum: QuorumVerifier;
  /** Highest accepted txnid of each counted voter. */
  readonly #accepted = new Map<NodeId, Txnid>();
  #lastProposed: Txnid;
  #mark: Txnid;

  /** @param established the end of the initial history, all of it committed. */
  constructor(quorum: QuorumVerifier, established: Txnid) {
    this.#quorum = quorum;
    this.#lastProposed = established;
    this.#mark = established;
  }

  get mark(): Txnid {
    return this.#mark;
  }

  get lastProposed(): Txnid {
    return this.#lastProposed;
  }

  isCounted(voter: NodeId): boolean {
    return this.#accepted.has(voter);
  }

  /** Whether the counted voters are a quorum at all. */
  hasQuorum(): boolean {
    return this.#quorum.hasQuorumOf(this.#accepted.keys());
  }

  /** Proposals leave in order, each batch with the greatest txnid so far. */
  propose(last: Txnid): void {
    assert(last > this.#lastProposed, "proposals go forward", { last });
    this.#lastProposed = last;
  }

  /** From now on this voter's accepts count; `upTo` is durable there already. */
  count(voter: NodeId, upTo: Txnid): boolean {
    assert(this.#quorum.voterIds.includes(voter), "only configured voters count", { voter });
    assert(upTo <= this.#lastProposed, "nobody holds what was never proposed", { voter, upTo });
    this.#accepted.set(voter, upTo);
    return this.#advance();
  }

  uncount(voter: NodeId): void {
    this.#accepted.delete(voter);
  }

  /**
   * @returns whether the mark moved. Accepts of voters that do not count are ignored.
   * @throws ERR_PROTOCOL_ORDER on an accept of something never proposed.
   */
  accept(voter: NodeId, txnid: Txnid): boolean {
    if (txnid > this.#lastProposed) {
      throw new QuorateError(
        "ERR_PROTOCOL_ORDER",
        `node ${voter} accepts ${formatTxnid(txnid)}, proposed ${formatTxnid(this.#lastProposed)}`,
      );
    }
    const before = this.#accepted.get(voter);
    if (before === undefined || txnid <= before) return false;
    this.#accepted.set(voter, txnid);
    return this.#advance();
  }

  #advance(): boolean {
    // The candidates for the mark are the accepts themselves, best first.
    const descending = [...this.#accepted].sort(([, a], [, b]) => (a > b ? -1 : a < b ? 1 : 0));
    const holders: NodeId[] = [];
    for (const [voter, txnid] of descending) {
      holders.push(voter);
      if (!this.#quorum.hasQuorumOf(holders)) continue;
      if (txnid <= this.#mark) return false;
      this.#mark = maxTxnid(this.#mark, txnid);
      return true;
    }
    return false;
  }
}
