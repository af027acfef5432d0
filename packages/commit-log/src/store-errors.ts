import { closeSync, existsSync, openSync, readdirSync, readSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { errorCodeOf, QuorateError, type ErrorCode } from "@quorate/protocol";

/** SQLite's extended result code of an error, or "". */
export function sqliteCodeOf(error: unknown): string {
  if (typeof error !== "object" || error === null || !("code" in error)) return "";
  return typeof error.code === "string" && error.code.startsWith("SQLITE_") ? error.code : "";
}

/** The bytes in the file are not what SQLite wrote, or are fewer. */
export function isCorruption(error: unknown): boolean {
  return /^SQLITE_(CORRUPT|NOTADB|IOERR_SHORT_READ)/.test(sqliteCodeOf(error));
}

/** Met while opening: also what only damaged schema pages can cause. */
export function isUnreadable(error: unknown): boolean {
  const isDamagedSchema = /^SQLITE_(ERROR|SCHEMA|FORMAT|CONSTRAINT|MISMATCH|RANGE)/;
  return isCorruption(error) || isDamagedSchema.test(sqliteCodeOf(error));
}

/**
 * Only a full disk is known to leave nothing behind. Whatever else goes wrong in a writer leaves
 * the outcome unknown, an error of ours included.
 */
export function storeErrorOf(error: unknown): QuorateError {
  if (error instanceof QuorateError) return error;
  const sqlite = sqliteCodeOf(error);
  const message = error instanceof Error ? error.message : String(error);
  const code = codeOf(error, sqlite);
  return new QuorateError(code, message, {
    cause: error,
    retryable: code === "ERR_STORE_FULL",
    details: { sqlite },
  });
}

function codeOf(error: unknown, sqlite: string): ErrorCode {
  const own = errorCodeOf(error);
  if (own !== undefined) return own;
  if (sqlite === "SQLITE_FULL" || isOutOfRoom(error)) return "ERR_STORE_FULL";
  if (isCorruption(error)) return "ERR_STORE_DAMAGED";
  return "ERR_STORE_IO";
}

/** A system call beside SQLite's. */
function isOutOfRoom(error: unknown): boolean {
  if (typeof error !== "object" || error === null || !("code" in error)) return false;
  return error.code === "ENOSPC" || error.code === "EDQUOT";
}

/**
 * An error of a database in this directory. SQLite says "corrupt" also when the disk refuses to
 * read: then the bytes may be as they were, and nothing may be thrown away for it.
 */
export function readErrorOf(error: unknown, directory: string): QuorateError {
  const unreadable = isCorruption(error) ? firstUnreadable(directory) : null;
  if (unreadable === null) return storeErrorOf(error);
  return new QuorateError("ERR_STORE_IO", "the disk refuses to read a database", {
    cause: unreadable,
    details: { directory },
  });
}

/** @throws ERR_STORE_IO when it was the disk that refused to read. */
export function throwIfRefused(error: unknown, directory: string): void {
  const failure = readErrorOf(error, directory);
  if (failure.code === "ERR_STORE_IO" && isCorruption(error)) throw failure;
}

const READ_BYTES = 1024 * 1024;

/** What reading the files of the directory, as plain bytes, ends with. */
function firstUnreadable(directory: string): unknown {
  const part = new Uint8Array(READ_BYTES);
  try {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (!entry.isFile() || entry.name.endsWith("-shm")) continue;
      const fd = openSync(join(directory, entry.name), "r");
      try {
        while (readSync(fd, part) > 0);
      } finally {
        closeSync(fd);
      }
    }
    return null;
  } catch (error) {
    return error;
  }
}

/** Less than this and SQLite can make neither its index of the log nor a file. */
const ROOM_BYTES_MIN = 256 * 1024;

/**
 * An error met while opening, when nothing has been said yet and so nothing is unknown. SQLite
 * calls it an I/O error when it finds no room for a file of its own, so the disk is asked.
 */
export function openErrorOf(error: unknown, directory: string): QuorateError {
  const failure = readErrorOf(error, directory);
  if (failure.code !== "ERR_STORE_IO" || !existsSync(directory)) return failure;
  const { bavail, bsize } = statfsSync(directory);
  if (bavail * bsize >= ROOM_BYTES_MIN) return failure;
  return new QuorateError("ERR_STORE_FULL", `there is no room: ${failure.message}`, {
    cause: error,
    retryable: true,
    details: { directory },
  });
}

/** What SQLite itself would throw on such a file. */
export function corruption(message: string): Error {
  return Object.assign(new Error(message), { code: "SQLITE_CORRUPT" });
}
