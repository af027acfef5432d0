import { join } from "node:path";
import Database from "better-sqlite3";
import { assert, PackedRows, type StateRow } from "@quorate/protocol";
import { BlockReader, type RowReader } from "./block-reader.js";
import { BlockTable } from "./block-table.js";
import { migrate, type Migrations } from "./migrations.js";
import { bufferOf } from "./row-codec.js";
import { checkStructure, configure, SCHEMA } from "./schema.js";
import { StateTable, tableName, tableNumbers } from "./state-table.js";
import { STATE_FILE } from "./store-files.js";
import type { RowsRef } from "./worker-messages.js";

/** Rows of checkpoints and snapshots being written, and of those that are read. */

interface Layer {
  /** It has the base for itself: removing the base removes it. */
  readonly isBase: boolean;
  rows: RowsRef;
  /** Of the next block. */
  number: number;
}

interface Pin {
  readonly rows: RowsRef;
  readonly reader: RowReader;
}

const BLOCKS_PER_STEP = 2;
/** Of schema 1. Their values may be large, and the pages of each are walked. */
const ROWS_PER_STEP = 64;
const BUSY_TIMEOUT_MS = 5000;
/** What a write adds to the WAL beside its own bytes, and what one removed row or block does. */
const PAGE_BYTES = 4120;
const FREED_BYTES = 256;
const NO_ROWS: RowsRef = { table: 0, generation: 0, rowCount: 0, rowSum: 0 };

/** So few rows above the first generation are no reason to write all of them. */
const LAYER_ROWS_MIN = 4096;
/** Generations of one base. Then a checkpoint is a full one. */
const GENERATIONS_MAX = 64;

export class StateDatabase {
  readonly #db: Database.Database;
  readonly #blocks: BlockTable;
  readonly #pins = new Map<number, Pin>();
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
    this.#blocks = new BlockTable(db);
    this.#nextTable = Math.max(this.#current.table, ...this.#tables()) + 1;
    this.#nextGeneration = this.#current.generation + 1;
    this.#forgetUnfinished();
  }

  /** Reads all current rows. Null when they are as log.db says. */
  verify(): string | null {
    if (this.#current.table === 0) return null;
    return verifyRows(this.#db, this.#current);
  }

  /**
   * Whether the next checkpoint should write all rows anew: what changed is as much as half of
   * them, so that reading, room and the work of writing stay in proportion to what there is.
   */
  get isFullDue(): boolean {
    if (this.#current.table === 0) return false;
    if (this.#isOfSchema1(this.#current.table)) return true;
    const { base, layers, generations } = this.#blocks.weight(this.#current);
    return generations >= GENERATIONS_MAX || layers > Math.max(base / 2, LAYER_ROWS_MIN);
  }

  begin(isFull: boolean): void {
    assert(this.#checkpoint === null, "one checkpoint is written at a time");
    this.#refusal = null;
    try {
      const isBase = isFull || this.#current.table === 0;
      const isWritable = isBase || !this.#isOfSchema1(this.#current.table);
      assert(isWritable, "rows of schema 1 are followed by a full checkpoint");
      this.#checkpoint = isBase ? this.#newBase() : this.#newLayer();
    } catch (error) {
      if (error instanceof Error) this.#refusal = error;
      throw error;
    }
  }

  write(rows: ArrayBuffer): void {
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
    if (layer !== null && !layer.isBase) this.#forgetUnfinished();
  }

  stage(): void {
    this.dropStage();
    this.#staged = this.#newBase();
  }

  stageWrite(rows: ArrayBuffer): void {
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
    this.#pins.set(pin, { rows, reader: readerOf(this.#db, rows) });
  }

  unpin(pin: number): void {
    this.#pins.delete(pin);
  }

  /** The next rows of what is pinned, packed; empty at the end. */
  read(pin: number, bytesMax: number): ArrayBuffer {
    const pinned = this.#pins.get(pin);
    assert(pinned !== undefined, "rows are pinned before they are read");
    return pinned.reader.read(bytesMax);
  }

  /** One short step of tidying. False when nothing is left to do for now. */
  sweep(): boolean {
    const used = new Set([this.#current.table]);
    for (const { rows } of this.#pins.values()) used.add(rows.table);
    for (const layer of [this.#checkpoint, this.#staged, this.#installing]) {
      if (layer !== null) used.add(layer.rows.table);
    }
    const unused = this.#tables().find((number) => !used.has(number));
    if (unused === undefined) return false;
    this.#shrink(unused);
    return true;
  }

  close(): void {
    this.#db.close();
  }

  #writeTo(layer: Layer, buffer: ArrayBuffer): void {
    const packed = new PackedRows(new Uint8Array(buffer));
    const { length, values } = packed;
    // Below a base there is nothing that could be gone; whoever reads it takes its blocks whole.
    if (layer.isBase && values < length) {
      if (values > 0) this.#writeTo(layer, bufferOf([...packed].filter(hasValue)));
      return;
    }
    if (length === 0) return;
    layer.rows = this.#blocks.put(layer.rows, layer.number, length, packed.bytes);
    layer.number += 1;
    this.#wrote(buffer.byteLength + PAGE_BYTES);
  }

  #wrote(bytes: number): void {
    this.#walBytes += bytes;
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
    return { isBase: false, rows, number: 0 };
  }

  #newBase(): Layer {
    const number = this.#nextTable;
    this.#nextTable += 1;
    const rows = { ...NO_ROWS, table: number, generation: this.#takeGeneration() };
    return { isBase: true, rows, number: 0 };
  }

  #takeGeneration(): number {
    const generation = this.#nextGeneration;
    this.#nextGeneration += 1;
    return generation;
  }

  #tables(): number[] {
    return [...tableNumbers(this.#db), ...this.#blocks.bases()];
  }

  #isOfSchema1(number: number): boolean {
    return tableNumbers(this.#db).includes(number);
  }

  /** To remove a large one at once would take its time from everybody who reads meanwhile. */
  #shrink(number: number): void {
    if (!this.#isOfSchema1(number)) {
      this.#blocks.removeSome(number, BLOCKS_PER_STEP);
      this.#wrote(BLOCKS_PER_STEP * FREED_BYTES);
    } else if (new StateTable(this.#db, number).removeSome(ROWS_PER_STEP)) {
      this.#wrote(ROWS_PER_STEP * FREED_BYTES);
    } else this.#db.exec(`DROP TABLE ${tableName(number)}`);
  }

  /** Generations above the current one of its own base: checkpoints that never finished. */
  #forgetUnfinished(): void {
    const { table, generation } = this.#current;
    if (this.#blocks.hasAbove(table, generation)) this.#blocks.removeAbove(table, generation);
  }
}

function hasValue({ value }: StateRow): boolean {
  return value !== null;
}

function readerOf(db: Database.Database, rows: RowsRef): RowReader {
  return tableNumbers(db).includes(rows.table)
    ? new StateTable(db, rows.table).reader(rows)
    : new BlockReader(new BlockTable(db), rows);
}

/** Reads them all. Null when they are as log.db says. */
export function verifyRows(db: Database.Database, rows: RowsRef): string | null {
  if (tableNumbers(db).includes(rows.table)) return new StateTable(db, rows.table).verify(rows);
  return new BlockTable(db).verify(rows);
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
