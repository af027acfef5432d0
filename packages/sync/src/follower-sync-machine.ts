import {
  assert,
  followsPosition,
  formatTxnid,
  HISTORY_CHUNKS_IN_FLIGHT_MAX,
  maxTxnid,
  QuorateError,
  TXNID_ZERO,
} from "@quorate/protocol";
import type {
  EntryBatch,
  Epoch,
  ErrorCode,
  LogPosition,
  NodeId,
  PeerMsg,
  SnapshotInfo,
  StateRows,
  Txnid,
} from "@quorate/protocol";

/**
 * What a leader can send while the own log is asked: the header of the stream, a full window of
 * history and the end of it. More is a leader that ignores the window.
 */
const WAITING_MESSAGES_MAX = HISTORY_CHUNKS_IN_FLIGHT_MAX + 2;

/** The original's stage names, in camelCase. */
export type FollowerStage =
  | "sendFollowerInfo"
  | "receiveUpdateAcceptedEpoch"
  | "syncReceive"
  | "receiveUpdateCurrentEpoch"
  | "followerSyncDone";

/** What the follower is, durably, when the conversation starts. */
export interface FollowerSyncStart {
  readonly leader: NodeId;
  /** A watcher: promises nothing, persists no epoch. */
  readonly voting: boolean;
  readonly acceptedEpoch: Epoch;
  readonly acceptedLeader: NodeId | 0;
  readonly currentEpoch: Epoch;
  readonly lastLogged: LogPosition;
  readonly commitMark: Txnid;
}

export type FollowerSyncEvent =
  | { readonly kind: "started" }
  | { readonly kind: "messageReceived"; readonly message: PeerMsg }
  /** The answer to `checkHeld`. */
  | { readonly kind: "heldChecked"; readonly held: boolean }
  /** The promise asked for by `persistAcceptedEpoch` is durable. */
  | { readonly kind: "acceptedEpochPersisted" }
  /** That many of the history messages handed to the store are durable. */
  | { readonly kind: "historyPersisted"; readonly count: number }
  /** The current epoch, hence all history before it, is durable. */
  | { readonly kind: "currentEpochPersisted" }
  /** The answer to `awaitHistory`. */
  | { readonly kind: "historyComplete" };

export type FollowerSyncEffect =
  | { readonly kind: "sendFollowerInfo" }
  | { readonly kind: "persistAcceptedEpoch"; readonly epoch: Epoch }
  | { readonly kind: "sendEpochAck"; readonly uncounted: boolean }
  /** Ask the log whether it holds exactly this position; answered by `heldChecked`. */
  | { readonly kind: "checkHeld"; readonly position: LogPosition }
  | { readonly kind: "truncate"; readonly after: LogPosition }
  | { readonly kind: "append"; readonly batch: EntryBatch; readonly staged: boolean }
  | { readonly kind: "stageSnapshot"; readonly info: SnapshotInfo }
  | { readonly kind: "stageRows"; readonly rows: StateRows }
  /** The staged state becomes the only one, committed up to there. */
  | { readonly kind: "installStaged"; readonly upTo: Txnid }
  /** Everything up to here is committed, and durable here. */
  | { readonly kind: "commit"; readonly upTo: Txnid }
  | { readonly kind: "persistCurrentEpoch"; readonly epoch: Epoch }
  /** A watcher's end: no epoch to persist, only the history handed to the store to wait for. */
  | { readonly kind: "awaitHistory" }
  | { readonly kind: "sendSyncProgress"; readonly received: number }
  | { readonly kind: "sendSnapshotRequest" }
  | { readonly kind: "sendNewLeaderAck"; readonly epoch: Epoch }
  | { readonly kind: "finish"; readonly epoch: Epoch; readonly received: LogPosition }
  | { readonly kind: "fail"; readonly error: QuorateError };

