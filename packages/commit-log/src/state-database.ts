import { join } from "node:path";
import Database from "better-sqlite3";
import { assert, type StateRow } from "@quorate/protocol";
import { migrate, type Migrations } from "./migrations.js";
import { checkStructure, configure, SCHEMA } from "./schema.js";
import { StateTable, tableName, tableNumbers } from "./state-table.js";
import { STATE_FILE } from "./store-files.js";
import type { RowsRef } from "./worker-messages.js";

/** Rows of checkpoints and snapshots being written, and of those that are read. */

interface Layer {
  readonly table: StateTable;
  /** It has the table for itself: dropping the table drops it. */
  readonly isBase: boolean;
  rows: RowsRef;
}

type Touched = readonly [generation: number, key: Buffer];

const ROWS_PER_STEP = 500;
/** Their values may be large, and the pages of each are walked. */
const UNUSED_ROWS_PER_STEP = 64;
const BUSY_TIMEOUT_MS = 5000;
const NO_ROWS: RowsRef = { table: 0, generation: 0, rowCount: 0, rowSum: 0 };

export class StateDatabase {
  readonly #db: Database.Database;
  readonly #touch: Database.Statement;
  readonly #touchedUpTo: Database.Statement;
  readonly #touchedIn: Database.Statement;
  readonly #untouch: Database.Statement;
  readonly #tables = new Map<number, StateTable>();
  readonly #pins = new Map<number, RowsRef>();
  #current: RowsRef;
  #nextTable: number;
  #nextGeneration: number;
  #checkpoint: Layer | null = null;
  /** Why the last one could not begin: what was to be written is on its way, and meets the same. */
  #refusal: Error | null = null;
  #staged: Layer | null = null;
  /** Handed to log.db and not yet named by it. */
  #installing: Layer | null = null;
  readonly #walBytesMax: number;
  #walBytes = 0;

