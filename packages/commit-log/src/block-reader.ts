import type { StateRow } from "@quorate/protocol";
import type { Block, BlockTable } from "./block-table.js";
import { packRows, unpackRows } from "./row-codec.js";
import type { RowsRef } from "./worker-messages.js";

/** Reads on from where it is: packed rows, about so many bytes of them; empty at the end. */
export interface RowReader {
  read(bytesMax: number): ArrayBuffer;
}

const NOTHING = new ArrayBuffer(0);

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
  #isOldest: boolean;
  /** Of a block that was more than was asked for. */
  #rest: StateRow[] = [];

  constructor(table: BlockTable, { table: base, generation }: RowsRef) {
    this.#table = table;
    this.#base = base;
    this.#generation = table.below(base, generation + 1);
    this.#isOldest = this.#isLast();
  }

  read(bytesMax: number): ArrayBuffer {
    for (;;) {
      if (this.#rest.length > 0) return this.#taken(bytesMax);
      const block = this.#next();
      if (block === null) return NOTHING;
      const isWhole = block.bytes.length <= bytesMax;
      if (isWhole && this.#isOldest && this.#seen === null) return copied(block.bytes);
      this.#rest = this.#unseen(block);
      if (isWhole && this.#rest.length > 0) {
        const rows = this.#rest;
        this.#rest = [];
        return packRows(rows);
      }
    }
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

  #unseen({ bytes }: Block): StateRow[] {
    const rows = unpackRows(copied(bytes));
    const seen = this.#seen;
    const kept: StateRow[] = [];
    for (const row of rows) {
      if (this.#isOldest) {
        if (row.value !== null && seen?.has(textOf(row.key)) !== true) kept.push(row);
        continue;
      }
      const key = textOf(row.key);
      this.#seen ??= new Set();
      if (this.#seen.has(key)) continue;
      this.#seen.add(key);
      if (row.value !== null) kept.push(row);
    }
    return kept;
  }

  #taken(bytesMax: number): ArrayBuffer {
    let bytes = 0;
    let count = 0;
    while (count < this.#rest.length && bytes < bytesMax) {
      const row = this.#rest[count];
      bytes += (row?.key.length ?? 0) + (row?.value?.length ?? 0);
      count += 1;
    }
    return packRows(this.#rest.splice(0, count));
  }
}

/** One character per byte, hence another text for other bytes. */
function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString("latin1");
}

/** In memory of its own, which can be handed to another thread. */
function copied(bytes: Uint8Array): ArrayBuffer {
  const copy = new ArrayBuffer(bytes.length);
  new Uint8Array(copy).set(bytes);
  return copy;
}