/**
 * The follower's side of discovery and sync.
 *
 * Owns the persist order (Invariant 4): promise durable, then EpochAck; all history durable, then
 * the current epoch, then NewLeaderAck (ZOOKEEPER-3023, 3911, 4643, 4646, 4685). The store's one
 * FIFO gives the order; this machine gives the acknowledgements.
 * Owns the refusal to lose what is committed: nothing at or below the own commit mark is ever
 * removed or replaced by a shorter history (ERR_SYNC_DIVERGED).
 * Owns what is applied before NewLeaderAck: history up to the mark that came with it, once it is
 * durable here, so that a long one need not be held in memory until its end (ADR 0014).
 * Why that is safe, also for a voter that has only given its promise: the mark is no claim of
 * this leader about its own epoch but what it has applied, so a quorum has accepted it in an epoch
 * whose leader was established. Every later leader has it (Invariant 5), whether or not this one
 * is ever established, so it is never taken back. It is part of no acknowledgement: epochs,
 * NewLeaderAck and gates stay what they were, and clients are served only after the first commit
 * behind the last gate. Durable first, although a follower need not wait for that (ADR 0008): a
 * role that ends half-way leaves nothing in memory that its log lacks, and the disk paces it all.
 * A snapshot and what is behind it are applied when they are current, not before (G26).
 * Paper: Zab phases 1 and 2, follower.
 */
export class FollowerSyncMachine {
  readonly #start: FollowerSyncStart;
  #stage: FollowerStage = "sendFollowerInfo";
  #epoch: Epoch | null = null;
  /** The end of what was received, durable or not: what the next batch must continue. */
  #received: LogPosition;
  /** The EpochAck has left: only then may the leader say what the history is. */
  #hasAcknowledgedEpoch = false;
  #checking: LogPosition | null = null;
  #waiting: PeerMsg[] = [];
  /** Until the snapshot asked for begins, what the old plan still sends is void. */
  #awaitsSnapshot = false;
  #staged: { rowCount: number; nextIndex: number; complete: boolean } | null = null;
  #streaming = false;
  /**
   * Handed to the store and not durable yet, in order: up to where each is committed; null for rows
   * and for what is staged. Bounded by the leader's window.
   */
  #unpersisted: (Txnid | null)[] = [];
  #persisted = 0;
  /** The greatest mark that came with what is staged. */
  #stagedMark: Txnid = TXNID_ZERO;
  #failed = false;

  constructor(start: FollowerSyncStart) {
    this.#start = start;
    this.#received = start.lastLogged;
  }

  get stage(): FollowerStage {
    return this.#stage;
  }

  step(event: FollowerSyncEvent): FollowerSyncEffect[] {
    if (this.#failed) return [];
    switch (event.kind) {
      case "started":
        assert(this.#stage === "sendFollowerInfo", "sync starts once");
        this.#stage = "receiveUpdateAcceptedEpoch";
        return [{ kind: "sendFollowerInfo" }];
      case "messageReceived":
        return this.#messageReceived(event.message);
      case "heldChecked":
        return this.#heldChecked(event.held);
      case "acceptedEpochPersisted":
        return this.#acknowledgeEpoch(false);
      case "historyPersisted":
        return this.#historyPersisted(event.count);
      case "currentEpochPersisted":
      case "historyComplete":
        return this.#completed();
    }
  }

  #messageReceived(message: PeerMsg): FollowerSyncEffect[] {
    if (this.#checking !== null) {
      if (this.#waiting.length >= WAITING_MESSAGES_MAX) {
        return this.#fail("ERR_PROTOCOL_OVERFLOW", "history beyond the window");
      }
      this.#waiting.push(message);
      return [];
    }
    switch (message.kind) {
      case "leaderInfo":
        return this.#leaderInfo(message.epoch);
      case "truncate":
        return this.#truncate(message.after);
      case "streamBegin":
        return this.#streamBegin(message.after);
      case "history":
        return this.#history(message.batch, message.committed);
      case "snapshotBegin":
        return this.#snapshotBegin(message.snapshot);
      case "snapshotChunk":
        return this.#snapshotChunk(message.index, message.rows);
      case "snapshotEnd":
        return this.#snapshotEnd(message.rowCount);
      case "newLeader":
        return this.#newLeader(message.epoch, message.last);
      default:
        return this.#fail("ERR_PROTOCOL_ORDER", `${message.kind} does not belong to sync`);
    }
  }

  #leaderInfo(epoch: Epoch): FollowerSyncEffect[] {
    if (this.#stage !== "receiveUpdateAcceptedEpoch" || this.#epoch !== null) {
      return this.#fail("ERR_PROTOCOL_ORDER", "a second leaderInfo");
    }
    const { acceptedEpoch, acceptedLeader, leader, voting } = this.#start;
    this.#epoch = epoch;
    this.#stage = "syncReceive";
    if (!voting) return this.#acknowledgeEpoch(true);
    if (epoch < acceptedEpoch) {
      return this.#fail("ERR_SYNC_EPOCH_STALE", `epoch ${epoch} is below ${acceptedEpoch}`);
    }
    if (epoch > acceptedEpoch) return [{ kind: "persistAcceptedEpoch", epoch }];
    // G21: the promise is the pair. Offered by another leader, the history is reported and the
    // consent withheld.
    return this.#acknowledgeEpoch(acceptedLeader !== leader);
  }

