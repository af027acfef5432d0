import {
  assert,
  maxTxnid,
  minTxnid,
  QuorateError,
  TXNID_ZERO,
  type AcceptedEpoch,
  type CheckpointWriter,
  type DurableStore,
  type EntryBatch,
  type Epoch,
  type IdentityTable,
  type LogPosition,
  type RecoveredState,
  type SnapshotInfo,
  type SnapshotSource,
  type StagedSnapshot,
  type StateRows as PortRows,
  type StoreEvents,
  type Ticket,
  type Timer,
  type Txnid,
} from "@quorate/protocol";
import {
  appendTo,
  boundaryAt,
  compactLog,
  endOf,
  indexAfter,
  isBoundary,
  truncateLog,
} from "./log-slice.js";
import type { DiskImage, DiskUser, MemoryDisk, StateRows } from "./memory-disk.js";
import { recoveredOf, recoverImage, readmitted } from "./memory-recovery.js";
import {
  isFullDue,
  MemoryCheckpoint,
  MemorySnapshot,
  MemoryStaged,
  sortedRows,
} from "./memory-rows.js";
import type { MemoryStoreOptions } from "./memory-store-options.js";

export type { MemoryStoreOptions };

interface Transaction {
  readonly image: DiskImage;
  readonly upTo: Ticket;
  readonly timer: Timer;
}

interface Waiter {
  readonly upTo: Ticket;
  resolve(): void;
  reject(error: QuorateError): void;
}

const RETAINED_TAIL_BYTES = 1024 * 1024;
const DISK_TIMEOUT_MS = 5000;
const ROWS_BYTES_PER_READ = 256 * 1024;
/** The ticket of a write after a failure or a close: nothing answers it. */
const NEVER: Ticket = Number.MAX_SAFE_INTEGER;

/**
 * Opens the disk's store, like {@link OpenStore} of the real one: verified, and under a new
 * identity if what it should hold is gone. Resolves after one latency of virtual time.
 * @throws (rejects) ERR_STORE_LOCKED while another store is open on this disk.
 */
export async function openMemoryStore(
  disk: MemoryDisk,
  options: MemoryStoreOptions,
): Promise<DurableStore> {
  const store = MemoryStore.acquire(disk, options);
  await store.wait(options.latencyMs());
  return store;
}

class MemoryStore implements DurableStore, DiskUser {
  readonly recovered: RecoveredState;
  readonly #disk: MemoryDisk;
  readonly #options: MemoryStoreOptions;
  /** As of the last write. */
  #view: DiskImage;
  /** As of the last transaction that ended well. */
  #durable: DiskImage;
  /** The view after each write that no transaction has taken yet. */
  #waiting: { readonly ticket: Ticket; readonly image: DiskImage }[] = [];
  #lastTicket: Ticket = 0;
  #persisted: Ticket = 0;
  #status: "open" | "closing" | "failed" | "closed" | "crashed" = "open";
  #failure: QuorateError | null = null;
  #events: StoreEvents | null = null;
  #gathering = false;
  #transaction: Transaction | null = null;
  #waiters: Waiter[] = [];
  #staged: MemoryStaged | null = null;
  #checkpoint: MemoryCheckpoint | null = null;
  /** A finished checkpoint on its way to the disk, and with it the log below it. */
  #landing: Promise<void> | null = null;
  readonly #pins = new Set<LogPosition>();
  #closed: Promise<void> | null = null;

  static acquire(disk: MemoryDisk, options: MemoryStoreOptions): MemoryStore {
    if (disk.isOpen) throw new QuorateError("ERR_STORE_LOCKED", "the store is open elsewhere");
    const store = new MemoryStore(disk, options);
    disk.acquire(store);
    return store;
  }

