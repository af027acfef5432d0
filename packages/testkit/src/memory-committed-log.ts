import {
  BatchBuilder,
  LOG_START,
  makeTxnid,
  positionOf,
  QuorateError,
  type Chain,
  type ChainHash,
  type EntryBatch,
  type LogPosition,
  type Txnid,
} from "@quorate/protocol";

/** A transaction as the state machine prepared it. */
export interface MemoryEntry {
  readonly op: number;
  readonly key: string;
  readonly content: Uint8Array;
}

let chains = 0n;
/** Different for every block, which is all that those who follow a log ask of it. */
const countingHash: ChainHash = () => (chains += 1n) as Chain;

/** The committed entries of one node without a node: what tests append is applied. */
export class MemoryCommittedLog {
  readonly #builder = new BatchBuilder(countingHash);
  #batches: EntryBatch[] = [];
  #start: LogPosition = LOG_START;
  #end: LogPosition = LOG_START;
  #epoch: number;
  #counter = 1;
  #listener: ((batches: readonly EntryBatch[]) => void) | null = null;
  /** Set to have the next reads end so. */
  readError: QuorateError | null = null;
  /** Set to hold reads back. */
  readGate: Promise<void> = Promise.resolve();
  readCount = 0;

  constructor(epoch = 1) {
    this.#epoch = epoch;
  }

  get head(): Txnid {
    return this.#end.txnid;
  }

  get oldest(): Txnid {
    return this.#start.txnid;
  }

  listen(listener: ((batches: readonly EntryBatch[]) => void) | null): void {
    this.#listener = listener;
  }

  async read(after: Txnid, bytesMax: number): Promise<readonly EntryBatch[]> {
    const upTo = this.#end.txnid;
    this.readCount += 1;
    await this.readGate;
    if (this.readError !== null) throw this.readError;
    if (after < this.#start.txnid) {
      throw new QuorateError("ERR_STORE_COMPACTED", "the log starts above");
    }
    const read: EntryBatch[] = [];
    let bytes = 0;
    for (const batch of this.#batches) {
      if (batch.last <= after || batch.last > upTo || bytes >= bytesMax) continue;
      read.push(batch);
      bytes += batch.bytes.length;
    }
    return read;
  }

  /** Another leader: txnids go on in the next epoch. */
  nextEpoch(): void {
    this.#epoch += 1;
    this.#counter = 1;
  }

  /** Applies one batch of these entries; returns its last txnid. */
  append(entries: readonly MemoryEntry[]): Txnid {
    for (const { op, key, content } of entries) this.#builder.add(1, 0n, op, key, content);
    const batch = this.#builder.finish(makeTxnid(this.#epoch, this.#counter), this.#end);
    this.#counter += batch.count;
    this.#end = positionOf(batch);
    this.#batches.push(batch);
    this.#listener?.([batch]);
    return batch.last;
  }

  /** A checkpoint lets go all batches that end at or below. */
  compact(upTo: Txnid): void {
    for (const batch of this.#batches) if (batch.last <= upTo) this.#start = positionOf(batch);
    this.#batches = this.#batches.filter((batch) => batch.last > upTo);
  }

  /** A snapshot takes the place of `count` entries that never come. */
  installSnapshot(count: number): void {
    this.#counter += count;
    this.#end = { txnid: makeTxnid(this.#epoch, this.#counter - 1), chain: countingHash(NOTHING) };
    this.#start = this.#end;
    this.#batches = [];
    this.#listener?.([]);
  }
}

const NOTHING = new Uint8Array(0);