  #acknowledgeEpoch(uncounted: boolean): FollowerSyncEffect[] {
    this.#hasAcknowledgedEpoch = true;
    return [{ kind: "sendEpochAck", uncounted }];
  }

  #mayReceiveHistory(): boolean {
    return this.#stage === "syncReceive" && this.#hasAcknowledgedEpoch;
  }

  #truncate(after: LogPosition): FollowerSyncEffect[] {
    if (this.#awaitsSnapshot) return [];
    if (!this.#mayReceiveHistory() || this.#streaming || this.#staged !== null) {
      return this.#fail("ERR_PROTOCOL_ORDER", "truncate out of order");
    }
    if (after.txnid < this.#start.commitMark) {
      return this.#fail(
        "ERR_SYNC_DIVERGED",
        `asked to remove committed entries: to ${formatTxnid(after.txnid)}, ` +
          `committed ${formatTxnid(this.#start.commitMark)}`,
      );
    }
    this.#checking = after;
    return [{ kind: "checkHeld", position: after }];
  }

  #heldChecked(held: boolean): FollowerSyncEffect[] {
    assert(this.#checking !== null, "an answer without a question");
    const position = this.#checking;
    this.#checking = null;
    const effects: FollowerSyncEffect[] = [];
    if (held) {
      this.#received = position;
      effects.push({ kind: "truncate", after: position });
    } else {
      effects.push(...this.#requestSnapshot());
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const message of waiting) {
      if (!this.#failed) effects.push(...this.#messageReceived(message));
    }
    return effects;
  }

  #streamBegin(after: LogPosition): FollowerSyncEffect[] {
    if (this.#awaitsSnapshot) return [];
    if (!this.#mayReceiveHistory() || this.#streaming) {
      return this.#fail("ERR_PROTOCOL_ORDER", "streamBegin out of order");
    }
    if (this.#staged !== null && !this.#staged.complete) {
      return this.#fail("ERR_PROTOCOL_ORDER", "entries before the end of the snapshot");
    }
    if (after.txnid !== this.#received.txnid || after.chain !== this.#received.chain) {
      return this.#requestSnapshot();
    }
    this.#streaming = true;
    return [];
  }

  #requestSnapshot(): FollowerSyncEffect[] {
    if (this.#staged !== null) {
      return this.#fail("ERR_SYNC_DIVERGED", "entries do not continue the snapshot");
    }
    this.#awaitsSnapshot = true;
    return [{ kind: "sendSnapshotRequest" }];
  }

  #history(batch: EntryBatch, committed: Txnid): FollowerSyncEffect[] {
    if (this.#awaitsSnapshot) return [];
    if (this.#stage !== "syncReceive" || !this.#streaming) {
      return this.#fail("ERR_PROTOCOL_ORDER", "history outside a stream");
    }
    if (!followsPosition(batch, this.#received)) {
      return this.#fail(
        "ERR_PROTOCOL_ORDER",
        `${formatTxnid(batch.first)} does not continue ${formatTxnid(this.#received.txnid)}`,
      );
    }
    if (committed > batch.last) {
      return this.#fail("ERR_PROTOCOL_ORDER", "history is committed beyond its batch");
    }
    this.#received = { txnid: batch.last, chain: batch.chain };
    const staged = this.#staged !== null;
    if (staged) this.#stagedMark = maxTxnid(this.#stagedMark, committed);
    this.#unpersisted.push(staged ? null : committed);
    return [{ kind: "append", batch, staged }];
  }

  #historyPersisted(count: number): FollowerSyncEffect[] {
    const effects: FollowerSyncEffect[] = [];
    let upTo = TXNID_ZERO;
    for (const mark of this.#unpersisted.splice(0, count - this.#persisted)) {
      if (mark !== null) upTo = maxTxnid(upTo, mark);
    }
    this.#persisted = count;
    if (upTo > this.#start.commitMark) effects.push({ kind: "commit", upTo });
    // Flow control by the disk: the leader sends on only as fast as this node keeps up.
    effects.push({ kind: "sendSyncProgress", received: count });
    return effects;
  }

  #snapshotBegin(info: SnapshotInfo): FollowerSyncEffect[] {
    if (!this.#mayReceiveHistory() || this.#streaming || this.#staged !== null) {
      return this.#fail("ERR_PROTOCOL_ORDER", "snapshotBegin out of order");
    }
    this.#awaitsSnapshot = false;
    this.#staged = { rowCount: 0, nextIndex: 0, complete: false };
    this.#received = info.position;
    return [{ kind: "stageSnapshot", info }];
  }

  #snapshotChunk(index: number, rows: StateRows): FollowerSyncEffect[] {
    const staged = this.#staged;
    if (staged === null || staged.complete || index !== staged.nextIndex) {
      return this.#fail("ERR_PROTOCOL_ORDER", `snapshot chunk ${index} out of order`);
    }
    staged.nextIndex += 1;
    staged.rowCount += rows.length;
    this.#unpersisted.push(null);
    return [{ kind: "stageRows", rows }];
  }

  #snapshotEnd(rowCount: number): FollowerSyncEffect[] {
    const staged = this.#staged;
    if (staged === null || staged.complete || staged.rowCount !== rowCount) {
      return this.#fail("ERR_PROTOCOL_ORDER", "the snapshot's end does not match its rows");
    }
    staged.complete = true;
    return [];
  }

  #newLeader(epoch: Epoch, last: LogPosition): FollowerSyncEffect[] {
    if (this.#awaitsSnapshot) return [];
    if (this.#stage !== "syncReceive" || epoch !== this.#epoch || !this.#streaming) {
      return this.#fail("ERR_PROTOCOL_ORDER", "newLeader out of order");
    }
    const { txnid, chain } = this.#received;
    if (last.txnid !== txnid || last.chain !== chain) {
      return this.#fail("ERR_PROTOCOL_ORDER", "newLeader names another end than the stream's");
    }
    if (txnid < this.#start.commitMark) {
      return this.#fail(
        "ERR_SYNC_DIVERGED",
        `the leader's history ends at ${formatTxnid(txnid)}, below what is committed here`,
      );
    }
    this.#stage = "receiveUpdateCurrentEpoch";
    const effects: FollowerSyncEffect[] = [];
    // G26: the switch comes only now that the staged history reaches the leader's.
    if (this.#staged !== null) effects.push({ kind: "installStaged", upTo: this.#stagedMark });
    effects.push(
      this.#start.voting ? { kind: "persistCurrentEpoch", epoch } : { kind: "awaitHistory" },
    );
    return effects;
  }

  #completed(): FollowerSyncEffect[] {
    assert(this.#stage === "receiveUpdateCurrentEpoch", "the history was completed out of order");
    assert(this.#epoch !== null, "an epoch is known by now");
    this.#stage = "followerSyncDone";
    return [
      { kind: "sendNewLeaderAck", epoch: this.#epoch },
      { kind: "finish", epoch: this.#epoch, received: this.#received },
    ];
  }

  #fail(code: ErrorCode, message: string): FollowerSyncEffect[] {
    this.#failed = true;
    return [{ kind: "fail", error: new QuorateError(code, message) }];
  }
}
