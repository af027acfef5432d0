import {
  epochOf,
  formatTxnid,
  type Epoch,
  type LogPosition,
  type NodeId,
  type PeerMsg,
  type Txnid,
  type VoteMsg,
} from "@quorate/protocol";
import type { CommitChecker } from "./commit-checker.js";
import type { DiskChecker } from "./disk-checker.js";
import type { Violations } from "./violations.js";

interface PipeState {
  /** What the leader at the other end said last in `newLeader`. */
  newLeader: { readonly epoch: Epoch; readonly last: LogPosition } | null;
  /** The end of the history that this end has sent. */
  sentEnd: Txnid | null;
  hasAckedNewLeader: boolean;
  offeredEpoch: Epoch | null;
  standing: string;
}

/**
 * Holds Invariant 4: compares each message that claims something durable, at the moment it is
 * sent, with what the sender's disk has.
 */
export class MessageChecker {
  readonly #disks: DiskChecker;
  readonly #commits: CommitChecker;
  readonly #violations: Violations;
  readonly #watchers: readonly NodeId[];
  readonly #pipes = new Map<number, PipeState>();

  constructor(
    disks: DiskChecker,
    commits: CommitChecker,
    violations: Violations,
    watchers: readonly NodeId[] = [],
  ) {
    this.#disks = disks;
    this.#commits = commits;
    this.#violations = violations;
    this.#watchers = watchers;
  }

  /** `pipeId` is that of the sender's end. */
  sent(from: NodeId, to: NodeId, pipeId: number, message: PeerMsg): void {
    if (this.#watchers.includes(from) || this.#watchers.includes(to)) {
      this.#toWatcher(from, message);
      return;
    }
    switch (message.kind) {
      case "followerInfo":
        this.#pipe(pipeId).standing = message.standing;
        return;
      case "leaderInfo":
        this.#leaderInfo(from, message.epoch);
        return;
      case "epochAck":
        this.#epochAck(from, to, pipeId, message);
        return;
      case "newLeader":
        this.#pipe(pipeId).sentEnd = message.last.txnid;
        return;
      case "newLeaderAck":
        this.#newLeaderAck(from, pipeId, message.epoch);
        return;
      case "accept":
        this.#accept(from, pipeId, message.txnid);
        return;
      case "commit":
        this.#commit(from, message.txnid);
        return;
      case "history":
        this.#history(from, message.committed);
        return;
      case "proposal":
        // The live stream of a new leader may begin with entries of older epochs.
        if (epochOf(message.batch.first) === this.#disks.image(from)?.currentEpoch) {
          this.#commits.established(from, epochOf(message.batch.first));
        }
        return;
      default:
    }
  }

