import type Database from "better-sqlite3";
import { QuorateError } from "@quorate/protocol";
import { corruption } from "./store-errors.js";

/** One step per version: the first makes version 1, the next leads from 1 to 2, and so on. */
type Migrations = readonly string[];

export const LOG_MIGRATIONS: Migrations = [
  `CREATE TABLE facts (
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
   ) STRICT;`,
];

export const STATE_MIGRATIONS: Migrations = [
  `CREATE TABLE touched (
     generation INTEGER NOT NULL,
     key BLOB NOT NULL,
     PRIMARY KEY (generation, key)
   ) STRICT, WITHOUT ROWID;`,
];

/**
 * Brings a database to the newest version, in one transaction.
 * @throws ERR_STORE_SCHEMA when a newer release wrote it.
 */
export function migrate(
  db: Database.Database,
  migrations: Migrations,
  fill: () => void = () => undefined,
): void {
  const version = schemaVersionOf(db);
  if (version > migrations.length) {
    throw new QuorateError(
      "ERR_STORE_SCHEMA",
      `the store has schema ${String(version)}, ` +
        `this release knows up to ${String(migrations.length)}`,
    );
  }
  if (version === migrations.length) return;
  db.transaction(() => {
    for (const step of migrations.slice(version)) db.exec(step);
    db.pragma(`user_version = ${String(migrations.length)}`);
    if (version === 0) fill();
  }).immediate();
}

export function schemaVersionOf(db: Database.Database): number {
  return db.pragma("user_version", { simple: true }) as number;
}

/**
 * WAL, with every checkpoint of it in our hands. `synchronous` is set in words: the build's
 * default for WAL is NORMAL, which loses the last commits with the power.
 */
export function configure(db: Database.Database, synchronous: "FULL" | "NORMAL"): void {
  db.pragma("journal_mode = WAL");
  db.pragma(`synchronous = ${synchronous}`);
  db.pragma("wal_autocheckpoint = 0");
  db.pragma("foreign_keys = OFF");
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
