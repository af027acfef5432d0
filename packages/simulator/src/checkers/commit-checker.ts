import {
  formatTxnid,
  LOG_START,
  maxTxnid,
  positionOf,
  TXNID_ZERO,
  type Chain,
  type Epoch,
  type LogPosition,
  type NodeId,
  type QuorumVerifier,
  type Txnid,
} from "@quorate/protocol";
import type { DiskChecker } from "./disk-checker.js";
import type { Violations } from "./violations.js";

/**
 * Judges what leaders say is committed. Holds Invariant 1 (one established leader per epoch),
 * Invariant 3 (one committed sequence), Invariant 5 (it is in every later leader's log) and
 * Invariant 6 (committed only with a quorum on disk, which is in the leader's epoch).
 */
export class CommitChecker {
  readonly #disks: DiskChecker;
  readonly #quorum: QuorumVerifier;
  readonly #violations: Violations;
  readonly #leaders = new Map<Epoch, NodeId>();
  readonly #committed = new Map<Txnid, Chain>();
  /** What leaders were told of: by epoch and voter, the greatest txnid that it said to hold. */
  readonly #heard = new Map<Epoch, Map<NodeId, Txnid>>();
  /** As the committed entries of the ensemble itself say. */
  readonly #members = new Map<NodeId, string>();
  /** The end of what was committed in each epoch, epochs ascending as they committed. */
  readonly #ends = new Map<Epoch, LogPosition>();
  #end: LogPosition = LOG_START;
  #onEstablished: (node: NodeId, epoch: Epoch) => void = () => undefined;

  constructor(disks: DiskChecker, quorum: QuorumVerifier, violations: Violations) {
    this.#disks = disks;
    this.#quorum = quorum;
    this.#violations = violations;
  }

  /** The end of what is known to be committed. */
  get end(): LogPosition {
    return this.#end;
  }

  get leaderCount(): number {
    return this.#leaders.size;
  }

  leaderOf(epoch: Epoch): NodeId | undefined {
    return this.#leaders.get(epoch);
  }

  onEstablished(listener: (node: NodeId, epoch: Epoch) => void): void {
    this.#onEstablished = listener;
  }

  isCommitted(txnid: Txnid): boolean {
    return txnid <= this.#end.txnid;
  }

  /** Whether just this position is part of the committed sequence. */
  includes({ txnid, chain }: LogPosition): boolean {
    return this.#committed.get(txnid) === chain;
  }

  /** A leader of the epoch was told that everything up to there is durable on this voter. */
  heard(voter: NodeId, epoch: Epoch, upTo: Txnid): void {
    const voters = this.#heard.get(epoch) ?? new Map<NodeId, Txnid>();
    this.#heard.set(epoch, voters);
    voters.set(voter, maxTxnid(voters.get(voter) ?? upTo, upTo));
  }