  /**
   * Removes what would become visible with the next checkpoint; the rest of what belongs to no
   * finished one is for `sweep`.
   * @param walBytesMax bytes of WAL at which it is written back, between two chunks.
   */
  constructor(
    directory: string,
    current: RowsRef | null,
    walBytesMax: number,
    migrations: Migrations = SCHEMA.state,
  ) {
    const db = openDatabase(directory, migrations);
    this.#db = db;
    this.#walBytesMax = walBytesMax;
    this.#current = current ?? NO_ROWS;
    this.#touch = db.prepare("INSERT OR IGNORE INTO touched (generation, key) VALUES (?, ?)");
    const select = "SELECT generation, key FROM touched WHERE generation";
    this.#touchedUpTo = db.prepare(`${select} <= ? LIMIT ?`).raw(true);
    this.#touchedIn = db.prepare(`${select} = ? LIMIT ?`).raw(true);
    this.#untouch = db.prepare("DELETE FROM touched WHERE generation = ? AND key = ?");
    const tables = tableNumbers(db);
    this.#nextTable = Math.max(this.#current.table, ...tables) + 1;
    this.#nextGeneration = this.#current.generation + 1;
    if (this.#current.table === 0) db.exec("DELETE FROM touched");
    else this.#forgetUnfinished();
  }

  /** Reads all current rows. Null when they are as log.db says. */
  verify(): string | null {
    if (this.#current.table === 0) return null;
    const exists = tableNumbers(this.#db).includes(this.#current.table);
    return exists
      ? this.#table(this.#current.table).verify(this.#current)
      : "the checkpoint's rows are gone";
  }

  begin(isFull: boolean): void {
    assert(this.#checkpoint === null, "one checkpoint is written at a time");
    this.#refusal = null;
    try {
      const isBase = isFull || this.#current.table === 0;
      this.#checkpoint = isBase ? this.#newBase() : this.#newLayer();
    } catch (error) {
      if (error instanceof Error) this.#refusal = error;
      throw error;
    }
  }

  write(rows: readonly StateRow[]): void {
    this.#writeTo(this.#begun(), rows);
  }

  finish(): RowsRef {
    const { rows } = this.#begun();
    this.#sync();
    return rows;
  }

  /** Removing needs room as well: what cannot be removed now goes before the next one begins. */
  discard(): void {
    const layer = this.#checkpoint;
    this.#checkpoint = null;
    if (layer !== null && !layer.isBase) this.#forget(layer.rows.generation);
  }

  stage(): void {
    this.dropStage();
    this.#staged = this.#newBase();
  }

  stageWrite(rows: readonly StateRow[]): void {
    assert(this.#staged !== null, "a snapshot is staged");
    this.#writeTo(this.#staged, rows);
  }

  stageFinish(): RowsRef {
    assert(this.#staged !== null, "a snapshot is staged");
    this.#sync();
    this.#installing = this.#staged;
    this.#staged = null;
    return this.#installing.rows;
  }

  /** Its table is nobody's from here on. */
  dropStage(): void {
    this.#staged = null;
  }

  /** log.db names these rows now. */
  become(rows: RowsRef): void {
    this.#current = rows;
    if (this.#checkpoint?.rows.generation === rows.generation) this.#checkpoint = null;
    if (this.#installing?.rows.generation === rows.generation) this.#installing = null;
  }

  pin(pin: number, rows: RowsRef): void {
    this.#pins.set(pin, rows);
  }

  unpin(pin: number): void {
    this.#pins.delete(pin);
  }

  read(rows: RowsRef, after: Uint8Array | null, bytesMax: number): StateRow[] {
    const read: StateRow[] = [];
    let bytes = 0;
    for (const row of this.#table(rows.table).rows(rows.generation, after)) {
      read.push(row);
      bytes += row.key.length + (row.value?.length ?? 0);
      if (bytes >= bytesMax) break;
    }
    return read;
  }

  /** One short step of tidying. False when nothing is left to do for now. */
  sweep(): boolean {
    const used = new Set([this.#current.table]);
    for (const { table } of this.#pins.values()) used.add(table);
    for (const layer of [this.#checkpoint, this.#staged, this.#installing]) {
      if (layer !== null) used.add(layer.table.number);
    }
    const unused = tableNumbers(this.#db).find((number) => !used.has(number));
    if (unused !== undefined) {
      this.#shrink(unused);
      return true;
    }
    let floor = this.#current.generation;
    for (const { table, generation } of this.#pins.values()) {
      if (table === this.#current.table) floor = Math.min(floor, generation);
    }
    return this.#settle(this.#touchedUpTo.all(floor, ROWS_PER_STEP) as Touched[], "sweep");
  }

  close(): void {
    this.#db.close();
  }

  #writeTo(layer: Layer, rows: readonly StateRow[]): void {
    let at = layer.rows;
    const write = this.#db.transaction(() => {
      for (const row of rows) {
        at = layer.table.put(at, row);
        if (!layer.isBase) this.#touch.run(at.generation, row.key);
        this.#walBytes += row.key.length * 2 + (row.value?.length ?? 0) + 64;
      }
    });
    write.immediate();
    layer.rows = at;
    this.#walBytes += 4120;
    if (this.#walBytes > this.#walBytesMax) this.#checkpointWal();
  }

  #checkpointWal(): void {
    this.#db.pragma("wal_checkpoint(PASSIVE)");
    this.#walBytes = 0;
  }

  /** A commit under FULL syncs the WAL, and with it all chunks before. */
  #sync(): void {
    this.#db.pragma("synchronous = FULL");
    this.#db.pragma(`application_id = ${String(this.#nextGeneration % 2 ** 30)}`);
    this.#db.pragma("synchronous = NORMAL");
  }

  #begun(): Layer {
    if (this.#refusal !== null) throw this.#refusal;
    assert(this.#checkpoint !== null, "a checkpoint was begun");
    return this.#checkpoint;
  }

  #newLayer(): Layer {
    // Left by one whose removal found no room, they would show among the rows of this one.
    this.#forgetUnfinished();
    const rows = { ...this.#current, generation: this.#takeGeneration() };
    return { table: this.#table(this.#current.table), isBase: false, rows };
  }

  #newBase(): Layer {
    const number = this.#nextTable;
    this.#nextTable += 1;
    const rows = { ...NO_ROWS, table: number, generation: this.#takeGeneration() };
    return { table: this.#table(number), isBase: true, rows };
  }

  #takeGeneration(): number {
    const generation = this.#nextGeneration;
    this.#nextGeneration += 1;
    return generation;
  }

  #table(number: number): StateTable {
    const known = this.#tables.get(number) ?? new StateTable(this.#db, number);
    this.#tables.set(number, known);
    return known;
  }

  /** Dropping a large table at once would take its time from everybody who reads meanwhile. */
  #shrink(number: number): void {
    if (this.#table(number).removeSome(UNUSED_ROWS_PER_STEP)) {
      this.#walBytes += UNUSED_ROWS_PER_STEP * 256;
      if (this.#walBytes > this.#walBytesMax) this.#checkpointWal();
      return;
    }
    this.#tables.delete(number);
    this.#db.exec(`DROP TABLE ${tableName(number)}`);
  }

  /** Generations above the current one in its own table: checkpoints that never finished. */
  #forgetUnfinished(): void {
    const highest = this.#db.prepare("SELECT max(generation) FROM touched").pluck();
    for (;;) {
      const generation = highest.get() as number | null;
      if (generation === null || generation <= this.#current.generation) return;
      this.#forget(generation);
    }
  }

  #forget(generation: number): void {
    while (this.#settle(this.#touchedIn.all(generation, ROWS_PER_STEP) as Touched[], "remove"));
  }

  #settle(touched: readonly Touched[], action: "sweep" | "remove"): boolean {
    if (touched.length === 0) return false;
    const table = this.#table(this.#current.table);
    const settle = this.#db.transaction(() => {
      for (const [generation, key] of touched) {
        table[action](key, generation);
        this.#untouch.run(generation, key);
      }
    });
    settle.immediate();
    this.#walBytes += touched.length * 256;
    if (this.#walBytes > this.#walBytesMax) this.#checkpointWal();
    return true;
  }
}

function openDatabase(directory: string, migrations: Migrations): Database.Database {
  const db = new Database(join(directory, STATE_FILE), { timeout: BUSY_TIMEOUT_MS });
  try {
    configure(db, "FULL");
    migrate(db, migrations);
    checkStructure(db);
    // Chunks are not synced one by one: `finish` syncs, before log.db names the rows.
    db.pragma("synchronous = NORMAL");
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}
