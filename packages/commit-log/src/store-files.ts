import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { QuorateError } from "@quorate/protocol";
import { syncDirectory } from "./high-water.js";
import { sqliteCodeOf } from "./store-errors.js";

export const LOG_FILE = "log.db";
export const STATE_FILE = "state.db";
export const LOCK_FILE = "lock.db";
export const HIGH_WATER_FILE = "high-water";

const SIDE_FILES = ["", "-wal", "-shm", "-journal"];
const DAMAGED_SUFFIX = ".damaged";

export function makeDirectory(directory: string): void {
  if (existsSync(directory)) return;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  syncDirectory(join(directory, ".."));
}

/**
 * Held for the life of its holder and freed by the kernel with the process.
 * @throws ERR_STORE_LOCKED when another process has the directory open.
 */
export function acquireLock(directory: string): Database.Database {
  const db = new Database(join(directory, LOCK_FILE), { timeout: 0 });
  try {
    db.exec("BEGIN EXCLUSIVE");
    return db;
  } catch (error) {
    db.close();
    if (!sqliteCodeOf(error).startsWith("SQLITE_BUSY")) throw error;
    throw new QuorateError("ERR_STORE_LOCKED", "another process has this directory open", {
      cause: error,
      details: { directory },
    });
  }
}

/** Moves a database out of the way; the one moved before it is dropped. */
export function quarantine(directory: string, file: string): void {
  for (const side of SIDE_FILES) {
    const path = join(directory, file + side);
    rmSync(join(directory, file + DAMAGED_SUFFIX + side), { force: true });
    if (existsSync(path)) renameSync(path, join(directory, file + DAMAGED_SUFFIX + side));
  }
  syncDirectory(directory);
}
