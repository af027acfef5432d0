import { Packr, Unpackr } from "msgpackr";
import {
  CONTENT_BYTES_MAX,
  isErrorCode,
  isKeyTooLong,
  KEY_BYTES_MAX,
  QuorateError,
  type ErrorCode,
  type Txnid,
} from "@quorate/protocol";
import { checkMsgpack } from "./check-msgpack.js";
import {
  NATIVE_DEPTH_MAX,
  NATIVE_ERROR_CHARS_MAX,
  NATIVE_FRAME_MESSAGES_MAX,
  NATIVE_REPLY_DEPTH_MAX,
  NATIVE_REQUEST_ID_MAX,
} from "./limits.js";
import { malformed, packTxnid, readEvents, unpackTxnid, type NativeEvents } from "./native-feed.js";
import { packChange, readChange, type NativeChange } from "./native-session.js";

/**
 * The frames of the native client port. One WebSocket message is one frame, one MessagePack array:
 *
 *   client → server  [[id, op, key, content, flags], ...]      flags: 1 = linearizable read
 *   server → client  [[id, txnid, content], ...]               done; txnid 0 for reads
 *                    [[id, code, message, retryable], ...]     refused; a fifth field: the oldest
 *                                  txnid of a subscription, or which operation of a multi it was
 *                    [[id, txnid, events], ...]                of a subscription (native-feed.ts)
 *                    [[0, txnid, kind, path], ...]             a watched change (native-session.ts)
 *
 * Requests are pipelined; replies come in any order and name their request.
 */
export interface NativeRequest {
  readonly id: number;
  readonly op: number;
  /** A path, for znode operations. */
  readonly key: string;
  readonly content: Uint8Array;
  readonly linearizable: boolean;
}

/** A request that was framed but cannot be read: it is answered with this error. */
export interface UnreadableRequest {
  readonly id: number;
  readonly error: QuorateError;
}

export type NativeReply =
  | { readonly id: number; readonly ok: true; readonly txnid: Txnid; readonly content: Uint8Array }
  | { readonly id: number; readonly ok: false; readonly error: QuorateError };

/** What a connection hears: replies, watched changes, and the events of its subscriptions. */
export type NativeMessage = NativeReply | NativeEvents | NativeChange;

/** Answered by the port itself, at once: tells a silent connection from a slow one. */
export const NATIVE_OP_PING = 0;

const FLAG_LINEARIZABLE = 1;
const FLAGS_KNOWN = FLAG_LINEARIZABLE;

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

export function encodeNativeRequests(requests: readonly NativeRequest[]): Uint8Array {
  const rows = requests.map((request) => [
    request.id,
    request.op,
    request.key,
    request.content,
    request.linearizable ? FLAG_LINEARIZABLE : 0,
  ]);
  return packr.pack(rows);
}

/**
 * Reads a frame of requests.
 * @throws ERR_PROTOCOL_DECODE when the frame, or the id of any of its requests, cannot be read:
 * then nobody can be answered, and the connection is of no use.
 */
export function decodeNativeRequests(frame: Uint8Array): (NativeRequest | UnreadableRequest)[] {
  return rowsOf(frame, NATIVE_DEPTH_MAX).map(readRequest);
}

export function encodeNativeReplies(replies: readonly (NativeReply | NativeChange)[]): Uint8Array {
  return packr.pack(replies.map(packReply));
}

function packReply(reply: NativeReply | NativeChange): unknown[] {
  if ("change" in reply) return packChange(reply);
  return reply.ok
    ? [reply.id, packTxnid(reply.txnid), reply.content]
    : [reply.id, ...packError(reply.error)];
}

function packError({ code, message, retryable, details }: QuorateError): unknown[] {
  const row = [code, message.slice(0, NATIVE_ERROR_CHARS_MAX), retryable];
  const { oldest, at } = details;
  if (typeof oldest === "string") return [...row, oldest];
  return typeof at === "number" && at >= 0 ? [...row, at] : row;
}

