import { createHash } from "node:crypto";
import {
  BatchBuilder,
  LOG_START,
  makeTxnid,
  positionOf,
  type QuorateError,
  toIdentity,
  toNodeId,
  type Chain,
  type DurableStore,
  type EntryBatch,
  type Identity,
  type LogPosition,
  type NodeId,
  type SnapshotInfo,
  type StateRow,
  type StateRows,
  type Ticket,
  type Txnid,
} from "@quorate/protocol";

/** One empty directory and the ways to open and kill the store in it. */
export interface StoreHarness {
  /** With 2000 bytes of log kept below a checkpoint. */
  open(): Promise<DurableStore>;
  /** The process of the open store dies, now. */
  crash(): Promise<void>;
  /** Closes what is open and removes the directory. */
  dispose(): Promise<void>;
}

export const RETAINED_TAIL_BYTES = 2000;

export const testHash = (block: Uint8Array): Chain =>
  createHash("sha256").update(block).digest().readBigUInt64BE(0) as Chain;

export const IDENTITY_A: Identity = toIdentity("a".repeat(32));
export const NODE_1: NodeId = toNodeId(1);

export const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value));

export function row(key: string, value: string | null): StateRow {
  return { key: text(key), value: value === null ? null : text(value) };
}

export function asText(rows: StateRows): [string, string | null][] {
  const decode = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
  return [...rows].map(({ key, value }) => [decode(key), value === null ? null : decode(value)]);
}

/** Makes batches that continue each other. */
export class History {
  readonly #builder = new BatchBuilder(testHash);
  end: LogPosition = LOG_START;
  readonly batches: EntryBatch[] = [];

  constructor(end: LogPosition = LOG_START) {
    this.end = end;
  }

  next(entryCount = 1, contentBytes = 100, epoch?: number): EntryBatch {
    const last = this.end.txnid;
    const first =
      epoch === undefined && last !== 0n ? ((last + 1n) as Txnid) : makeTxnid(epoch ?? 1, 1);
    for (let i = 0; i < entryCount; i += 1) {
      const content = new Uint8Array(contentBytes).fill(i + 1);
      this.#builder.add(1, BigInt(i), 1, `/k${String(i)}`, content);
    }
    const batch = this.#builder.finish(first, this.end);
    this.end = positionOf(batch);
    this.batches.push(batch);
    return batch;
  }

  many(batchCount: number, entryCount = 1): EntryBatch[] {
    return Array.from({ length: batchCount }, () => this.next(entryCount));
  }
}

export function snapshotInfo(position: LogPosition, digest = 7n): SnapshotInfo {
  return { position, digest, members: [[NODE_1, IDENTITY_A]] };
}

interface Waiter {
  readonly upTo: Ticket;
  resolve(): void;
  reject(error: unknown): void;
}

/** Receives a store's events and lets a test wait for them. */
export class StoreDriver {
  readonly store: DurableStore;
  readonly answers: { readonly upTo: Ticket; readonly lastLogged: LogPosition }[] = [];
  readonly failures: QuorateError[] = [];
  #persisted: Ticket = 0;
  #waiters: Waiter[] = [];

  constructor(store: DurableStore) {
    this.store = store;
    store.attach({
      onPersisted: (upTo, lastLogged) => {
        this.answers.push({ upTo, lastLogged });
        this.#persisted = upTo;
        for (const waiter of this.#waiters) if (waiter.upTo <= upTo) waiter.resolve();
        this.#waiters = this.#waiters.filter((waiter) => waiter.upTo > upTo);
      },
      onFailed: (error) => {
        this.failures.push(error);
        for (const waiter of this.#waiters) waiter.reject(error);
        this.#waiters = [];
      },
    });
  }

  get persisted(): Ticket {
    return this.#persisted;
  }

  until(upTo: Ticket): Promise<void> {
    if (upTo <= this.#persisted) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiters.push({ upTo, resolve, reject });
    });
  }

  /** Appends and waits. */
  async log(batches: readonly EntryBatch[], commitMark?: Txnid): Promise<void> {
    const last = batches.at(-1);
    if (last === undefined) throw new Error("nothing to log");
    await this.until(this.store.append(batches, commitMark ?? last.last));
  }

  /** Writes a whole checkpoint. */
  async checkpoint(info: SnapshotInfo, rows: readonly StateRow[], full = false): Promise<void> {
    const writer = this.store.beginCheckpoint(info, { full });
    await writer.write(rows);
    await writer.finish();
  }

  /** In the order of their keys. */
  async checkpointRows(): Promise<[string, string | null][]> {
    const all: StateRow[] = [];
    for await (const rows of this.store.readCheckpoint()) all.push(...rows);
    return asText(all.sort((a, b) => Buffer.compare(a.key, b.key)));
  }
}
