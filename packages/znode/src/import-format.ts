import { assert, QuorateError, type Txnid } from "@quorate/protocol";
import { decodeAcl, encodeAcl, type AclEntry } from "./acl.js";
import { NAMED_PATH_BYTES_MAX } from "./limits.js";
import { getMs, int32At, malformed, setMs, viewOf } from "./stat.js";
import {
  FORMAT_WORD,
  HEADER_AVERSION,
  HEADER_BYTES,
  HEADER_CREATES,
  HEADER_CTIME,
  HEADER_CZXID,
  HEADER_MTIME,
  HEADER_MZXID,
  HEADER_OWNER,
  HEADER_PZXID,
  HEADER_VERSION,
} from "./node-header.js";

/**
 * Nodes as they were in another ensemble, parents first:
 *   u32 count | count times: u16 bytes, path | u32 bytes, row
 * where a row is the value of a checkpoint's row, see row.ts. The request has the caller before it,
 * the transaction, which names only nodes that were not there, a format word (1 << 24).
 */
const COUNT_BYTES = 4;
const NODE_OVERHEAD_BYTES = 6;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A node of another ensemble. Its zxids are what that one gave it. */
export interface NodeImage {
  readonly path: string;
  readonly data: Uint8Array;
  readonly acl: readonly AclEntry[];
  readonly czxid: Txnid;
  readonly mzxid: Txnid;
  readonly pzxid: Txnid;
  readonly ctime: number;
  readonly mtime: number;
  readonly version: number;
  /** See {@link createsOf}. */
  readonly creates: number;
  readonly aversion: number;
  /** Nobody's, a container's or a time to live; u64. */
  readonly owner: bigint;
}

/** One node of an import: a view into it. */
export interface ImportedNode {
  readonly path: string;
  readonly row: Uint8Array;
}

/**
 * How many children were ever created under a node, of which ZooKeeper shows
 * `cversion = 2 x creates - numChildren` in 32 bits. That loses the highest bit; it is taken for 0,
 * as it is until two thousand million creates, where the sequence wraps.
 */
export function createsOf({
  cversion,
  numChildren,
}: {
  readonly cversion: number;
  readonly numChildren: number;
}): number {
  return ((cversion + numChildren) | 0) >>> 1;
}

/** Of one node, packed: its part of an import. @throws ERR_ARG_TOO_LARGE for its path or ACL. */
export function encodeImportedNode(image: NodeImage): Uint8Array {
  const path = encoder.encode(image.path);
  if (path.length > NAMED_PATH_BYTES_MAX) {
    throw new QuorateError("ERR_ARG_TOO_LARGE", "a path is too long to be imported");
  }
  const acl = encodeAcl(image.acl);
  const rowAt = NODE_OVERHEAD_BYTES + path.length;
  const bytes = new Uint8Array(rowAt + HEADER_BYTES + acl.length + image.data.length);
  const view = viewOf(bytes);
  view.setUint16(0, path.length);
  bytes.set(path, 2);
  view.setUint32(rowAt - 4, bytes.length - rowAt);
  view.setUint32(rowAt, FORMAT_WORD | acl.length);
  view.setBigUint64(rowAt + HEADER_CZXID, image.czxid);
  view.setBigUint64(rowAt + HEADER_MZXID, image.mzxid);
  view.setBigUint64(rowAt + HEADER_PZXID, image.pzxid);
  setMs(view, rowAt + HEADER_CTIME, image.ctime);
  setMs(view, rowAt + HEADER_MTIME, image.mtime);
  view.setInt32(rowAt + HEADER_VERSION, image.version);
  view.setInt32(rowAt + HEADER_CREATES, image.creates);
  view.setInt32(rowAt + HEADER_AVERSION, image.aversion);
  view.setBigUint64(rowAt + HEADER_OWNER, BigInt.asUintN(64, image.owner));
  bytes.set(acl, rowAt + HEADER_BYTES);
  bytes.set(image.data, rowAt + HEADER_BYTES + acl.length);
  return bytes;
}

