import { closeSync, openSync, readSync } from "node:fs";
import { QuorateError } from "@quorate/protocol";

/** Bytes of a configuration file. */
const FILE_BYTES_MAX = 1024 * 1024;

export function fileError(what: string, path: string, why: string, cause?: unknown): QuorateError {
  return new QuorateError("ERR_CONFIG_FILE", `cannot read ${what} ${path}: ${why}`, {
    cause,
    details: { file: path },
  });
}

/**
 * Reads a file as UTF-8. A byte order mark, which some editors write, is not part of the text.
 * @throws ERR_CONFIG_FILE.
 */
export function readText(what: string, path: string): string {
  let bytes: Uint8Array;
  try {
    bytes = readStart(path, FILE_BYTES_MAX + 1);
  } catch (error) {
    throw fileError(what, path, reasonOf(error), error);
  }
  if (bytes.length > FILE_BYTES_MAX) throw fileError(what, path, "it is larger than 1 MiB");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw fileError(what, path, "it is not UTF-8", error);
  }
}

/** Not all of it: what is no plain file, as /dev/zero, may have no end. */
function readStart(path: string, bytesMax: number): Uint8Array {
  const file = openSync(path, "r");
  try {
    const bytes = new Uint8Array(bytesMax);
    let length = 0;
    for (;;) {
      const count = readSync(file, bytes, length, bytesMax - length, null);
      length += count;
      if (count === 0 || length === bytesMax) return bytes.subarray(0, length);
    }
  } finally {
    closeSync(file);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file (ENOENT)",
  EACCES: "this user may not read it (EACCES)",
  EISDIR: "it is a directory (EISDIR)",
};

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return ("code" in error ? REASONS[String(error.code)] : undefined) ?? error.message;
}