  /** A watcher promises nothing, and hears of nothing but what is committed. */
  #toWatcher(from: NodeId, message: PeerMsg): void {
    switch (message.kind) {
      case "inform":
      case "history":
        this.#mark(from, message.batch.last);
        return;
      case "commit":
        this.#mark(from, message.txnid);
        return;
      default:
    }
  }

  /** `pipeId` is that of the receiver's end. */
  received(to: NodeId, from: NodeId, pipeId: number, message: PeerMsg): void {
    switch (message.kind) {
      case "newLeader":
        this.#pipe(pipeId).newLeader = message;
        return;
      case "leaderInfo":
        this.#pipe(pipeId).offeredEpoch = message.epoch;
        return;
      case "newLeaderAck": {
        const upTo = this.#pipe(pipeId).sentEnd;
        if (upTo !== null) this.#commits.heard(from, message.epoch, upTo);
        return;
      }
      case "accept": {
        const image = this.#disks.image(to);
        if (image !== null) this.#commits.heard(from, image.currentEpoch, message.txnid);
        return;
      }
      default:
    }
  }

  vote(from: NodeId, vote: VoteMsg): void {
    if (vote.status !== "electing" || vote.candidate !== from || vote.solicit) return;
    const image = this.#disks.image(from);
    const end = this.#disks.end(from);
    this.#violations.expect(
      image !== null &&
        end !== null &&
        vote.epoch === image.currentEpoch &&
        vote.candidateLoggedTxnid === end.txnid &&
        vote.candidateCommittedTxnid <= end.txnid,
      "voteIsDurable",
      () =>
        `n${from} votes for itself with epoch ${vote.epoch}, ` +
        `${formatTxnid(vote.candidateLoggedTxnid)}; its disk has ${image?.currentEpoch ?? "-"}, ` +
        `${end === null ? "-" : formatTxnid(end.txnid)}`,
    );
  }

  #leaderInfo(from: NodeId, epoch: Epoch): void {
    this.#disks.offered(epoch, from);
    const accepted = this.#disks.image(from)?.acceptedEpoch;
    this.#violations.expect(
      accepted?.epoch === epoch && accepted.leader === from,
      "ownPromiseFirst",
      () => `n${from} offers epoch ${epoch} before its own promise is durable`,
    );
  }

  #epochAck(
    from: NodeId,
    to: NodeId,
    pipeId: number,
    message: Extract<PeerMsg, { kind: "epochAck" }>,
  ): void {
    const image = this.#disks.image(from);
    const end = this.#disks.end(from);
    const { offeredEpoch } = this.#pipe(pipeId);
    const { lastLogged, currentEpoch, uncounted } = message;
    const isPromised =
      uncounted ||
      (image?.acceptedEpoch.epoch === offeredEpoch && image?.acceptedEpoch.leader === to);
    this.#violations.expect(
      image?.currentEpoch === currentEpoch &&
        end?.txnid === lastLogged.txnid &&
        end.chain === lastLogged.chain &&
        isPromised,
      "epochAckIsDurable",
      () =>
        `n${from} acknowledges epoch ${offeredEpoch} of n${to} with current ${currentEpoch}, ` +
        `${formatTxnid(lastLogged.txnid)}; its disk says otherwise`,
    );
  }

  #newLeaderAck(from: NodeId, pipeId: number, epoch: Epoch): void {
    const pipe = this.#pipe(pipeId);
    pipe.hasAckedNewLeader = true;
    const image = this.#disks.image(from);
    const last = pipe.newLeader?.last;
    this.#violations.expect(
      image?.currentEpoch === epoch && last !== undefined && this.#disks.holds(from, last),
      "newLeaderAckIsDurable",
      () =>
        `n${from} acknowledges the leader of ${epoch} up to ` +
        `${last === undefined ? "-" : formatTxnid(last.txnid)}; its disk has epoch ` +
        `${image?.currentEpoch ?? "-"}`,
    );
  }

  #accept(from: NodeId, pipeId: number, txnid: Txnid): void {
    const end = this.#disks.end(from);
    const pipe = this.#pipe(pipeId);
    this.#violations.expect(
      end !== null && end.txnid >= txnid,
      "acceptIsDurable",
      () => `n${from} accepts ${formatTxnid(txnid)} before it is on its disk`,
    );
    this.#violations.expect(
      pipe.hasAckedNewLeader,
      "acceptAfterNewLeaderAck",
      () => `n${from} accepts ${formatTxnid(txnid)} before its NewLeaderAck`,
    );
  }

  /** To name a mark is to say that it is committed, established or not. */
  #history(from: NodeId, committed: Txnid): void {
    this.#mark(from, committed);
  }

  #mark(from: NodeId, committed: Txnid): void {
    const image = this.#disks.image(from);
    if (image !== null) this.#commits.commit(from, image.currentEpoch, committed);
  }

  #commit(from: NodeId, txnid: Txnid): void {
    const image = this.#disks.image(from);
    if (image === null) return;
    this.#commits.established(from, image.currentEpoch);
    this.#commits.commit(from, image.currentEpoch, txnid);
  }

  #pipe(pipeId: number): PipeState {
    let state = this.#pipes.get(pipeId);
    if (state === undefined) {
      state = {
        newLeader: null,
        sentEnd: null,
        hasAckedNewLeader: false,
        offeredEpoch: null,
        standing: "member",
      };
      this.#pipes.set(pipeId, state);
    }
    return state;
  }
}
