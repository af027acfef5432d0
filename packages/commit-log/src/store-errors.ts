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
  if (sqlite === "SQLITE_FULL") return "ERR_STORE_FULL";
  if (isCorruption(error)) return "ERR_STORE_DAMAGED";
  return "ERR_STORE_IO";
}

/** What SQLite itself would throw on such a file. */
export function corruption(message: string): Error {
  return Object.assign(new Error(message), { code: "SQLITE_CORRUPT" });
}
