import { KEY_BYTES_MAX, QuorateError } from "@quorate/protocol";
import { ZNODE_DATA_BYTES_MAX } from "./limits.js";
import { ACL_BYTES_MASK, FORMAT_WORD, HEADER_BYTES } from "./node-header.js";
import { checkPath } from "./paths.js";
import { int32At } from "./stat.js";

/**
 * A checkpoint's row of a node. Key: the path in UTF-8. Value: the header of node-header.ts | ACL |
 * data. The number of children follows from the other rows. The digest hashes the same bytes.
 * A row of a session is described in sessions.ts.
 */

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const SLASH = 0x2f;
const DOT = 0x2e;
const FIRST_ALLOWED = 0x20;
const LAST_ALLOWED = 0x7e;

/** What is to be known of the path in a row, of one after the other. */
export class RowPath {
  /** Where the last slash is, from the start of the path. */
  slash = 0;
  /** In UTF-16 units. */
  characters = 0;

  /** @throws ERR_STORE_DAMAGED unless it is a valid path. */
  read(bytes: Uint8Array, from: number, length: number): void {
    const slash = length > KEY_BYTES_MAX ? -1 : plainSlash(bytes, from, length);
    if (slash !== -1) {
      this.slash = slash - from;
      this.characters = length;
      return;
    }
    const key = bytes.subarray(from, from + length);
    const path = decodePath(key);
    const problem = checkPath(path);
    if (problem !== null) throw damaged(`key: ${problem.message}`);
    this.slash = key.lastIndexOf(SLASH);
    this.characters = path.length;
  }
}

/** Where the last slash of a valid path is; -1 for what only {@link checkPath} can decide. */
function plainSlash(bytes: Uint8Array, from: number, length: number): number {
  if (bytes[from] !== SLASH || length === 0) return -1;
  const end = from + length;
  let slash = from;
  for (let at = from + 1; at < end; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte < FIRST_ALLOWED || byte > LAST_ALLOWED) return -1;
    if (byte !== SLASH) continue;
    if (isNoName(bytes, slash + 1, at)) return -1;
    slash = at;
  }
  return length > 1 && isNoName(bytes, slash + 1, end) ? -1 : slash;
}

function decodePath(key: Uint8Array): string {
  try {
    return decoder.decode(key);
  } catch (cause) {
    throw new QuorateError("ERR_STORE_DAMAGED", "a row's key is not UTF-8", { cause });
  }
}

/** @throws ERR_STORE_DAMAGED, ERR_STORE_SCHEMA unless it is a value of a node's row. */
export function checkRowValue(bytes: Uint8Array, from: number, length: number): void {
  if (length < HEADER_BYTES) throw damaged("its value is too short");
  if (length - HEADER_BYTES > ZNODE_DATA_BYTES_MAX) throw damaged("its data is too long");
  const word = int32At(bytes, from);
  if ((word & ~ACL_BYTES_MASK) !== FORMAT_WORD) {
    throw new QuorateError("ERR_STORE_SCHEMA", "a row has an unknown format");
  }
  if (HEADER_BYTES + (word & ACL_BYTES_MASK) > length) throw damaged("its ACL is too short");
}

export function damaged(what: string): QuorateError {
  return new QuorateError("ERR_STORE_DAMAGED", `a row of the checkpoint is damaged: ${what}`);
}

function isNoName(bytes: Uint8Array, from: number, to: number): boolean {
  if (to === from) return true;
  return bytes[from] === DOT && (to === from + 1 || (to === from + 2 && bytes[from + 1] === DOT));
}
