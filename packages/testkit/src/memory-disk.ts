import {
  assert,
  EPOCH_ZERO,
  LOG_START,
  QuorateError,
  TXNID_ZERO,
  type AcceptedEpoch,
  type CheckpointInfo,
  type EntryBatch,
  type Epoch,
  type Identity,
  type IdentityTable,
  type LogPosition,
  type Txnid,
} from "@quorate/protocol";
import { emptyLog, endOf, indexAfter, type LogSlice } from "./log-slice.js";

/** Rows by key in latin1, whose order as text is the order of the bytes. */
export type StateRows = ReadonlyMap<string, Uint8Array>;

/** All that one transaction makes durable, as a value: what a crash leaves is one of these. */
export interface DiskImage {
  /** Rises by one with each transaction. */
  readonly sequence: number;
  readonly identity: Identity;
  readonly acceptedEpoch: AcceptedEpoch;
  readonly currentEpoch: Epoch;
  readonly commitMark: Txnid;
  readonly members: IdentityTable;
  readonly log: LogSlice;
  readonly checkpoint: CheckpointInfo | null;
  readonly rows: StateRows;
  readonly damage: string | null;
}

/** Written after each transaction, apart from it: a lower bound of what is durable. */
export interface HighWater {
  readonly sequence: number;
  readonly end: LogPosition;
}

/** What an open store must do when its machine dies. */
export interface DiskUser {
  /** Stops for ever; returns the image of a transaction that was on its way, if any landed. */
  crash(): DiskImage | null;
}

/**
 * - `lostTail`: the last durable transactions are gone without a word, as behind a flipped bit in
 *   a write-ahead log.
 * - `flippedBatch`: one bit of the batch that holds this txnid (or follows it) is wrong.
 */
export type DiskDamage =
  | { readonly kind: "lostTail"; readonly commits: number }
  | { readonly kind: "flippedBatch"; readonly txnid: Txnid };

/** Past images kept for `lostTail`. */
const HISTORY_COMMITS_MAX = 64;

/** What survives a crash, and the faults that a disk can have. */
export class MemoryDisk {
  #image: DiskImage | null = null;
  #history: DiskImage[] = [];
  #highWater: HighWater | null = null;
  #user: DiskUser | null = null;
  #failure: "full" | "io" | null = null;
  /** Rows of checkpoints find no room while this is false; the log does. */
  hasRoomForRows = true;
  #commitCount = 0;

  /** Null until a store was opened on it. */
  get image(): DiskImage | null {
    return this.#image;
  }

  get highWater(): HighWater | null {
    return this.#highWater;
  }

  /** Transactions that became durable, since the disk was made. */
  get commitCount(): number {
    return this.#commitCount;
  }

  get isOpen(): boolean {
    return this.#user !== null;
  }

  /**
   * The power goes. A transaction on its way lands as a whole or not at all; what waited behind it
   * is gone, and the store that was open never answers again. Does nothing when none is open.
   */
  crash(): void {
    const landed = this.#user?.crash() ?? null;
    this.#user = null;
    this.#failure = null;
    if (landed !== null) this.#become(landed);
  }

  /**
   * The next transaction fails: `full` leaves nothing of it; `io` leaves all or nothing of it. The
   * store must be opened again either way.
   */
  failNextCommit(kind: "full" | "io"): void {
    this.#failure = kind;
  }

  /** Only while no store is open. */
  damage(damage: DiskDamage): void {
    assert(this.#user === null, "a disk is damaged while no store is open on it");
    const image = this.#image;
    if (image === null) return;
    if (damage.kind === "lostTail") {
      for (let i = 0; i < damage.commits; i += 1) this.#image = this.#history.pop() ?? this.#image;
      return;
    }
    const { log } = image;
    const index = indexAfter(log, (damage.txnid - 1n) as Txnid);
    const batch = index < log.to ? log.items[index] : undefined;
    assert(batch !== undefined, "the log holds the batch to damage", { txnid: damage.txnid });
    const items = log.items.slice(0, log.to);
    items[index] = flipped(batch);
    this.#image = { ...image, log: { ...log, items } };
  }

  /** A new, empty disk in the place of this one. Only while no store is open. */
  wipe(): void {
    assert(this.#user === null, "a disk is wiped while no store is open on it");
    this.#image = null;
    this.#history = [];
    this.#highWater = null;
  }

  // ---- for the store ----

  /** @internal False when a store is open already. */
  acquire(user: DiskUser): boolean {
    if (this.#user !== null) return false;
    this.#user = user;
    return true;
  }

  /** @internal */
  release(user: DiskUser): void {
    if (this.#user === user) this.#user = null;
  }

  /** @internal The failure that the transaction ending now must report. */
  takeFailure(): "full" | "io" | null {
    const failure = this.#failure;
    this.#failure = null;
    return failure;
  }

  /** @internal */
  takeRoomForRows(): void {
    if (!this.hasRoomForRows) throw this.fullError();
  }

  /** @internal */
  fullError(): QuorateError {
    return new QuorateError("ERR_STORE_FULL", "the disk is full", { retryable: true });
  }

  /** @internal The transaction is durable; the high-water mark is a write of its own after it. */
  commit(image: DiskImage, options: { readonly highWater: boolean }): void {
    this.#become(image);
    if (options.highWater) {
      this.#highWater = { sequence: image.sequence, end: endOf(image.log) };
    }
  }

  #become(image: DiskImage): void {
    if (image === this.#image) return;
    if (this.#image !== null) this.#history.push(this.#image);
    if (this.#history.length > HISTORY_COMMITS_MAX) this.#history.shift();
    this.#image = image;
    this.#commitCount += 1;
  }
}

export function firstImage(identity: Identity): DiskImage {
  return {
    sequence: 0,
    identity,
    acceptedEpoch: { epoch: EPOCH_ZERO, leader: 0 },
    currentEpoch: EPOCH_ZERO,
    commitMark: TXNID_ZERO,
    members: new Map(),
    log: emptyLog(LOG_START),
    checkpoint: null,
    rows: new Map(),
    damage: null,
  };
}

function flipped(batch: EntryBatch): EntryBatch {
  const bytes = batch.bytes.slice();
  const at = bytes.length - 1;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return { ...batch, bytes };
}
