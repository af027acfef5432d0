import type Database from "better-sqlite3";
import { QuorateError, type StateRow } from "@quorate/protocol";
import type { RowReader } from "./block-reader.js";
import { addToSum, bufferOf, rowChecksum } from "./row-codec.js";
import type { RowsRef } from "./worker-messages.js";

type FullRow = readonly [key: Buffer, generation: number, value: Buffer | null, checksum: number];

const ROWS_PER_READ = 5000;

/**
 * The rows of a checkpoint as schema 1 wrote them: one to a row, in layers, of which the newest up
 * to a generation counts. They are read and removed; the next checkpoint is written in blocks.
 */
export class StateTable {
  readonly #all: Database.Statement;
  readonly #after: Database.Statement;
  readonly #removeSome: Database.Statement;

  constructor(db: Database.Database, number: number) {
    const name = tableName(number);
    const columns = "key, generation, value, checksum";
    const order = "ORDER BY key, generation";
    this.#all = db.prepare(`SELECT ${columns} FROM ${name} ${order}`).raw(true);
    this.#after = db.prepare(`SELECT ${columns} FROM ${name} WHERE key > ? ${order}`).raw(true);
    this.#removeSome = db.prepare(
      `DELETE FROM ${name} WHERE (key, generation) IN
         (SELECT key, generation FROM ${name} LIMIT ?)`,
    );
  }

  /** False when none is left. */
  removeSome(rowsMax: number): boolean {
    return this.#removeSome.run(rowsMax).changes > 0;
  }

  /** The rows that count at a generation, in key order, each verified. */
  reader({ generation }: RowsRef): RowReader {
    let after: Uint8Array | null = null;
    return {
      read: (bytesMax) => {
        const rows: StateRow[] = [];
        let bytes = 0;
        for (const [key, , value] of this.#newest(generation, after)) {
          rows.push({ key, value });
          after = key;
          bytes += key.length + (value?.length ?? 0);
          if (bytes >= bytesMax) break;
        }
        return bufferOf(rows);
      },
    };
  }

  /** Reads everything, in short transactions. Null when it is what the reference says. */
  verify(expected: RowsRef): string | null {
    let after: Uint8Array | null = null;
    let rowCount = 0;
    let rowSum = 0;
    for (;;) {
      let read = 0;
      for (const [key, , , checksum] of this.#newest(expected.generation, after)) {
        after = key;
        rowSum = addToSum(rowSum, checksum);
        read += 1;
        if (read === ROWS_PER_READ) break;
      }
      rowCount += read;
      if (read < ROWS_PER_READ) break;
    }
    const isWhole = rowCount === expected.rowCount && rowSum === expected.rowSum;
    return isWhole ? null : "rows of the checkpoint are missing";
  }

  *#newest(generation: number, after: Uint8Array | null): Generator<FullRow> {
    const all = after === null ? this.#all.iterate() : this.#after.iterate(after);
    let newest: FullRow | null = null;
    for (const row of all as IterableIterator<FullRow>) {
      if (newest !== null && !newest[0].equals(row[0])) {
        if (newest[2] !== null) yield newest;
        newest = null;
      }
      if (row[1] > generation) continue;
      if (rowChecksum(row[1], row[0], row[2]) !== row[3]) {
        throw new QuorateError("ERR_STORE_DAMAGED", "a checkpoint row fails its checksum");
      }
      newest = row;
    }
    if (newest !== null && newest[2] !== null) yield newest;
  }
}

export function tableName(number: number): string {
  return `rows_${String(number)}`;
}

/** The numbers of all tables of rows. */
export function tableNumbers(db: Database.Database): number[] {
  const names = db
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'rows_[0-9]*'")
    .pluck()
    .all() as string[];
  return names.map((name) => Number(name.slice("rows_".length)));
}
