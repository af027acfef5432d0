import { QuorateError, type StateRow, type Txnid } from "@quorate/protocol";
import { ZNODE_DATA_BYTES_MAX } from "./limits.js";
import { checkPath } from "./paths.js";
import { getMs, setMs, viewOf } from "./stat.js";
import { NO_DATA, type Znode } from "./znode.js";

/**
 * A checkpoint's row. Key: the path in UTF-8. Value, big-endian:
 *   u8 format (1) | u8 0 | u16 0 | u64 czxid | u64 mzxid | u64 pzxid | u64 ctime | u64 mtime |
 *   i32 version | i32 creates | i32 aversion (0) | u64 ephemeral owner (0) | data
 * The number of children follows from the other rows. The digest hashes the same bytes.
 */
export const ROW_HEADER_BYTES = 64;
const FORMAT_WORD = 1 << 24;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function writeRowHeader(node: Znode, view: DataView): void {
  view.setUint32(0, FORMAT_WORD);
  view.setBigUint64(4, node.czxid);
  view.setBigUint64(12, node.mzxid);
  view.setBigUint64(20, node.pzxid);
  setMs(view, 28, node.ctime);
  setMs(view, 36, node.mtime);
  view.setInt32(44, node.version);
  view.setInt32(48, node.creates);
  // Bytes 52..63 stay zero until there are ACLs and sessions.
}

export function rowOf(node: Znode): StateRow {
  const value = new Uint8Array(ROW_HEADER_BYTES + node.data.length);
  writeRowHeader(node, new DataView(value.buffer));
  value.set(node.data, ROW_HEADER_BYTES);
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
export function readRow(value: Uint8Array | null, node: Znode): void {
  if (value === null) throw damaged("it has no value");
  if (value.length < ROW_HEADER_BYTES) throw damaged("its value is too short");
  if (value.length - ROW_HEADER_BYTES > ZNODE_DATA_BYTES_MAX) throw damaged("its data is too long");
  const view = viewOf(value);
  const isKnown =
    view.getUint32(0) === FORMAT_WORD &&
    view.getUint32(52) === 0 &&
    view.getUint32(56) === 0 &&
    view.getUint32(60) === 0;
  if (!isKnown) throw new QuorateError("ERR_STORE_SCHEMA", "a row has an unknown format");
  node.czxid = view.getBigUint64(4) as Txnid;
  node.mzxid = view.getBigUint64(12) as Txnid;
  node.pzxid = view.getBigUint64(20) as Txnid;
  node.ctime = getMs(view, 28);
  node.mtime = getMs(view, 36);
  node.version = view.getInt32(44);
  node.creates = view.getInt32(48);
  node.data =
    value.length === ROW_HEADER_BYTES ? NO_DATA : new Uint8Array(value.subarray(ROW_HEADER_BYTES));
}

function damaged(what: string): QuorateError {
  return new QuorateError("ERR_STORE_DAMAGED", `a row of the checkpoint is damaged: ${what}`);
}
