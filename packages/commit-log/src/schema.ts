import { closeSync, openSync, readSync } from "node:fs";
import type Database from "better-sqlite3";
import type { Migrations, StoreSchema } from "./migrations.js";
import { corruption } from "./store-errors.js";

const LOG_MIGRATIONS: Migrations = [
  (db) =>
    db.exec(`CREATE TABLE facts (
     name TEXT PRIMARY KEY,
     value TEXT NOT NULL,
     checksum INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE log (
     position INTEGER PRIMARY KEY,
     first_epoch INTEGER NOT NULL,
     first_counter INTEGER NOT NULL,
     last_counter INTEGER NOT NULL,
     count INTEGER NOT NULL,
     chain BLOB NOT NULL,
     log_offset INTEGER NOT NULL,
     bytes BLOB NOT NULL
   ) STRICT;`),
];

const STATE_MIGRATIONS: Migrations = [
  (db) =>
    db.exec(`CREATE TABLE touched (
     generation INTEGER NOT NULL,
     key BLOB NOT NULL,
     PRIMARY KEY (generation, key)
   ) STRICT, WITHOUT ROWID;`),
  (db) =>
    db.exec(`CREATE TABLE blocks (
     base INTEGER NOT NULL,
     generation INTEGER NOT NULL,
     number INTEGER NOT NULL,
     rows INTEGER NOT NULL,
     checksum INTEGER NOT NULL,
     bytes BLOB NOT NULL,
     PRIMARY KEY (base, generation, number)
   ) STRICT;
   DROP TABLE touched;`),
];

/** The tables as every release has known them. */
export const SCHEMA: StoreSchema = { log: LOG_MIGRATIONS, state: STATE_MIGRATIONS };

/**
 * WAL, with every checkpoint of it in our hands. `synchronous` is set in words: the build's
 * default for WAL is NORMAL, which loses the last commits with the power.
 */
export function configure(db: Database.Database, synchronous: "FULL" | "NORMAL"): void {
  checkHeader(db);
  db.pragma("journal_mode = WAL");
  db.pragma(`synchronous = ${synchronous}`);
  db.pragma("wal_autocheckpoint = 0");
  db.pragma("foreign_keys = OFF");
  boundCache(db);
}

/** Kibibytes of pages that a connection keeps; more are read from the system's own cache again. */
export const CACHE_KIB_MAX = 2048;

/**
 * The build's default is 16 MiB for each connection, and a log that only grows fills it with pages
 * that nobody asks for again.
 */
export function boundCache(db: Database.Database): void {
  db.pragma(`cache_size = -${CACHE_KIB_MAX}`);
}

/**
 * Looks at the structure of every page, also of those that no row is read from: a damaged list of
 * free pages would end the process at a later write, and at the one after the restart.
 * @throws SQLITE_CORRUPT.
 */
export function checkStructure(db: Database.Database): void {
  const result = db.pragma("quick_check(1)", { simple: true });
  if (result !== "ok") throw corruption(String(result));
}

const FORMAT_VERSIONS_AT = 18;
const FORMAT_VERSION_MAX = 2;

/**
 * A format version that does not exist makes SQLite treat the file as read-only, for good: damage
 * that would look like a disk that refuses to write. No other connection of this process may have
 * the file open: closing a descriptor of it drops their locks.
 * @throws SQLITE_CORRUPT.
 */
export function checkHeader(db: Database.Database): void {
  const versions = Buffer.alloc(2);
  const fd = openSync(db.name, "r");
  try {
    readSync(fd, versions, 0, 2, FORMAT_VERSIONS_AT);
  } finally {
    closeSync(fd);
  }
  if (versions.some((version) => version > FORMAT_VERSION_MAX)) {
    throw corruption("the header of the database names no format");
  }
}
