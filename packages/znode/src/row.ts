import { QuorateError, type StateRow } from "@quorate/protocol";
import { STORED_OPEN_ACL, type AppliedAcl } from "./acl-table.js";
import { ZNODE_DATA_BYTES_MAX } from "./limits.js";
import { checkPath } from "./paths.js";
import type { Pages } from "./pages.js";
import { int32At } from "./stat.js";
import { FORMAT_WORD, HEADER_BYTES, type Znode } from "./znode.js";

/**
 * A checkpoint's row of a node. Key: the path in UTF-8. Value: the header of znode.ts | ACL | data.
 * The number of children follows from the other rows. The digest hashes the same bytes.
 * A row of a session is described in sessions.ts.
 */
const ACL_BYTES_MASK = 0xffff;

const NO_ACL = new Uint8Array(0);

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function rowOf(node: Znode): StateRow {
  const acl = node.acl.bytes;
  const from = node.headerAt;
  const dataFrom = from + HEADER_BYTES;
  const value = new Uint8Array(HEADER_BYTES + acl.length + node.dataLength);
  value.set(node.bytes.subarray(from, dataFrom));
  if (acl.length > 0) value.set(acl, HEADER_BYTES);
  value.set(node.bytes.subarray(dataFrom, dataFrom + node.dataLength), HEADER_BYTES + acl.length);
  return { key: encoder.encode(node.path), value };
}

export function tombstoneOf(path: string): StateRow {
  return { key: encoder.encode(path), value: null };
}

/** @throws ERR_STORE_DAMAGED unless it is a valid path. */
export function rowPath(row: StateRow): string {
  let path: string;
  try {
    path = decoder.decode(row.key);
  } catch (cause) {
    throw new QuorateError("ERR_STORE_DAMAGED", "a row's key is not UTF-8", { cause });
  }
  const problem = checkPath(path);
  if (problem !== null) throw damaged(`key: ${problem.message}`);
  return path;
}

/** Fills the node from a row's value. @throws ERR_STORE_DAMAGED, ERR_STORE_SCHEMA. */
export function readRow(
  value: Uint8Array | null,
  node: Znode,
  pages: Pages,
  useAcl: (bytes: Uint8Array) => AppliedAcl | null,
): void {
  if (value === null) throw damaged("it has no value");
  if (value.length < HEADER_BYTES) throw damaged("its value is too short");
  if (value.length - HEADER_BYTES > ZNODE_DATA_BYTES_MAX) throw damaged("its data is too long");
  const word = int32At(value, 0);
  if ((word & ~ACL_BYTES_MASK) !== FORMAT_WORD) {
    throw new QuorateError("ERR_STORE_SCHEMA", "a row has an unknown format");
  }
  const aclBytes = word & ACL_BYTES_MASK;
  if (aclBytes === 0) {
    // Most rows: header and data stand as they do in a page. Nothing is made for each of millions.
    node.writeRow(value, pages);
    node.acl = useAcl(NO_ACL) ?? STORED_OPEN_ACL;
    return;
  }
  const dataAt = HEADER_BYTES + aclBytes;
  if (dataAt > value.length) throw damaged("its ACL is too short");
  const acl = useAcl(value.subarray(HEADER_BYTES, dataAt));
  if (acl === null) throw damaged("its ACL cannot be read");
  node.write(value.subarray(dataAt), pages);
  node.writeHeader(value.subarray(0, HEADER_BYTES));
  node.acl = acl;
}

export function damaged(what: string): QuorateError {
  return new QuorateError("ERR_STORE_DAMAGED", `a row of the checkpoint is damaged: ${what}`);
}