/** The reverse. The data are a view. @throws ERR_PROTOCOL_DECODE. */
export function decodeImportedNode(packed: Uint8Array): NodeImage {
  const single = new Uint8Array(COUNT_BYTES + packed.length);
  viewOf(single).setUint32(0, 1);
  single.set(packed, COUNT_BYTES);
  const [node] = readImport(single, 0) ?? [];
  if (node === undefined || node.row.length < HEADER_BYTES) throw malformed("node", packed.length);
  const { path, row } = node;
  const view = viewOf(row);
  const dataAt = HEADER_BYTES + view.getUint16(2);
  const acl = decodeAcl(row.subarray(HEADER_BYTES, dataAt));
  if (acl === null || dataAt > row.length) throw malformed("node", packed.length);
  return {
    path,
    data: row.subarray(dataAt),
    acl,
    czxid: view.getBigUint64(HEADER_CZXID) as Txnid,
    mzxid: view.getBigUint64(HEADER_MZXID) as Txnid,
    pzxid: view.getBigUint64(HEADER_PZXID) as Txnid,
    ctime: getMs(view, HEADER_CTIME),
    mtime: getMs(view, HEADER_MTIME),
    version: view.getInt32(HEADER_VERSION),
    creates: view.getInt32(HEADER_CREATES),
    aversion: view.getInt32(HEADER_AVERSION),
    owner: view.getBigUint64(HEADER_OWNER),
  };
}

/** A request, without its caller, of nodes that {@link encodeImportedNode} has packed. */
export function encodeImport(packed: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(packed.reduce((sum, one) => sum + one.length, COUNT_BYTES));
  viewOf(bytes).setUint32(0, packed.length);
  let at = COUNT_BYTES;
  for (const one of packed) {
    bytes.set(one, at);
    at += one.length;
  }
  return bytes;
}

/** Null when it cannot be read. */
export function readImport(content: Uint8Array, from: number): readonly ImportedNode[] | null {
  if (content.length < from + COUNT_BYTES) return null;
  const view = viewOf(content);
  const count = view.getUint32(from);
  const nodes: ImportedNode[] = [];
  let at = from + COUNT_BYTES;
  while (nodes.length < count) {
    if (content.length < at + NODE_OVERHEAD_BYTES) return null;
    const rowAt = at + NODE_OVERHEAD_BYTES + view.getUint16(at);
    if (content.length < rowAt) return null;
    const end = rowAt + view.getUint32(rowAt - 4);
    if (content.length < end) return null;
    const path = textOf(content.subarray(at + 2, rowAt - 4));
    if (path === null) return null;
    nodes.push({ path, row: content.subarray(rowAt, end) });
    at = end;
  }
  return at === content.length ? nodes : null;
}

export function encodeImportTransaction(nodes: readonly ImportedNode[]): Uint8Array {
  const packed = nodes.map(({ path, row }) => {
    const name = encoder.encode(path);
    const bytes = new Uint8Array(NODE_OVERHEAD_BYTES + name.length + row.length);
    const view = viewOf(bytes);
    view.setUint16(0, name.length);
    bytes.set(name, 2);
    view.setUint32(2 + name.length, row.length);
    bytes.set(row, NODE_OVERHEAD_BYTES + name.length);
    return bytes;
  });
  const content = encodeImport(packed);
  const transaction = new Uint8Array(4 + content.length);
  viewOf(transaction).setUint32(0, FORMAT_WORD);
  transaction.set(content, 4);
  return transaction;
}

/** @throws InvariantError: an entry that was committed and cannot be read means divergence. */
export function decodeImportTransaction(content: Uint8Array): readonly ImportedNode[] {
  const isKnown = content.length >= 4 && int32At(content, 0) === FORMAT_WORD;
  const nodes = isKnown ? readImport(content, 4) : null;
  assert(nodes !== null, "an import's format is known");
  return nodes;
}

function textOf(bytes: Uint8Array): string | null {
  try {
    return decoder.decode(bytes);
  } catch {
    // Not UTF-8, hence no path.
    return null;
  }
}
