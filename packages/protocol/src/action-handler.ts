import type { EntryBatch, LogPosition } from "./entry-batch.js";
import type { ErrorCode, QuorateError } from "./errors.js";
import type { Identity, IdentityTable, NodeId, Standing } from "./ids.js";
import type { PeerStatus, RequestMsg, SnapshotInfo } from "./messages.js";
import type { QuorumVerifier } from "./quorum.js";
import type { SnapshotSource, StagedSnapshot, Ticket } from "./ports/durable-store.js";
import type { Prepared } from "./ports/state-machine.js";
import type { Epoch, Txnid } from "./txnid.js";

export interface ActionEvents {
  /** Every ticket up to `upTo` is durable, and so is the log up to `lastLogged`. */
  onPersisted(upTo: Ticket, lastLogged: LogPosition): void;
  onStoreFailed(error: QuorateError): void;
  /** A committed record admitted this data directory as a voter. */
  onVoterAdmitted(voter: NodeId, identity: Identity): void;
  /** These were committed and applied, in order, just now. */
  onCommitted?(batches: readonly EntryBatch[]): void;
}

/** Refusals of requests of this node's that wait for their places in the order of commits. */
export interface PlacedRefusals {
  /** The transaction that the first of them stands behind; null when none waits. */
  readonly first: Txnid | null;
  /** Tells those that stand before this transaction, which is about to be applied. */
  releaseBefore(txnid: Txnid): void;
}

/**
 * The host's port, and the only state port that the protocol drivers know.
 *
 * Reads are answered from memory, at once; `lastLogged` and the epochs are *durable* values only,
 * because they go into votes and acknowledgements (Invariant 4). Writes join one FIFO, return a
 * rising ticket at once and complete through `attach`; they never throw for the disk.
 *
 * Deviation from seed: the original's calls returned when done. A group commit answers later, so
 * writes return tickets; {@link syncActionHandler} in @quorate/server adapts a blocking host.
 */
export interface ActionHandler {
  // Environment.
  getEnsembleSize(): number;
  getFollowerId(): string;
  getNodeId(): NodeId;
  getStatus(): PeerStatus;
  getQuorumVerifier(): QuorumVerifier;
  /** This directory's identity, and how its node counts. */
  getIdentity(): Identity;
  getStanding(): Standing;
  /** Identities by node id: as committed, and as logged (a founding table counts once logged). */
  getIdentityTable(): IdentityTable;

  // Election, discovery: durable values.
  getLastLogged(): LogPosition;
  getLastLoggedTxid(): Txnid;
  /** The commit mark, as far as this node's own log reaches. */
  getLastCommittedTxid(): Txnid;
  getCurrentEpoch(): Epoch;
  getAcceptedEpoch(): Epoch;
  /** To whom the accepted epoch was promised; 0 before the first promise. */
  getAcceptedLeader(): NodeId | 0;
  /** The first txnid of the current epoch that no entry has. */
  getNextTxnId(): Txnid;

  // History.
  /** The end of the log, appends on their way included: where the next batch must continue. */
  getLogEnd(): LogPosition;
  /** The end of what is committed and applied here. */
  getCommittedPosition(): LogPosition;
  /** See DurableStore.findPosition. */
  findLogPosition(atOrBelow: Txnid): Promise<LogPosition | null>;
  /** Batches of the log in order; named as in the original though it also serves the tail. */
  getCommittedEntries(
    after: Txnid,
    upTo: Txnid,
    options: { readonly signal: AbortSignal },
  ): AsyncIterable<readonly EntryBatch[]>;
  /** The newest finished checkpoint, or the empty state before the first entry. */
  openSnapshot(): Promise<SnapshotSource>;

  // Writes: one FIFO.
  logProposal(batch: EntryBatch): Ticket;
  /** History received during sync: logged now, committed up to the mark. */
  logAndCommit(batch: EntryBatch, commitUpTo: Txnid): Ticket;
  notifyNewAcceptedEpoch(epoch: Epoch, leader: NodeId): Ticket;
  notifyNewCurrentEpoch(epoch: Epoch): Ticket;
  truncateAfter(position: LogPosition): Ticket;
  stageSnapshot(info: SnapshotInfo): StagedSnapshot;
  /**
   * Makes the staged state the only one, durable and in memory, when the ticket completes. What was
   * staged behind the snapshot is then committed up to the mark.
   */
  installSnapshot(staged: StagedSnapshot, commitUpTo: Txnid): Ticket;
  discardStaged(staged: StagedSnapshot): void;
  /** At most one receiver; null detaches it (an old role hears nothing more). */
  attach(events: ActionEvents | null): void;

  // Normal execution.
  /**
   * The leader's seam: turns a request into a deterministic transaction judged against the newest
   * prepared state, or refuses it before it draws a txnid. `txnid` is the one it will have;
   * `origin` the node whose client asks, absent for the leader's own.
   */
  prepare(request: RequestMsg, txnid: Txnid, origin?: NodeId): Prepared;
  /**
   * Whether requests with this custom op code (above 50) become entries of the log, prepared and
   * committed like any other, the same on every node. Default: none do; they go to the
   * CustomRequestHandler.
   */
  isReplicated?(op: number): boolean;
  /** Forgets what was prepared and not committed: the role ended. */
  discardPrepared(): void;
  /**
   * Applies every logged entry up to the mark, in order, and answers those that asked here. Who
   * asks `refusals` between two entries has requests of its own clients refused at their exact
   * places; the driver tells all others when the call returns.
   */
  commit(upTo: Txnid, refusals?: PlacedRefusals): void;
  /** `at`: which operation of a multi it was that failed; -1, or nothing, of anything else. */
  abort(fid: string, reqId: bigint, code: ErrorCode, error: string, at?: number): void;
  respond(fid: string, reqId: bigint, error: string, content: Uint8Array): void;
}
