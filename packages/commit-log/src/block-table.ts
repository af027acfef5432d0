import { crc32 } from "node:zlib";
import type Database from "better-sqlite3";
import { QuorateError } from "@quorate/protocol";
import { addToSum } from "./row-codec.js";
import type { RowsRef } from "./worker-messages.js";

/** Packed rows (see row-codec.ts) as they were handed over, and where they stand. */
export interface Block {
  readonly generation: number;
  readonly number: number;
  readonly bytes: Buffer;
}

interface BlockRow {
  readonly generation: number;
  readonly number: number;
  readonly rows: number;
  readonly checksum: number;
  readonly bytes: Buffer;
}

/** Rows of the checkpoint's first generation, and of those above it. */
export interface Weight {
  readonly base: number;
  readonly layers: number;
  readonly generations: number;
}

const COLUMNS = "generation, number, rows, checksum, bytes";

/**
 * The rows of checkpoints and snapshots, many to a block. A `base` is a set of generations: the
 * first holds all rows, each later one those that changed, and of a key the newest counts.
 */
export class BlockTable {
  readonly #put: Database.Statement;
  readonly #nextOf: Database.Statement;
  readonly #newestBelow: Database.Statement;
  readonly #bases: Database.Statement;
  readonly #weights: Database.Statement;
  readonly #removeAbove: Database.Statement;
  readonly #removeSome: Database.Statement;
  readonly #above: Database.Statement;

  constructor(db: Database.Database) {
    this.#put = db.prepare(`INSERT INTO blocks (base, ${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)`);
    const one = `SELECT ${COLUMNS} FROM blocks WHERE base = ? AND generation`;
    this.#nextOf = db.prepare(`${one} = ? AND number > ? ORDER BY number LIMIT 1`);
    this.#newestBelow = db
      .prepare("SELECT max(generation) FROM blocks WHERE base = ? AND generation < ?")
      .pluck();
    this.#bases = db.prepare("SELECT DISTINCT base FROM blocks").pluck();
    this.#weights = db
      .prepare(
        `SELECT generation, sum(rows) FROM blocks WHERE base = ? AND generation <= ?
         GROUP BY generation ORDER BY generation`,
      )
      .raw(true);
    this.#removeAbove = db.prepare("DELETE FROM blocks WHERE base = ? AND generation > ?");
    this.#above = db.prepare("SELECT 1 FROM blocks WHERE base = ? AND generation > ? LIMIT 1");
    this.#removeSome = db.prepare(
      "DELETE FROM blocks WHERE rowid IN (SELECT rowid FROM blocks WHERE base = ? LIMIT ?)",
    );
  }

  /** @returns what the generations up to this one add up to after it. */
  put(at: RowsRef, number: number, rows: number, bytes: Uint8Array): RowsRef {
    const checksum = checksumOf(at.generation, number, rows, bytes);
    this.#put.run(at.table, at.generation, number, rows, checksum, bytes);
    return {
      ...at,
      rowCount: at.rowCount + rows,
      rowSum: addToSum(at.rowSum, checksum),
    };
  }

  /**
   * The next block of that generation behind the given one, or null.
   * @throws ERR_STORE_DAMAGED when it is not what was written.
   */
  next(base: number, generation: number, after: number): Block | null {
    return this.#next(base, generation, after);
  }

  /** The next older generation, or null. */
  below(base: number, generation: number): number | null {
    return this.#newestBelow.get(base, generation) as number | null;
  }

  bases(): number[] {
    return this.#bases.all() as number[];
  }

  weight({ table, generation }: RowsRef): Weight {
    const [first, ...others] = this.#weights.all(table, generation) as [number, number][];
    const layers = others.reduce((sum, [, rows]) => sum + rows, 0);
    return { base: first?.[1] ?? 0, layers, generations: others.length + 1 };
  }

  /** Reads everything, a block at a time. Null when it is what the reference says. */
  verify({ table, generation, rowCount, rowSum }: RowsRef): string | null {
    let count = 0;
    let sum = 0;
    for (let at = this.below(table, generation + 1); at !== null; at = this.below(table, at)) {
      let block = this.#next(table, at, -1);
      for (; block !== null; block = this.#next(table, at, block.number)) {
        count += block.rows;
        sum = addToSum(sum, block.checksum);
      }
    }
    return count === rowCount && sum === rowSum ? null : "rows of the checkpoint are missing";
  }

  hasAbove(base: number, generation: number): boolean {
    return this.#above.get(base, generation) !== undefined;
  }

  removeAbove(base: number, generation: number): void {
    this.#removeAbove.run(base, generation);
  }

  /** False when none is left. */
  removeSome(base: number, blocksMax: number): boolean {
    return this.#removeSome.run(base, blocksMax).changes > 0;
  }

  #next(base: number, generation: number, after: number): BlockRow | null {
    const row = this.#nextOf.get(base, generation, after) as BlockRow | undefined;
    if (row === undefined) return null;
    if (checksumOf(row.generation, row.number, row.rows, row.bytes) !== row.checksum) {
      throw new QuorateError("ERR_STORE_DAMAGED", "rows of a checkpoint fail their checksum");
    }
    return row;
  }
}

/** Covers where the block stands as well: one in the wrong place is a damaged one. */
function checksumOf(generation: number, number: number, rows: number, bytes: Uint8Array): number {
  const header = Buffer.alloc(16);
  header.writeBigUInt64BE(BigInt(generation), 0);
  header.writeUInt32BE(number, 8);
  header.writeUInt32BE(rows, 12);
  return crc32(bytes, crc32(header));
}
