import { QuorateError, type StateRow, type Txnid } from "@quorate/protocol";
import type { StoredAcl } from "./acl-table.js";
import { NO_OWNER } from "./create-mode.js";
import { ZNODE_DATA_BYTES_MAX } from "./limits.js";
import { checkPath } from "./paths.js";
import { getMs, setMs, viewOf } from "./stat.js";
import { NO_DATA, type Znode } from "./znode.js";

/**
 * A checkpoint's row of a node. Key: the path in UTF-8. Value, big-endian:
 *   u8 format (1) | u8 0 | u16 bytes of the ACL | u64 czxid | u64 mzxid | u64 pzxid | u64 ctime |
 *   u64 mtime | i32 version | i32 creates | i32 aversion | u64 ephemeral owner | ACL | data
 * The number of children follows from the other rows. The digest hashes the same bytes.
 * A row of a session is described in sessions.ts.
 */
export const ROW_HEADER_BYTES = 64;
const FORMAT_WORD = 1 << 24;
const ACL_BYTES_MASK = 0xffff;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function writeRowHeader(node: Znode, view: DataView): void {
  view.setUint32(0, FORMAT_WORD | node.acl.bytes.length);
  view.setBigUint64(4, node.czxid);
  view.setBigUint64(12, node.mzxid);
  view.setBigUint64(20, node.pzxid);
  setMs(view, 28, node.ctime);
  setMs(view, 36, node.mtime);
  view.setInt32(44, node.version);
  view.setInt32(48, node.creates);
  view.setInt32(52, node.aversion);
  view.setBigUint64(56, node.owner);
}

export function rowOf(node: Znode): StateRow {
  const acl = node.acl.bytes;
  const value = new Uint8Array(ROW_HEADER_BYTES + acl.length + node.data.length);
  writeRowHeader(node, new DataView(value.buffer));
  value.set(acl, ROW_HEADER_BYTES);
  value.set(node.data, ROW_HEADER_BYTES + acl.length);
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
  useAcl: (bytes: Uint8Array) => StoredAcl | null,
): void {
  if (value === null) throw damaged("it has no value");
  if (value.length < ROW_HEADER_BYTES) throw damaged("its value is too short");
  if (value.length - ROW_HEADER_BYTES > ZNODE_DATA_BYTES_MAX) throw damaged("its data is too long");
  const view = viewOf(value);
  const word = view.getUint32(0);
  if ((word & ~ACL_BYTES_MASK) !== FORMAT_WORD) {
    throw new QuorateError("ERR_STORE_SCHEMA", "a row has an unknown format");
  }
  const dataAt = ROW_HEADER_BYTES + (word & ACL_BYTES_MASK);
  if (dataAt > value.length) throw damaged("its ACL is too short");
  const acl = useAcl(value.subarray(ROW_HEADER_BYTES, dataAt));
  if (acl === null) throw damaged("its ACL cannot be read");
  node.acl = acl;
  node.czxid = view.getBigUint64(4) as Txnid;
  node.mzxid = view.getBigUint64(12) as Txnid;
  node.pzxid = view.getBigUint64(20) as Txnid;
  node.ctime = getMs(view, 28);
  node.mtime = getMs(view, 36);
  node.version = view.getInt32(44);
  node.creates = view.getInt32(48);
  node.aversion = view.getInt32(52);
  const owner = view.getBigUint64(56);
  node.owner = owner === NO_OWNER ? NO_OWNER : owner;
  node.data = value.length === dataAt ? NO_DATA : new Uint8Array(value.subarray(dataAt));
}

export function damaged(what: string): QuorateError {
  return new QuorateError("ERR_STORE_DAMAGED", `a row of the checkpoint is damaged: ${what}`);
}
