import { CONTENT_BYTES_MAX, MULTI_OPERATIONS_MAX, type Prepared } from "@quorate/protocol";
import type { Ask, Judge, Preparation } from "./judge.js";
import { NAMED_PATH_BYTES_MAX } from "./limits.js";
import { ZnodeOp } from "./op.js";
import { pathBytes } from "./paths.js";
import { prepareCheck, prepareCreate, prepareDelete, prepareSet } from "./prepare-node.js";
import { refuse, unreadable, type Refusal } from "./refusals.js";
import { MULTI_HEADER_BYTES, MULTI_OPERATION_HEADER_BYTES } from "./requests.js";
import { viewOf } from "./stat.js";
import {
  encodeMultiTransaction,
  multiPartBytes,
  MULTI_TRANSACTION_HEADER_BYTES,
  type MultiPart,
} from "./transactions.js";

/** What may stand in a multi, as in ZooKeeper. */
const preparations: ReadonlyMap<number, Preparation> = new Map<number, Preparation>([
  [ZnodeOp.create, prepareCreate],
  [ZnodeOp.set, prepareSet],
  [ZnodeOp.delete, prepareDelete],
  [ZnodeOp.check, prepareCheck],
]);

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

interface Part {
  readonly op: number;
  readonly path: string;
  readonly content: Uint8Array;
}

/**
 * All of its operations or none: each is judged by what the ones before it leave, and the first
 * that is refused takes back what they left.
 */
export function prepareMulti(judge: Judge, ask: Ask): Prepared {
  const { content, at } = ask;
  if (content.length < at + MULTI_HEADER_BYTES) return unreadable();
  const view = viewOf(content);
  const count = view.getUint32(at);
  if (count > MULTI_OPERATIONS_MAX) {
    return refuse("ERR_ARG_TOO_LARGE", `a multi has at most ${MULTI_OPERATIONS_MAX} operations`);
  }
  const requests = readParts(content, at + MULTI_HEADER_BYTES, count);
  if (requests === null) return unreadable();
  const { overlay } = judge;
  overlay.begin();
  const parts: MultiPart[] = [];
  let bytes = MULTI_TRANSACTION_HEADER_BYTES;
  for (const [index, request] of requests.entries()) {
    const prepared = prepareOne(judge, ask, request);
    if (!prepared.ok) {
      overlay.rollBack();
      return { ...prepared, at: index };
    }
    const named = pathBytes(prepared.key);
    bytes += multiPartBytes(named, prepared.content);
    if (bytes > CONTENT_BYTES_MAX || named > NAMED_PATH_BYTES_MAX) {
      overlay.rollBack();
      const message = "the transaction of the multi, or a path in it, is too long";
      return { ...refuse("ERR_ARG_TOO_LARGE", message), at: index };
    }
    parts.push({ op: prepared.op, path: prepared.key, content: prepared.content });
  }
  overlay.keep();
  const packed = encodeMultiTransaction(judge.slab, parts, bytes);
  return { ok: true, op: ZnodeOp.multi, key: "", content: packed };
}

function prepareOne(judge: Judge, ask: Ask, { op, path, content }: Part): Prepared | Refusal {
  const prepare = preparations.get(op);
  if (prepare === undefined) {
    return refuse("ERR_ZNODE_BAD_ARGUMENTS", `operation ${op} cannot be part of a multi`);
  }
  return prepare(judge, { path, content, at: 0, asker: ask.asker, context: ask.context });
}

/** Null when the bytes are not that many operations and nothing else. */
function readParts(content: Uint8Array, from: number, count: number): Part[] | null {
  // An operation takes this much at least: a forged count cannot ask for more than was sent.
  if (count * MULTI_OPERATION_HEADER_BYTES > content.length - from) return null;
  const view = viewOf(content);
  const parts: Part[] = [];
  let at = from;
  while (parts.length < count) {
    if (at + MULTI_OPERATION_HEADER_BYTES > content.length) return null;
    const pathEnd = at + 3 + view.getUint16(at + 1);
    if (pathEnd + 4 > content.length) return null;
    const end = pathEnd + 4 + view.getUint32(pathEnd);
    if (end > content.length) return null;
    let path: string;
    try {
      path = decoder.decode(content.subarray(at + 3, pathEnd));
    } catch {
      // Not UTF-8.
      return null;
    }
    parts.push({ op: view.getUint8(at), path, content: content.subarray(pathEnd + 4, end) });
    at = end;
  }
  return at === content.length ? parts : null;
}
