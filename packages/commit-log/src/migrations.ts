import { existsSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { QuorateError } from "@quorate/protocol";
import { checkStructure } from "./schema.js";
import { isCorruption, sqliteCodeOf, storeErrorOf } from "./store-errors.js";
import { LOG_FILE, STATE_FILE } from "./store-files.js";

/**
 * One step from each version to the next; the first makes version 1 of an empty file. A step uses
 * SQL and no code of this package: that code speaks the newest schema only. What was published is
 * never changed.
 */
export type Migrations = readonly ((db: Database.Database) => void)[];

export interface StoreSchema {
  readonly log: Migrations;
  readonly state: Migrations;
}

/**
 * Brings a database to the newest version, step by step, each in one transaction with a sync of
 * its own: a crash leaves a version, never something between two, and the next open goes on.
 * A new file is made in one transaction, `fill` included.
 * @throws ERR_STORE_SCHEMA when a newer release wrote it, or when a step cannot be done.
 */
export function migrate(
  db: Database.Database,
  migrations: Migrations,
  fill: () => void = () => undefined,
): void {
  const version = schemaVersionOf(db);
  if (version > migrations.length) throw newerSchema(version, migrations.length);
  if (version === migrations.length) return;
  const stepTo = (next: number): void => {
    migrations[next - 1]?.(db);
    db.pragma(`user_version = ${String(next)}`);
  };
  if (version === 0) {
    db.transaction(() => {
      for (let next = 1; next <= migrations.length; next += 1) stepTo(next);
      fill();
    }).immediate();
    return;
  }
  // A damaged file is put aside as it is, and not spread over new tables first.
  checkStructure(db);
  for (let next = version + 1; next <= migrations.length; next += 1) {
    try {
      db.transaction(() => stepTo(next)).immediate();
    } catch (error) {
      throw stepError(error, next);
    }
  }
}

/**
 * Looks before anything is written, also where the write-ahead log would only be written back.
 * @throws ERR_STORE_SCHEMA when either database is of a newer release.
 */
export function refuseNewerSchema(directory: string, schema: StoreSchema): void {
  for (const [file, known] of [
    [LOG_FILE, schema.log.length],
    [STATE_FILE, schema.state.length],
  ] as const) {
    const version = existsSync(join(directory, file)) ? versionIn(join(directory, file)) : 0;
    if (version > known) throw newerSchema(version, known);
  }
}

export function schemaVersionOf(db: Database.Database): number {
  return db.pragma("user_version", { simple: true }) as number;
}

/** 0 where it cannot be read: an unfinished or damaged file is for the open that follows. */
function versionIn(path: string): number {
  let db: Database.Database | null = null;
  try {
    // A reader that cannot write leaves the write-ahead log as it is when it closes.
    db = new Database(path, { readonly: true });
    return schemaVersionOf(db);
  } catch {
    return 0;
  } finally {
    db?.close();
  }
}

function newerSchema(version: number, known: number): QuorateError {
  return new QuorateError(
    "ERR_STORE_SCHEMA",
    `the store has schema ${String(version)}, this release knows up to ${String(known)}`,
    { details: { version, known } },
  );
}

/** What SQLite makes of a step that does not fit the tables must not look like damaged bytes. */
function stepError(error: unknown, next: number): unknown {
  const { code, message } = storeErrorOf(error);
  if (isCorruption(error) || code === "ERR_STORE_FULL" || isOfDisk(error)) return error;
  return new QuorateError(
    "ERR_STORE_SCHEMA",
    `the store cannot be brought to schema ${String(next)}: ${message}`,
    { cause: error, details: { version: next } },
  );
}

function isOfDisk(error: unknown): boolean {
  return /^SQLITE_(IOERR|CANTOPEN|READONLY|BUSY)/.test(sqliteCodeOf(error));
}
