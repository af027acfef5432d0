import { QuorateError } from "./errors.js";
import { assert } from "./assert.js";
import { BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, TXN_COUNTER_MAX } from "./limits.js";
import { writeText } from "./text.js";
import { advanceTxnid, counterOf, TXNID_ZERO, toTxnid, type Txnid } from "./txnid.js";

/**
 * The unit of replication is the batch (ADR 0002): the leader of an epoch forms it once, and
 * every node stores, sends and verifies the very same bytes. Logs are therefore sequences of
 * identical blocks, every durable or committed position is a batch boundary, and whatever would
 * cost once per message costs once per batch.
 *
 * Block, big-endian:
 *   u8 format (1) | u8 0 | u16 0 | u32 count | u64 previous chain | u64 first txnid | entries
 * Entry:
 *   u8 op | u8 origin | u16 0 | u32 key bytes | u32 content bytes | u64 request id | key | content
 * The chain of a batch is a hash over its whole block, so it covers the previous chain, hence
 * the entire history up to the batch.
 */

declare const chainBrand: unique symbol;

/** A 64-bit checksum over all history up to and including a batch. 0 before the first. */
export type Chain = bigint & { readonly [chainBrand]: true };
export const CHAIN_ZERO = 0n as Chain;

/** Hashes a block: the first 8 bytes of its SHA-256, big-endian. Supplied by the composition. */
export type ChainHash = (block: Uint8Array) => Chain;

/** A point in a log: the last txnid of a batch and the chain there. */
export interface LogPosition {
  readonly txnid: Txnid;
  readonly chain: Chain;
}

export const LOG_START: LogPosition = { txnid: TXNID_ZERO, chain: CHAIN_ZERO };

/** One logged transaction. `key` is a path for znode operations. */
export interface LogEntryMsg {
  readonly txnid: Txnid;
  /** The node whose client asked; "0" for entries that the ensemble writes itself. */
  readonly fid: string;
  /** The request's number at its origin; 0 when nobody waits. */
  readonly reqId: bigint;
  readonly op: number;
  readonly key: string;
  readonly content: Uint8Array;
}

/** A logged, unacknowledged entry; the same record as the entry that it becomes. */
export type ProposalMsg = LogEntryMsg;

export interface EntryBatch {
  readonly first: Txnid;
  readonly last: Txnid;
  readonly count: number;
  readonly previousChain: Chain;
  readonly chain: Chain;
  /** The leader's exact bytes. Never changed after creation. */
  readonly bytes: Uint8Array;
}

const FORMAT = 1;
const HEADER_BYTES = 24;
const ENTRY_HEADER_BYTES = 20;
const INITIAL_BYTES = 4096;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const fids: readonly string[] = Array.from({ length: 256 }, (_, id) => String(id));

export function positionOf(batch: EntryBatch): LogPosition {
  return { txnid: batch.last, chain: batch.chain };
}

/** Gathers prepared entries into one block. One builder serves many batches in turn. */
export class BatchBuilder {
  readonly #hash: ChainHash;
  #bytes = new Uint8Array(INITIAL_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #used = HEADER_BYTES;
  #count = 0;

  constructor(hash: ChainHash) {
    this.#hash = hash;
  }

  get count(): number {
    return this.#count;
  }

  get byteLength(): number {
    return this.#used;
  }

