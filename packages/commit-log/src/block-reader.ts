import { NO_VALUE, ROW_HEADER_BYTES } from "@quorate/protocol";
import type { Block, BlockTable } from "./block-table.js";
import { copied } from "./row-codec.js";
import type { RowsRef } from "./worker-messages.js";

/** Reads on from where it is: packed rows, about so many bytes of them; empty at the end. */
export interface RowReader {
  read(bytesMax: number): ArrayBuffer;
}

/** 4 Mi bits: with 400,000 keys above the base, one in ten others shares the bit of one of them. */
const MAYBE_WORDS = 128 * 1024;
const HASHED_BYTES = 24;
const NO_WORDS = new Uint32Array(0);

const NOTHING = new ArrayBuffer(0);
const NO_ROWS = new Uint8Array(0);

/**
 * The rows of a checkpoint, each key once: newest generation first, and of an older one what no
 * newer one has. Remembers the keys of all but the oldest, which a full checkpoint bounds.
 */
export class BlockReader implements RowReader {
  readonly #table: BlockTable;
  readonly #base: number;
  /** Null: at the end. */
  #generation: number | null;
  #number = -1;
  #seen: Set<string> | null = null;
  /** A bit for each hash of a key that was seen: most keys of the oldest were not. */
  #maybeSeen = NO_WORDS;
  #isOldest: boolean;
  /** Of a block that was more than was asked for: packed rows that count. */
  #rest: Uint8Array = NO_ROWS;

  constructor(table: BlockTable, { table: base, generation }: RowsRef) {
    this.#table = table;
    this.#base = base;
    this.#generation = table.below(base, generation + 1);
    this.#isOldest = this.#isLast();
  }

  read(bytesMax: number): ArrayBuffer {
    while (this.#rest.length === 0) {
      const block = this.#next();
      if (block === null) return NOTHING;
      this.#rest = this.#isOldest && this.#seen === null ? block.bytes : this.#unseen(block);
    }
    const rows = this.#rest;
    const end = rows.length <= bytesMax ? rows.length : endOf(rows, bytesMax);
    this.#rest = rows.subarray(end);
    return copied(rows.subarray(0, end));
  }

  #next(): Block | null {
    while (this.#generation !== null) {
      const block = this.#table.next(this.#base, this.#generation, this.#number);
      if (block !== null) {
        this.#number = block.number;
        return block;
      }
      this.#generation = this.#table.below(this.#base, this.#generation);
      this.#number = -1;
      this.#isOldest = this.#isLast();
    }
    return null;
  }

  #isLast(): boolean {
    return this.#generation === null || this.#table.below(this.#base, this.#generation) === null;
  }

  /** The rows that no newer block has, moved together where they are. */
  #unseen({ bytes }: Block): Uint8Array {
    let kept = 0;
    for (let at = 0; at < bytes.length;) {
      const keyAt = at + ROW_HEADER_BYTES;
      const valueBytes = bytes.readUInt32BE(at + 4);
      const valueAt = keyAt + bytes.readUInt32BE(at);
      const end = valueBytes === NO_VALUE ? valueAt : valueAt + valueBytes;
      if (this.#isNews(bytes, keyAt, valueAt) && valueBytes !== NO_VALUE) {
        bytes.copyWithin(kept, at, end);
        kept += end - at;
      }
      at = end;
    }
    return bytes.subarray(0, kept);
  }

  #isNews(bytes: Buffer, from: number, to: number): boolean {
    if (this.#isOldest && this.#seen === null) return true;
    const hash = hashOf(bytes, from, to);
    const word = (hash >>> 5) % MAYBE_WORDS;
    const bit = 1 << (hash & 31);
    const isMaybeSeen = ((this.#maybeSeen[word] ?? 0) & bit) !== 0;
    // Behind the oldest there is nobody to ask.
    if (this.#isOldest && !isMaybeSeen) return true;
    const key = bytes.toString("latin1", from, to);
    if (isMaybeSeen && this.#seen?.has(key) === true) return false;
    if (this.#isOldest) return true;
    if (this.#seen === null) this.#maybeSeen = new Uint32Array(MAYBE_WORDS);
    (this.#seen ??= new Set()).add(key);
    this.#maybeSeen[word] = (this.#maybeSeen[word] ?? 0) | bit;
    return true;
  }
}

/** FNV-1a of the last bytes, where keys differ; no key is told from another by it alone. */
function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = (0x811c9dc5 ^ (to - from)) | 0;
  for (let at = Math.max(from, to - HASHED_BYTES); at < to; at += 1) {
    hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  }
  // Its lower bits say which bit, the upper ones which word.
  return (hash ^ (hash >>> 15)) >>> 0;
}

/** Where rows of about so many bytes end: behind one at least. */
function endOf(rows: Uint8Array, bytesMax: number): number {
  const view = new DataView(rows.buffer, rows.byteOffset, rows.length);
  let at = 0;
  while (at < rows.length && at < bytesMax) {
    const valueBytes = view.getUint32(at + 4);
    at += ROW_HEADER_BYTES + view.getUint32(at) + (valueBytes === NO_VALUE ? 0 : valueBytes);
  }
  return at;
}
