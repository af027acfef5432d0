import { closeSync, existsSync, openSync, readSync, statfsSync } from "node:fs";
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
 * An error of a database that is open. SQLite says "corrupt" also when the disk refuses to read,
 * and here nobody can look which it was (see {@link throwIfRefused}): the next open does.
 */
export function readErrorOf(error: unknown): QuorateError {
  if (!isCorruption(error)) return storeErrorOf(error);
  const text = error instanceof Error ? error.message : "unknown";
  return new QuorateError("ERR_STORE_IO", `a database cannot be read: ${text}`, {
    cause: error,
    details: { sqlite: sqliteCodeOf(error) },
  });
}

/**
 * SQLite says "corrupt" also when the disk refuses to read: then the bytes may be as they were, and
 * nothing may be thrown away for it. So the files of the database are read as plain bytes.
 *
 * No connection of this process may have it open: with the first descriptor of a file that a
 * process closes, the kernel drops all locks that the process has on that file.
 * @throws ERR_STORE_IO when it was the disk that refused to read.
 */
export function throwIfRefused(error: unknown, database: string): void {
  const cause = isCorruption(error) ? firstUnreadable(database) : null;
  if (cause === null) return;
  throw new QuorateError("ERR_STORE_IO", "the disk refuses to read a database", {
    cause,
    details: { database },
  });
}

const READ_BYTES = 1024 * 1024;
/** Of a database; its index of the write-ahead log is made anew. */
const READ_SUFFIXES = ["", "-wal", "-journal"];

/** What reading the files of a database, as plain bytes, ends with. */
function firstUnreadable(database: string): unknown {
  const part = new Uint8Array(READ_BYTES);
  try {
    for (const suffix of READ_SUFFIXES) {
      if (!existsSync(database + suffix)) continue;
      const fd = openSync(database + suffix, "r");
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
  const failure = readErrorOf(error);
  const isOfDisk = failure.code === "ERR_STORE_IO" && !isCorruption(error);
  if (!isOfDisk || !existsSync(directory)) return failure;
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
