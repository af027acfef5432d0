import type Database from "better-sqlite3";
import { QuorateError, type StateRow } from "@quorate/protocol";
import { addToSum, rowChecksum, takeFromSum } from "./row-codec.js";
import type { RowsRef } from "./worker-messages.js";

type FullRow = readonly [key: Buffer, generation: number, value: Buffer | null, checksum: number];

/** One table of state.db: rows in layers, of which the newest up to a generation counts. */
export class StateTable {
  readonly number: number;
  readonly #put: Database.Statement;
  readonly #previous: Database.Statement;
  readonly #all: Database.Statement;
  readonly #after: Database.Statement;
  readonly #above: Database.Statement;
  readonly #removeOlder: Database.Statement;
  readonly #removeTombstone: Database.Statement;
  readonly #removeOne: Database.Statement;
  readonly #removeSome: Database.Statement;

  constructor(db: Database.Database, number: number) {
    const name = tableName(number);
    this.number = number;
    db.exec(`CREATE TABLE IF NOT EXISTS ${name} (
      key BLOB NOT NULL,
      generation INTEGER NOT NULL,
      value BLOB,
      checksum INTEGER NOT NULL,
      PRIMARY KEY (key, generation)
    ) STRICT, WITHOUT ROWID`);
    const columns = "key, generation, value, checksum";
    this.#put = db.prepare(`INSERT OR REPLACE INTO ${name} (${columns}) VALUES (?, ?, ?, ?)`);
    this.#previous = db
      .prepare(
        `SELECT checksum, value IS NULL FROM ${name}
         WHERE key = ? AND generation <= ? ORDER BY generation DESC LIMIT 1`,
      )
      .raw(true);
    const order = "ORDER BY key, generation";
    this.#all = db.prepare(`SELECT ${columns} FROM ${name} ${order}`).raw(true);
    this.#after = db.prepare(`SELECT ${columns} FROM ${name} WHERE key > ? ${order}`).raw(true);
    this.#above = db.prepare(`SELECT 1 FROM ${name} WHERE generation > ? LIMIT 1`);
    this.#removeOlder = db.prepare(`DELETE FROM ${name} WHERE key = ? AND generation < ?`);
    this.#removeOne = db.prepare(`DELETE FROM ${name} WHERE key = ? AND generation = ?`);
    this.#removeSome = db.prepare(
      `DELETE FROM ${name} WHERE (key, generation) IN
         (SELECT key, generation FROM ${name} LIMIT ?)`,
    );
    this.#removeTombstone = db.prepare(
      `DELETE FROM ${name} WHERE key = ? AND generation = ? AND value IS NULL`,
    );
  }

  /** Returns what the rows of the layer add up to after it. */
  put(at: RowsRef, { key, value }: StateRow): RowsRef {
    let { rowCount, rowSum } = at;
    const previous = this.#previous.get(key, at.generation) as [number, number] | undefined;
    if (previous !== undefined && previous[1] === 0) {
      rowCount -= 1;
      rowSum = takeFromSum(rowSum, previous[0]);
    }
    const checksum = rowChecksum(at.generation, key, value);
    this.#put.run(key, at.generation, value, checksum);
    if (value !== null) {
      rowCount += 1;
      rowSum = addToSum(rowSum, checksum);
    }
    return { ...at, rowCount, rowSum };
  }

  /** What no reader of this generation or a later one sees: older rows, and a tombstone itself. */
  sweep(key: Buffer, generation: number): void {
    this.#removeOlder.run(key, generation);
    this.#removeTombstone.run(key, generation);
  }

  remove(key: Buffer, generation: number): void {
    this.#removeOne.run(key, generation);
  }

  /** False when none is left. */
  removeSome(rowsMax: number): boolean {
    return this.#removeSome.run(rowsMax).changes > 0;
  }

  /** The rows that count at a generation, in key order, each verified. */
  *rows(generation: number, after: Uint8Array | null): Generator<StateRow> {
    for (const [key, , value] of this.#newest(generation, after)) yield { key, value };
  }

  /** The same rows by their checksums. */
  *checksums(
    generation: number,
    after: Uint8Array | null,
  ): Generator<{ readonly key: Uint8Array; readonly checksum: number }> {
    for (const [key, , , checksum] of this.#newest(generation, after)) yield { key, checksum };
  }

  /** Reads everything. Null when it is what the reference says. */
  verify(expected: RowsRef): string | null {
    let rowCount = 0;
    let rowSum = 0;
    for (const { checksum } of this.checksums(expected.generation, null)) {
      rowCount += 1;
      rowSum = addToSum(rowSum, checksum);
    }
    // They were to be removed: one left behind would become visible with a later checkpoint.
    if (this.#above.get(expected.generation) !== undefined) return "a row is of no checkpoint";
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
