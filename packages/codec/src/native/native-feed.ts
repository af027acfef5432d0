import { Packr } from "msgpackr";
import {
  OpCode,
  QuorateError,
  toTxnid,
  TXNID_ZERO,
  type CommittedEvent,
  type CommittedOperation,
  type Txnid,
} from "@quorate/protocol";

/**
 * Subscriptions to committed entries on the native port.
 *
 *   client → server  [id, 47, prefix, u64 after, 0]   subscribe; all ones: from now on
 *                    [id, 48, "", u64 txnid, 0]       everything up to it was taken; no answer
 *                    [id, 49, "", "", 0]              end it; answered like any request
 *   server → client  [id, txnid, [event, ...]]        what matched up to txnid; none: a bookmark
 *   event            [txnid, [operation, ...]]
 *   operation        [1, path, data, time ms]             create
 *                    [2, path, data, time ms, version]    set
 *                    [3, path]                            delete
 *                    [7, key, data]                       broadcast
 *
 * `id` is the subscription's in all of them. It ends with a refusal under its id.
 */
export interface NativeEvents {
  readonly id: number;
  /** Whoever has this message has seen everything up to here. */
  readonly upTo: Txnid;
  readonly events: readonly CommittedEvent[];
}

export const NATIVE_OP_SUBSCRIBE = 47;
export const NATIVE_OP_TAKEN = 48;
export const NATIVE_OP_UNSUBSCRIBE = 49;

const FROM_NOW = 0xffff_ffff_ffff_ffffn;

const packr = new Packr({ useRecords: false });

/** The events alone: the same bytes serve every subscription that they go to. */
export function encodeEvents(events: readonly CommittedEvent[]): Uint8Array {
  return packr.pack(
    events.map(({ txnid, operations }) => [txnid, operations.map((one) => packOperation(one))]),
  );
}

/** What precedes {@link encodeEvents} in a frame of one message, for one subscription. */
export function encodeEventsHead(id: number, upTo: Txnid): Uint8Array {
  const head = new Uint8Array(16);
  const view = new DataView(head.buffer);
  head[0] = 0x91; // a frame of one message
  head[1] = 0x93; // of three fields
  head[2] = 0xce; // uint 32
  view.setUint32(3, id);
  head[7] = 0xcf; // uint 64
  view.setBigUint64(8, upTo);
  return head;
}

export function encodeSubscribe(after: Txnid | null): Uint8Array {
  return u64(after ?? FROM_NOW);
}

/** Null: from now on. @throws ERR_ARG_VALUE. */
export function decodeSubscribe(content: Uint8Array): Txnid | null {
  const value = readU64(content);
  return value === FROM_NOW ? null : toTxnid(value);
}

export function encodeTaken(upTo: Txnid): Uint8Array {
  return u64(upTo);
}

/** @throws ERR_ARG_VALUE. */
export function decodeTaken(content: Uint8Array): Txnid {
  return toTxnid(readU64(content));
}

/** @throws ERR_PROTOCOL_DECODE. */
export function readEvents(rows: readonly unknown[]): CommittedEvent[] {
  return rows.map((row) => {
    if (!Array.isArray(row)) throw malformed("an event is an array");
    const [txnid, operations] = row as readonly unknown[];
    if (!Array.isArray(operations) || operations.length === 0) throw malformed("operations");
    return { txnid: unpackTxnid(txnid), operations: operations.map(readOperation) };
  });
}

function packOperation(operation: CommittedOperation): unknown[] {
  const { path } = operation;
  switch (operation.kind) {
    case "create":
      return [OpCode.add, path, operation.data, operation.timeMs];
    case "set":
      return [OpCode.set, path, operation.data, operation.timeMs, operation.version];
    case "delete":
      return [OpCode.delete, path];
    case "setAcl":
      return [OpCode.setAcl, path, operation.version];
    case "broadcast":
      return [OpCode.broadcast, path, operation.data];
  }
}

function readOperation(row: unknown): CommittedOperation {
  if (!Array.isArray(row)) throw malformed("an operation is an array");
  const [op, path, data, timeMs, version] = row as readonly unknown[];
  if (typeof path !== "string") throw malformed("path");
  if (op === OpCode.delete) return { kind: "delete", path };
  if (op === OpCode.setAcl && typeof data === "number") {
    return { kind: "setAcl", path, version: data };
  }
  if (!(data instanceof Uint8Array)) throw malformed("data");
  if (op === OpCode.broadcast) return { kind: "broadcast", path, data };
  if (typeof timeMs !== "number") throw malformed("time");
  if (op === OpCode.add) return { kind: "create", path, data, timeMs };
  if (op !== OpCode.set || typeof version !== "number") throw malformed("operation");
  return { kind: "set", path, data, timeMs, version };
}

export function packTxnid(txnid: Txnid): number | bigint {
  return txnid === TXNID_ZERO ? 0 : txnid;
}

export function unpackTxnid(value: unknown): Txnid {
  if (value === 0) return TXNID_ZERO;
  if (typeof value !== "bigint" || value < 0n) throw malformed("txnid");
  return toTxnid(value);
}

export function malformed(what: string, cause?: unknown): QuorateError {
  return new QuorateError("ERR_PROTOCOL_DECODE", `malformed native frame: ${what}`, { cause });
}

function u64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return bytes;
}

function readU64(content: Uint8Array): bigint {
  if (content.length !== 8) {
    throw new QuorateError("ERR_ARG_VALUE", "the content of a subscription is one u64");
  }
  return new DataView(content.buffer, content.byteOffset, 8).getBigUint64(0);
}