  /** A node acts as the established leader of an epoch. */
  established(node: NodeId, epoch: Epoch): void {
    const known = this.#leaders.get(epoch);
    if (known === node) return;
    if (known !== undefined) {
      this.#violations.report(
        "oneLeaderPerEpoch",
        `n${known} and n${node} are both established in epoch ${epoch}`,
      );
      return;
    }
    this.#leaders.set(epoch, node);
    const before = this.#endBefore(epoch);
    this.#violations.expect(
      this.#disks.holds(node, before),
      "leaderHoldsCommitted",
      () =>
        `n${node}, established in epoch ${epoch}, lacks ` +
        `the committed ${formatTxnid(before.txnid)}`,
    );
    const voters = [...this.#disks.votersOf(epoch)];
    this.#violations.expect(
      this.#quorum.hasQuorumOf(voters),
      "establishedByQuorum",
      () => `n${node} is established in epoch ${epoch}, in which are only [${voters.join(",")}]`,
    );
    this.#onEstablished(node, epoch);
  }

  /**
   * What every leader of the epoch must hold. One that was stopped at its last gate may hear of its
   * quorum when later leaders have committed more: it holds none of that, and commits none.
   */
  #endBefore(epoch: Epoch): LogPosition {
    let end = LOG_START;
    for (const [at, position] of this.#ends) {
      if (at < epoch && position.txnid > end.txnid) end = position;
    }
    return end;
  }

  /** A leader of `epoch` announces, or a node applies, everything up to `txnid`. */
  commit(node: NodeId, epoch: Epoch, txnid: Txnid): void {
    if (txnid <= this.#end.txnid) {
      const isBoundary = txnid <= LOG_START.txnid || this.#committed.has(txnid);
      this.#violations.expect(
        isBoundary,
        "committedPrefix",
        () => `n${node} commits ${formatTxnid(txnid)}, which is not in the committed sequence`,
      );
      return;
    }
    const batch = this.#disks.batchEndingAt(txnid);
    if (batch === undefined) {
      this.#violations.report(
        "commitIsDurable",
        `n${node} commits ${formatTxnid(txnid)}, which no disk holds`,
      );
      return;
    }
    this.#extend(node, epoch, positionOf(batch));
  }

  #extend(node: NodeId, epoch: Epoch, to: LogPosition): void {
    const steps: LogPosition[] = [];
    let at: LogPosition = to;
    while (at.txnid > this.#end.txnid) {
      steps.push(at);
      const batch = this.#disks.batchEndingAt(at.txnid);
      const before = batch === undefined ? undefined : this.#before(batch.previousChain, at);
      if (before === undefined) break;
      at = before;
    }
    this.#violations.expect(
      at.txnid === this.#end.txnid && at.chain === this.#end.chain,
      "committedPrefix",
      () =>
        `n${node} commits ${formatTxnid(to.txnid)}, whose history does not contain the ` +
        `committed ${formatTxnid(this.#end.txnid)}`,
    );
    // Upwards, since a committed admission makes its voter count for what comes after it.
    for (const { txnid, chain } of steps.reverse()) {
      this.#committed.set(txnid, chain);
      this.#checkQuorum(node, epoch, txnid);
      this.#noteMembers(txnid);
    }
    this.#end = to;
    this.#ends.set(epoch, to);
  }

  #noteMembers(txnid: Txnid): void {
    const records = this.#disks.membersIn(txnid);
    for (const [id, identity] of records) this.#members.set(id, identity);
    this.#disks.admitted(records);
  }

  /** Whoever the committed table does not name is no voter yet (G27). */
  #isMember(node: NodeId, identity: string): boolean {
    return this.#members.size === 0 || this.#members.get(node) === identity;
  }

  /** The position with this chain, directly below `at`. */
  #before(chain: Chain, at: LogPosition): LogPosition | undefined {
    if (chain === this.#end.chain) return this.#end;
    return this.#disks.positionOfChain(chain, at.txnid);
  }

  #checkQuorum(node: NodeId, epoch: Epoch, txnid: Txnid): void {
    const holders = [...this.#disks.holdersOf(txnid)].filter((id) => {
      const image = this.#disks.image(id);
      // Wiped or damaged since it held it: what is there now says nothing of it, but its answer
      // stands if it had given one in this epoch (seed 412). What it holds as one that forgot does
      // not make it a holder, and what it never told has not been counted.
      if (image === null || this.#disks.isForgetful(id)) {
        return (this.#heard.get(epoch)?.get(id) ?? TXNID_ZERO) >= txnid;
      }
      return image.currentEpoch >= epoch && this.#isMember(id, image.identity);
    });
    this.#violations.expect(
      this.#quorum.hasQuorumOf(holders),
      "commitNeedsQuorum",
      () =>
        `n${node} commits ${formatTxnid(txnid)} in epoch ${epoch}; durable on ` +
        `[${holders.join(",")}] of [${[...this.#disks.holdersOf(txnid)].join(",")}]`,
    );
  }
}
