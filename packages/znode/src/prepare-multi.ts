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
  isListOfParts,
  multiPartBytes,
  MULTI_TRANSACTION_HEADER_BYTES,
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
  if (!isReadable(content, view, at + MULTI_HEADER_BYTES, count)) return unreadable();
  const { overlay, parts } = judge;
  overlay.begin();
  parts.start(MULTI_TRANSACTION_HEADER_BYTES);
  let index = -1;
  for (const request of partsIn(content, view, at + MULTI_HEADER_BYTES)) {
    index += 1;
    const prepared = prepareOne(judge, ask, request);
    if (!prepared.ok) {
      overlay.rollBack();
      return { ...prepared, at: index };
    }
    const named = pathBytes(prepared.key);
    const bytes = parts.byteLength + multiPartBytes(named, prepared.content);
    if (bytes > CONTENT_BYTES_MAX || named > NAMED_PATH_BYTES_MAX) {
      overlay.rollBack();
      const message = "the transaction of the multi, or a path in it, is too long";
      return { ...refuse("ERR_ARG_TOO_LARGE", message), at: index };
    }
    parts.addOperation(prepared.op, prepared.key, prepared.content);
  }
  overlay.keep();
  const packed = encodeMultiTransaction(judge.slab, parts);
  return { ok: true, op: ZnodeOp.multi, key: "", content: packed };
}

function prepareOne(judge: Judge, ask: Ask, { op, path, content }: Part): Prepared | Refusal {
  const prepare = preparations.get(op);
  if (prepare === undefined) {
    return refuse("ERR_ZNODE_BAD_ARGUMENTS", `operation ${op} cannot be part of a multi`);
  }
  return prepare(judge, { path, content, at: 0, asker: ask.asker, context: ask.context });
}

/** Whether the bytes are that many operations, with paths in UTF-8, and nothing else. */
function isReadable(content: Uint8Array, view: DataView, from: number, count: number): boolean {
  // An operation takes this much at least: a forged count cannot ask for more than was sent.
  if (count * MULTI_OPERATION_HEADER_BYTES > content.length - from) return false;
  if (!isListOfParts(content, view, from, count)) return false;
  for (let at = from; at < content.length;) {
    const pathEnd = at + 3 + view.getUint16(at + 1);
    if (!isText(content, at + 3, pathEnd)) return false;
    at = pathEnd + 4 + view.getUint32(pathEnd);
  }
  return true;
}

function isText(bytes: Uint8Array, from: number, to: number): boolean {
  let at = from;
  while (at < to && (bytes[at] ?? 0) < 0x80) at += 1;
  if (at === to) return true;
  try {
    decoder.decode(bytes.subarray(at, to));
    return true;
  } catch {
    return false;
  }
}

/** Of a readable multi, one after the other: they are not kept until the last one is judged. */
function* partsIn(content: Uint8Array, view: DataView, from: number): Generator<Part, undefined> {
  for (let at = from; at < content.length;) {
    const pathEnd = at + 3 + view.getUint16(at + 1);
    const end = pathEnd + 4 + view.getUint32(pathEnd);
    const path = decoder.decode(content.subarray(at + 3, pathEnd));
    yield { op: view.getUint8(at), path, content: content.subarray(pathEnd + 4, end) };
    at = end;
  }
}
