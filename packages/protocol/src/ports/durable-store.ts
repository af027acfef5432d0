import type { EntryBatch, LogPosition } from "../entry-batch.js";
import type { QuorateError } from "../errors.js";
import type { Identity, IdentityTable, NodeId } from "../ids.js";
import type { SnapshotInfo } from "../messages.js";
import type { StateRows } from "../packed-rows.js";
import type { Epoch, Txnid } from "../txnid.js";

/**
 * What a node keeps: the log, the epochs, the identity table, the marks and the checkpoint.
 *
 * Writes go through one FIFO. Each returns a rising ticket at once; `onPersisted(upTo)` says that
 * every ticket up to that one is durable, in order. A write never throws for the disk: a failure
 * arrives once through `onFailed`, and then no ticket that was open is ever answered. The
 * implementation may join any number of waiting writes into one transaction and one fsync.
 */
export type Ticket = number;

/** The promise: the highest epoch consented to, and to whom. Durable as one row. */
export interface AcceptedEpoch {
  readonly epoch: Epoch;
  /** 0 before the first promise. */
  readonly leader: NodeId | 0;
}

export interface CheckpointInfo extends SnapshotInfo {
  /** Names the rows of state.db that are current. Rises by one with each checkpoint. */
  readonly generation: number;
}

/** What was found on open, verified, before the first vote. */
export interface RecoveredState {
  /** Random, made when the directory was; made anew when the history was found damaged. */
  readonly identity: Identity;
  readonly acceptedEpoch: AcceptedEpoch;
  readonly currentEpoch: Epoch;
  /** Entries at and below it are in the checkpoint only. */
  readonly logStart: LogPosition;
  readonly lastLogged: LogPosition;
  /** A lower bound: the mark is persisted lazily with later batches. Never above lastLogged. */
  readonly commitMark: Txnid;
  readonly checkpoint: CheckpointInfo | null;
  /** The identity table as last persisted by `setIdentityTable` (or an install). */
  readonly members: IdentityTable;
  /**
   * Non-null when the history is shorter or other than the high-water file says, or a row failed
   * its checksum. Such a store has already been emptied of what cannot be trusted and given a new
   * identity; its node is recovering.
   */
  readonly damage: string | null;
}

export interface StoreEvents {
  /** Every ticket up to `upTo` is durable, and so is the log up to `lastLogged`. */
  onPersisted(upTo: Ticket, lastLogged: LogPosition): void;
  /**
   * At most once. ERR_STORE_FULL: rolled back, nothing of the open tickets is on disk; reopen to
   * go on. Anything else: outcome unknown, the process must end.
   */
  onFailed(error: QuorateError): void;
}

/** A snapshot being received beside the current state. Nothing of it is visible before install. */
export interface StagedSnapshot {
  readonly info: SnapshotInfo;
  writeRows(rows: StateRows): Ticket;
  /** Entries that continue from the snapshot's position. */
  append(batches: readonly EntryBatch[]): Ticket;
}

/** A finished checkpoint being read; its rows and the log above it stay until `close`. */
export interface SnapshotSource {
  readonly info: SnapshotInfo;
  /**
   * The next rows, each key once, about `bytesMax` of them; empty at the end. One read at a time,
   * perhaps while the rows of the one before are still in use: they stay as they are.
   */
  read(bytesMax: number): Promise<StateRows>;
  /** Idempotent. Not while it is read. */
  close(): void;
}

/** A checkpoint being written beside the current one, from what changed since. */
export interface CheckpointWriter {
  /** Resolves when the rows are written; the pace of the state database, not of the log. */
  write(rows: StateRows): Promise<void>;
  /** Makes it current in one write to log.db, then lets the log below it go. */
  finish(): Promise<void>;
  /** Drops it. Idempotent. */
  discard(): Promise<void>;
}

export interface DurableStore {
  readonly recovered: RecoveredState;
  /** Where the log starts by now: it rises with compaction and when a snapshot is installed. */
  readonly logStart: LogPosition;
  /** Must be called before the first write. Events are never delivered synchronously. */
  attach(events: StoreEvents): void;

  /**
   * Appends batches that continue the log (asserted), and remembers `commitMark` with them.
   * `commitMark` never exceeds the last entry appended so far.
   */
  append(batches: readonly EntryBatch[], commitMark: Txnid): Ticket;
  setAcceptedEpoch(accepted: AcceptedEpoch): Ticket;
  setCurrentEpoch(epoch: Epoch): Ticket;
  setIdentityTable(members: IdentityTable): Ticket;
  /** Removes all entries after this one, which is a batch boundary in the log. */
  truncateAfter(position: LogPosition): Ticket;

  /** Starts a staged snapshot; an unfinished one is dropped first. */
  stageSnapshot(info: SnapshotInfo): StagedSnapshot;
  /** One transaction: the staged rows, entries and identity table become the node's only state. */
  installSnapshot(staged: StagedSnapshot): Ticket;
  discardStaged(staged: StagedSnapshot): Ticket;

  /**
   * The greatest batch boundary at or below `txnid` that the log knows, the log's start included;
   * null when `txnid` lies below the start. Sees all appends, also those still on their way.
   */
  findPosition(atOrBelow: Txnid): Promise<LogPosition | null>;
  /**
   * The batches after `after` up to `upTo`, in order, at least one and about `bytesMax` of them;
   * empty when there are none. Waits until `upTo` is durable.
   * @throws (rejects) ERR_STORE_COMPACTED when the log starts above `after`.
   */
  readBatches(after: Txnid, upTo: Txnid, bytesMax: number): Promise<readonly EntryBatch[]>;

  /** The rows of the current checkpoint, each key once; nothing when there is none. */
  readCheckpoint(): AsyncIterable<StateRows>;
  /** Null when there is no checkpoint yet: then the log holds everything. */
  openSnapshot(): Promise<SnapshotSource | null>;
  /**
   * Whether the next checkpoint should be a full one: those since the last have changed so much
   * that reading them all takes longer than reading what is there. A hint, but for a store that an
   * older release wrote, which takes no other.
   */
  readonly isFullCheckpointDue: boolean;
  /**
   * Starts a checkpoint of the rows that changed since the last finished one (or of all rows when
   * `full`). One at a time. `info.position` is durable in the log.
   */
  beginCheckpoint(info: SnapshotInfo, options: { readonly full: boolean }): CheckpointWriter;

  /** Answers what is open, within `diskTimeout`, then releases files and threads. Idempotent. */
  close(): Promise<void>;
}

/** Opens the directory's store: used again after ERR_STORE_FULL, to reload what is durable. */
export type OpenStore = () => Promise<DurableStore>;