/** Reads a frame of a server. @throws ERR_PROTOCOL_DECODE. */
export function decodeNativeReplies(frame: Uint8Array): NativeMessage[] {
  return rowsOf(frame, NATIVE_REPLY_DEPTH_MAX).map(readReply);
}

function rowsOf(frame: Uint8Array, depthMax: number): unknown[] {
  checkMsgpack(frame, depthMax);
  let rows: unknown;
  try {
    rows = unpackr.unpack(frame);
  } catch (cause) {
    throw malformed("msgpack", cause);
  }
  if (!Array.isArray(rows)) throw malformed("a frame is an array");
  if (rows.length > NATIVE_FRAME_MESSAGES_MAX) throw malformed("too many messages");
  return rows;
}

function readRequest(row: unknown): NativeRequest | UnreadableRequest {
  if (!Array.isArray(row)) throw malformed("a request is an array");
  const values: readonly unknown[] = row;
  const [id, op, key, content, flags] = values;
  if (!isId(id)) throw malformed("request id");
  const bad = (what: string): UnreadableRequest => ({ id, error: malformed(what) });
  if (values.length !== 5) return bad("a request has 5 fields");
  if (typeof op !== "number" || !Number.isInteger(op) || op < 0 || op > 255) return bad("op code");
  if (typeof key !== "string") return bad("key");
  if (!(content instanceof Uint8Array)) return bad("content");
  if (typeof flags !== "number" || (flags | FLAGS_KNOWN) !== FLAGS_KNOWN) return bad("flags");
  if (isKeyTooLong(key)) return { id, error: tooLarge("key", KEY_BYTES_MAX) };
  if (content.length > CONTENT_BYTES_MAX) {
    return { id, error: tooLarge("content", CONTENT_BYTES_MAX) };
  }
  return { id, op, key, content, linearizable: (flags & FLAG_LINEARIZABLE) !== 0 };
}

function readReply(row: unknown): NativeMessage {
  if (!Array.isArray(row)) throw malformed("a reply is an array");
  const values: readonly unknown[] = row;
  const [id, second, third, fourth, fifth] = values;
  if (!isId(id)) throw malformed("reply id");
  if (values.length === 3 && third instanceof Uint8Array) {
    return { id, ok: true, txnid: unpackTxnid(second), content: third };
  }
  if (values.length === 3 && Array.isArray(third)) {
    return { id, upTo: unpackTxnid(second), events: readEvents(third) };
  }
  if (id === 0 && values.length === 4 && typeof second !== "string") {
    const change = readChange(unpackTxnid(second), third, fourth);
    if (change === undefined) throw malformed("change");
    return change;
  }
  const details = detailsOf(fifth);
  const isError = values.length === 4 || (values.length === 5 && details !== null);
  if (isError && typeof second === "string" && typeof third === "string") {
    // A newer server may know codes that this client does not.
    const code: ErrorCode = isErrorCode(second) ? second : "ERR_SERVER_INTERNAL";
    const message = isErrorCode(second) ? third : `${second}: ${third}`;
    return {
      id,
      ok: false,
      error: new QuorateError(code, message, {
        retryable: fourth === true,
        ...(details === null ? {} : { details }),
      }),
    };
  }
  throw malformed("reply");
}

/** What the fifth field says; null when it says nothing. */
function detailsOf(field: unknown): Readonly<Record<string, unknown>> | null {
  if (typeof field === "string") return { oldest: field };
  return isId(field) ? { at: field } : null;
}

function isId(value: unknown): value is number {
  return (
    typeof value === "number" &&
    Number.isInteger(value) &&
    value >= 0 &&
    value <= NATIVE_REQUEST_ID_MAX
  );
}

function tooLarge(what: string, bytesMax: number): QuorateError {
  return new QuorateError("ERR_ARG_TOO_LARGE", `${what} exceeds ${bytesMax} bytes`);
}