  add(origin: number, reqId: bigint, op: number, key: string, content: Uint8Array): void {
    // A UTF-16 unit takes at most three bytes of UTF-8.
    this.#reserve(ENTRY_HEADER_BYTES + key.length * 3 + content.length);
    const at = this.#used;
    const keyAt = at + ENTRY_HEADER_BYTES;
    const keyBytes = writeText(key, this.#bytes, keyAt);
    this.#view.setUint8(at, op);
    this.#view.setUint8(at + 1, origin);
    this.#view.setUint16(at + 2, 0);
    this.#view.setUint32(at + 4, keyBytes);
    this.#view.setUint32(at + 8, content.length);
    this.#view.setBigUint64(at + 12, reqId);
    this.#bytes.set(content, keyAt + keyBytes);
    this.#used = keyAt + keyBytes + content.length;
    this.#count += 1;
  }

  /** Closes the batch after `previous` and starts the next one. */
  finish(first: Txnid, previous: LogPosition): EntryBatch {
    assert(this.#count > 0, "a batch has at least one entry");
    assert(first > previous.txnid, "a batch follows the entry before it", { first, previous });
    const bytes = this.#bytes.slice(0, this.#used);
    const view = new DataView(bytes.buffer);
    view.setUint8(0, FORMAT);
    view.setUint32(4, this.#count);
    view.setBigUint64(8, previous.chain);
    view.setBigUint64(16, first);
    const batch: EntryBatch = {
      first,
      last: advanceTxnid(first, this.#count - 1),
      count: this.#count,
      previousChain: previous.chain,
      chain: this.#hash(bytes),
      bytes,
    };
    this.discard();
    return batch;
  }

  /** Forgets what was added. */
  discard(): void {
    this.#used = HEADER_BYTES;
    this.#count = 0;
  }

  #reserve(extra: number): void {
    if (this.#used + extra <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#used + extra));
    grown.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/**
 * Reads and verifies a block that came from a peer or a disk. The result keeps `bytes`, without a
 * copy. After this, {@link entriesOf} cannot fail.
 * @throws ERR_PROTOCOL_DECODE when any length, count or number is impossible.
 */
export function parseBatch(bytes: Uint8Array, hash: ChainHash): EntryBatch {
  if (bytes.length < HEADER_BYTES + ENTRY_HEADER_BYTES || bytes.length > BATCH_BYTES_MAX) {
    throw malformed("length", { bytes: bytes.length });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) !== FORMAT << 24) throw malformed("format", { format: view.getUint32(0) });
  const count = view.getUint32(4);
  const first = toTxnid(view.getBigUint64(16));
  const counter = counterOf(first);
  if (count === 0 || count > BATCH_ENTRIES_MAX) throw malformed("count", { count });
  if (counter === 0 || counter + count - 1 > TXN_COUNTER_MAX) throw malformed("txnid", { counter });
  let at = HEADER_BYTES;
  for (let i = 0; i < count; i += 1) {
    if (at + ENTRY_HEADER_BYTES > bytes.length) throw malformed("entry header", { entry: i });
    at += ENTRY_HEADER_BYTES + view.getUint32(at + 4) + view.getUint32(at + 8);
  }
  if (at !== bytes.length) throw malformed("entries", { read: at, bytes: bytes.length });
  return {
    first,
    last: advanceTxnid(first, count - 1),
    count,
    previousChain: view.getBigUint64(8) as Chain,
    chain: hash(bytes),
    bytes,
  };
}

/** The entries of a batch. Contents are views into the block: copy what must outlive it. */
export function entriesOf(batch: EntryBatch): LogEntryMsg[] {
  const { bytes, count } = batch;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries = new Array<LogEntryMsg>(count);
  let at = HEADER_BYTES;
  for (let i = 0; i < count; i += 1) {
    const keyAt = at + ENTRY_HEADER_BYTES;
    const contentAt = keyAt + view.getUint32(at + 4);
    const end = contentAt + view.getUint32(at + 8);
    entries[i] = {
      txnid: (batch.first + BigInt(i)) as Txnid,
      fid: fids[view.getUint8(at + 1)] ?? "0",
      reqId: view.getBigUint64(at + 12),
      op: view.getUint8(at),
      key: decoder.decode(bytes.subarray(keyAt, contentAt)),
      content: bytes.subarray(contentAt, end),
    };
    at = end;
  }
  return entries;
}

/** Whether `batch` may stand directly behind `position` in a log. */
export function followsPosition(batch: EntryBatch, position: LogPosition): boolean {
  if (batch.previousChain !== position.chain) return false;
  return batch.first === position.txnid + 1n
    ? counterOf(batch.first) !== 0
    : counterOf(batch.first) === 1 && batch.first > position.txnid;
}

function malformed(what: string, details: Record<string, unknown>): QuorateError {
  return new QuorateError("ERR_PROTOCOL_DECODE", `malformed batch: ${what}`, { details });
}
