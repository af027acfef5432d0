import {
  CONTENT_BYTES_MAX,
  EPOCH_MAX,
  isErrorCode,
  KEY_BYTES_MAX,
  NODE_ID_MAX,
  NODE_ID_MIN,
  OP_CODE_MAX,
  parseBatch,
  QuorateError,
  toIdentity,
  TOUCHES_PER_HEARTBEAT_MAX,
  type Chain,
  type ChainHash,
  type EntryBatch,
  type Epoch,
  type ErrorCode,
  type Identity,
  type LogPosition,
  type NodeId,
  type Standing,
  type Txnid,
} from "@quorate/protocol";
import { ERROR_TEXT_CHARS_MAX } from "./wire-limits.js";

/** Each reader takes one decoded value and returns it typed and in range, or refuses it. */

const UINT64_MAX = 0xffff_ffff_ffff_ffffn;
const fids: readonly string[] = Array.from({ length: NODE_ID_MAX + 1 }, (_, id) => String(id));
const fidNumbers: ReadonlyMap<string, number> = new Map(fids.map((fid, id) => [fid, id]));
const standings: readonly Standing[] = ["member", "empty", "recovering"];

export function malformed(what: string, details: Record<string, unknown> = {}): QuorateError {
  return new QuorateError("ERR_PROTOCOL_DECODE", `malformed: ${what}`, { details });
}

/** Runs a decoder so that nothing but a QuorateError of the protocol comes out of it. */
export function decoding<T>(what: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (error instanceof QuorateError && error.code.startsWith("ERR_PROTOCOL_")) throw error;
    throw new QuorateError("ERR_PROTOCOL_DECODE", `malformed: ${what}`, { cause: error });
  }
}

/** An unsigned integer up to `max`, at most 2^53 - 1. */
export function readUint(value: unknown, max: number, what: string): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0 || value > max) {
    throw malformed(what);
  }
  return value;
}

export function readUint64(value: unknown, what: string): bigint {
  if (typeof value !== "bigint" || value < 0n || value > UINT64_MAX) throw malformed(what);
  return value;
}

export function readBoolean(value: unknown, what: string): boolean {
  if (typeof value !== "boolean") throw malformed(what);
  return value;
}

export function readBytes(value: unknown, lengthMax: number, what: string): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length > lengthMax) throw malformed(what);
  return value;
}

export function readText(value: unknown, charsMax: number, what: string): string {
  if (typeof value !== "string" || value.length > charsMax) throw malformed(what);
  return value;
}

export function readEpoch(value: unknown): Epoch {
  return readUint(value, EPOCH_MAX, "epoch") as Epoch;
}

export function readTxnid(value: unknown): Txnid {
  return readUint64(value, "txnid") as Txnid;
}

export function readPosition(txnid: unknown, chain: unknown): LogPosition {
  return { txnid: readTxnid(txnid), chain: readUint64(chain, "chain") as Chain };
}

export function readNodeId(value: unknown): NodeId {
  const id = readUint(value, NODE_ID_MAX, "node id");
  if (id < NODE_ID_MIN) throw malformed("node id");
  return id as NodeId;
}

/** The fid of a configured node. */
export function readNodeFid(value: unknown): string {
  return fids[readNodeId(value)] ?? "";
}

/** An origin's fid; "0" stands for the ensemble itself. */
export function readOriginFid(value: unknown): string {
  return fids[readUint(value, NODE_ID_MAX, "fid")] ?? "";
}

/** @throws ERR_ARG_NODE_ID: the caller's mistake, not a peer's. */
export function writeFid(fid: string): number {
  const id = fidNumbers.get(fid);
  if (id === undefined) {
    throw new QuorateError("ERR_ARG_NODE_ID", "a fid is a node id in decimal");
  }
  return id;
}

export function readOp(value: unknown): number {
  return readUint(value, OP_CODE_MAX, "op code");
}

export function readKey(value: unknown): string {
  // That it is at most so many bytes has been checked before it was decoded.
  return readText(value, KEY_BYTES_MAX, "key");
}

export function readContent(value: unknown): Uint8Array {
  return readBytes(value, CONTENT_BYTES_MAX, "content");
}

export function readIdentity(value: unknown): Identity {
  return toIdentity(readText(value, 32, "identity"));
}

export function readStanding(value: unknown): Standing {
  const standing = standings[readUint(value, standings.length - 1, "standing")];
  if (standing === undefined) throw malformed("standing");
  return standing;
}

export function writeStanding(standing: Standing): number {
  return standings.indexOf(standing);
}

/**
 * A well-formed code that this version does not know becomes ERR_SERVER_INTERNAL: a newer peer may
 * have codes of its own, and losing the pipe over one would make every rolling upgrade an outage.
 */
export function readErrorCode(value: unknown): ErrorCode {
  const code = readText(value, 64, "error code");
  if (isErrorCode(code)) return code;
  if (!/^ERR_[A-Z0-9_]+$/.test(code)) throw malformed("error code");
  return "ERR_SERVER_INTERNAL";
}

export function readErrorText(value: unknown): string {
  return readText(value, ERROR_TEXT_CHARS_MAX, "error text");
}

export function writeErrorText(text: string): string {
  return text.length > ERROR_TEXT_CHARS_MAX ? text.slice(0, ERROR_TEXT_CHARS_MAX) : text;
}

const SESSION_BYTES = 8;
const NO_TOUCHES: readonly bigint[] = [];
const NO_BYTES = new Uint8Array();

/** Session ids, big-endian, one after the other: one value of the frame, however many they are. */
export function writeTouches(touches: readonly bigint[]): Uint8Array {
  if (touches.length === 0) return NO_BYTES;
  if (touches.length > TOUCHES_PER_HEARTBEAT_MAX) {
    throw new QuorateError("ERR_ARG_TOO_LARGE", "too many sessions for one heartbeat");
  }
  const bytes = new Uint8Array(touches.length * SESSION_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [index, id] of touches.entries()) view.setBigUint64(index * SESSION_BYTES, id);
  return bytes;
}

export function readTouches(value: unknown): readonly bigint[] {
  const bytes = readBytes(value, TOUCHES_PER_HEARTBEAT_MAX * SESSION_BYTES, "touches");
  if (bytes.length === 0) return NO_TOUCHES;
  if (bytes.length % SESSION_BYTES !== 0) throw malformed("touches");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / SESSION_BYTES }, (_, index) =>
    view.getBigUint64(index * SESSION_BYTES),
  );
}

/** A block keeps at most half as much again of its frame alive, and that only for small batches. */
const KEPT_SHARE_MIN = 2 / 3;

/**
 * A block that is most of its frame stays a view of it: copying would hold the same bytes twice.
 * Any other is copied out, because batches outlive their frame (they wait for the disk, for slow
 * peers and for their commit), and a view would keep all of the frame alive.
 */
export function readBatch(value: unknown, hash: ChainHash): EntryBatch {
  if (!(value instanceof Uint8Array)) throw malformed("batch");
  const { buffer, byteOffset, length } = value;
  const isMost = length >= buffer.byteLength * KEPT_SHARE_MIN;
  // Never a Buffer, whose `slice` copies nothing.
  const bytes = isMost ? new Uint8Array(buffer, byteOffset, length) : new Uint8Array(value);
  return parseBatch(bytes, hash);
}