  private constructor(disk: MemoryDisk, options: MemoryStoreOptions) {
    this.#disk = disk;
    this.#options = options;
    this.#durable = recoverImage(disk, options.chainHash, options.random);
    this.#view = this.#durable;
    this.recovered = recoveredOf(this.#durable);
  }

  get logStart(): LogPosition {
    return this.#durable.log.start;
  }

  get isFullCheckpointDue(): boolean {
    return isFullDue(this.#view.checkpoint);
  }

  attach(events: StoreEvents): void {
    assert(this.#events === null, "a store has one receiver of its events");
    this.#events = events;
  }

  append(batches: readonly EntryBatch[], commitMark: Txnid): Ticket {
    return this.#write((image) => {
      const log = appendTo(image.log, batches);
      assert(commitMark <= endOf(log).txnid, "the commit mark lies within the log", { commitMark });
      return { ...image, log, commitMark: maxTxnid(image.commitMark, commitMark) };
    });
  }

  setAcceptedEpoch(accepted: AcceptedEpoch): Ticket {
    return this.#write((image) => {
      const old = image.acceptedEpoch;
      const again = accepted.epoch === old.epoch && accepted.leader === old.leader;
      assert(again || accepted.epoch > old.epoch, "an accepted epoch is promised once", {
        old,
        accepted,
      });
      return { ...image, acceptedEpoch: accepted };
    });
  }

  setCurrentEpoch(epoch: Epoch): Ticket {
    return this.#write((image) => {
      assert(epoch >= image.currentEpoch, "the current epoch never goes back", { epoch });
      return { ...image, currentEpoch: epoch };
    });
  }

  setIdentityTable(members: IdentityTable): Ticket {
    return this.#write((image) => readmitted({ ...image, members: new Map(members) }));
  }

  truncateAfter(position: LogPosition): Ticket {
    return this.#write((image) => {
      assert(position.txnid >= image.commitMark, "a truncation spares what is committed", {
        position,
        commitMark: image.commitMark,
      });
      return { ...image, log: truncateLog(image.log, position) };
    });
  }

  stageSnapshot(info: SnapshotInfo): StagedSnapshot {
    this.#staged = new MemoryStaged(info, () => this.#write((image) => image));
    return this.#staged;
  }

  installSnapshot(staged: StagedSnapshot): Ticket {
    const stage = this.#stageOf(staged);
    this.#staged = null;
    const { info, log, rows } = stage.take();
    this.#checkpoint?.supersede();
    this.#checkpoint = null;
    return this.#write((image) => {
      const mark = minTxnid(image.commitMark, endOf(log).txnid);
      return readmitted({
        ...image,
        log,
        rows,
        members: new Map(info.members),
        checkpoint: { ...info, generation: (image.checkpoint?.generation ?? 0) + 1 },
        commitMark: maxTxnid(mark, info.position.txnid),
      });
    });
  }

  discardStaged(staged: StagedSnapshot): Ticket {
    if (this.#staged === staged) {
      this.#staged.take();
      this.#staged = null;
    }
    return this.#write((image) => image);
  }

  async findPosition(atOrBelow: Txnid): Promise<LogPosition | null> {
    const found = boundaryAt(this.#view.log, atOrBelow);
    await this.#readPause();
    return found;
  }

  async readBatches(after: Txnid, upTo: Txnid, bytesMax: number): Promise<readonly EntryBatch[]> {
    await this.#untilDurable(upTo);
    await this.#readPause();
    const { log } = this.#durable;
    if (log.start.txnid > after) {
      throw new QuorateError("ERR_STORE_COMPACTED", "the log starts above the entries asked for", {
        details: { after, start: log.start.txnid },
      });
    }
    const batches: EntryBatch[] = [];
    let bytes = 0;
    for (let i = indexAfter(log, after); i < log.to && bytes < bytesMax; i += 1) {
      const batch = log.items[i];
      if (batch === undefined || batch.last > upTo) break;
      batches.push(batch);
      bytes += batch.bytes.length;
    }
    return batches;
  }

  async *readCheckpoint(): AsyncIterable<PortRows> {
    const source = await this.openSnapshot();
    if (source === null) return;
    try {
      for (;;) {
        const rows = await source.read(ROWS_BYTES_PER_READ);
        if (rows.length === 0) return;
        yield rows;
      }
    } finally {
      source.close();
    }
  }

  async openSnapshot(): Promise<SnapshotSource | null> {
    this.#throwIfEnded();
    await this.#landing;
    const { checkpoint, rows } = this.#durable;
    if (checkpoint === null) return null;
    const { position, digest, members } = checkpoint;
    // Pinned before the pause: a checkpoint that ends meanwhile must not take the log away.
    const pin = { ...position };
    this.#pins.add(pin);
    await this.#readPause();
    return new MemorySnapshot({ position, digest, members }, sortedRows(rows), {
      bytesMax: this.#options.rowBytesPerRead ?? Infinity,
      pause: () => this.#readPause(),
      close: () => this.#pins.delete(pin),
    });
  }

  beginCheckpoint(info: SnapshotInfo, options: { readonly full: boolean }): CheckpointWriter {
    assert(this.#checkpoint === null, "one checkpoint is written at a time");
    assert(isBoundary(this.#durable.log, info.position), "a checkpoint stands in the durable log", {
      position: info.position,
    });
    const previous = this.#view.checkpoint?.position.txnid ?? TXNID_ZERO;
    assert(info.position.txnid >= previous, "checkpoints rise", { previous, info });
    const base: StateRows = options.full ? new Map() : this.#view.rows;
    const writer: MemoryCheckpoint = new MemoryCheckpoint(info, base, {
      pause: async () => {
        await this.#pause(this.#options.latencyMs());
        this.#disk.takeRoomForRows();
      },
      finish: (rows) => this.#finishCheckpoint(writer, rows),
      ended: () => {
        if (this.#checkpoint === writer) this.#checkpoint = null;
      },
    });
    this.#checkpoint = writer;
    return writer;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** @internal DiskUser: the machine died. */
  crash(): DiskImage | null {
    const transaction = this.#transaction;
    this.#status = "crashed";
    this.#transaction = null;
    this.#waiters = [];
    if (transaction === null) return null;
    transaction.timer.cancel();
    return this.#options.random.next() < 0.5 ? transaction.image : null;
  }

  /** @internal Virtual time passes; for ever if the machine dies meanwhile. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#options.clock.setTimer(ms, () => {
        if (this.#status !== "crashed") resolve();
      });
    });
  }

  // ---- transactions ----

  #write(change: (image: DiskImage) => DiskImage): Ticket {
    assert(this.#events !== null, "a store is attached before its first write");
    if (this.#status !== "open") return NEVER;
    this.#view = change(this.#view);
    this.#lastTicket += 1;
    this.#waiting.push({ ticket: this.#lastTicket, image: this.#view });
    this.#gather();
    return this.#lastTicket;
  }

  /** What is written in this turn, or while a transaction is on its way, may share the next one. */
  #gather(): void {
    if (this.#gathering || this.#transaction !== null || !this.#isAlive()) return;
    if (this.#waiting.length === 0) return;
    this.#gathering = true;
    this.#options.clock.defer(() => {
      this.#gathering = false;
      if (!this.#isAlive()) return;
      const count = this.#options.takeWrites?.(this.#waiting.length) ?? this.#waiting.length;
      const last = this.#waiting.splice(0, count).at(-1);
      assert(last !== undefined, "a transaction takes at least one write", { count });
      this.#transaction = {
        image: { ...last.image, sequence: this.#durable.sequence + 1 },
        upTo: last.ticket,
        timer: this.#options.clock.setTimer(this.#options.latencyMs(), () => this.#finish()),
      };
    });
  }

  #finish(): void {
    const transaction = this.#transaction;
    if (transaction === null) return;
    this.#transaction = null;
    const { image, upTo } = transaction;
    const failure = this.#disk.takeFailure();
    if (failure !== null) {
      const landed = failure === "io" && this.#options.random.next() < 0.5;
      if (landed) this.#disk.commit(image, { highWater: false });
      this.#fail(
        failure === "full"
          ? this.#disk.fullError()
          : new QuorateError("ERR_STORE_IO", "the disk failed; the outcome is unknown"),
      );
      return;
    }
    this.#disk.commit(image, { highWater: true });
    this.#durable = image;
    this.#persisted = upTo;
    const ready = this.#waiters.filter((waiter) => waiter.upTo <= upTo);
    this.#waiters = this.#waiters.filter((waiter) => waiter.upTo > upTo);
    for (const waiter of ready) waiter.resolve();
    this.#events?.onPersisted(upTo, endOf(image.log));
    this.#gather();
  }

  #fail(error: QuorateError): void {
    this.#status = "failed";
    this.#failure = error;
    this.#rejectWaiters(error);
    this.#events?.onFailed(error);
  }

  #rejectWaiters(error: QuorateError): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.reject(error);
  }

  async #finishCheckpoint(writer: MemoryCheckpoint, rows: StateRows): Promise<void> {
    const ticket = this.#write((image) => {
      const { info } = writer;
      let lowest = info.position;
      for (const pin of this.#pins) if (pin.txnid < lowest.txnid) lowest = pin;
      const tailBytes = this.#options.retainedTailBytes ?? RETAINED_TAIL_BYTES;
      return {
        ...image,
        rows,
        checkpoint: { ...info, generation: (image.checkpoint?.generation ?? 0) + 1 },
        log: compactLog(image.log, lowest, tailBytes),
      };
    });
    this.#landing = this.#untilPersisted(ticket);
    await this.#landing;
    this.#landing = null;
  }

  // ---- waiting ----

  #isAlive(): boolean {
    return this.#status === "open" || this.#status === "closing";
  }

  #throwIfEnded(): void {
    if (this.#status === "open") return;
    throw this.#failure ?? new QuorateError("ERR_STORE_CLOSED", "the store is closed");
  }

  #untilPersisted(upTo: Ticket): Promise<void> {
    if (upTo <= this.#persisted) return Promise.resolve();
    return new Promise((resolve, reject) => {
      if (!this.#isAlive() || upTo === NEVER) {
        reject(this.#failure ?? new QuorateError("ERR_STORE_CLOSED", "the store is closed"));
        return;
      }
      this.#waiters.push({ upTo, resolve, reject });
    });
  }

  #untilDurable(txnid: Txnid): Promise<void> {
    const isDurable = endOf(this.#durable.log).txnid >= txnid;
    return isDurable ? Promise.resolve() : this.#untilPersisted(this.#lastTicket);
  }

  async #pause(ms: number): Promise<void> {
    this.#throwIfEnded();
    await this.wait(ms);
    this.#throwIfEnded();
  }

  #readPause(): Promise<void> {
    return this.#pause(this.#options.readLatencyMs?.() ?? 0);
  }

  #stageOf(staged: StagedSnapshot): MemoryStaged {
    assert(this.#staged !== null && this.#staged === staged, "the snapshot is the one staged");
    return this.#staged;
  }

  async #close(): Promise<void> {
    const { clock, diskTimeoutMs } = this.#options;
    if (this.#status === "open") {
      this.#status = "closing";
      await new Promise<void>((resolve) => {
        const timer = clock.setTimer(diskTimeoutMs ?? DISK_TIMEOUT_MS, () => {
          this.#rejectWaiters(new QuorateError("ERR_STORE_TIMEOUT", "the disk did not answer"));
          this.#disk.crash();
          resolve();
        });
        const done = (): void => {
          timer.cancel();
          resolve();
        };
        this.#untilPersisted(this.#lastTicket).then(done, done);
      });
    }
    if (this.#status !== "crashed") this.#status = "closed";
    this.#disk.release(this);
  }
}
