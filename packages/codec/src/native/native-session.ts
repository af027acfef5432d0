import {
  QuorateError,
  SESSION_PASSWORD_BYTES,
  toTxnid,
  type NodeChangeKind,
  type Txnid,
} from "@quorate/protocol";
import { NATIVE_REWATCH_PATHS_MAX } from "./limits.js";

/**
 * Sessions, identities and watches of a connection on the native port. Contents are big-endian.
 *
 *   31 session   u8 0 | u64 seen | i32 timeout ms                        a new one
 *                u8 1 | u64 seen | u64 id | 16 bytes password            taken up again, as it is
 *                u8 2 | the same | i32 timeout ms                        with this timeout
 *                answered by u64 id | i32 timeout ms | 16 bytes password
 *   32 end       nothing: the session is closed, its ephemerals go
 *   33 auth      key: the scheme; what proves it
 *   34 watch     key: a path; u8 kind. Answered by u8: whether there is such a node
 *   35 unwatch   key: a path; u8 type | u8 1: only look whether there is one
 *   36 rewatch   u64 seen | each: u8 kind | u16 bytes, path
 *
 * `seen` is the newest transaction that the client has heard of. What a connection hears unasked
 * has the id 0:
 *
 *   [0, txnid, kind, path]              a change that is watched, before any reply that saw it
 *   [0, code, message, retryable]       its session is gone
 */
export const NATIVE_OP_SESSION = 31;
export const NATIVE_OP_SESSION_END = 32;
export const NATIVE_OP_AUTH = 33;
export const NATIVE_OP_WATCH = 34;
export const NATIVE_OP_UNWATCH = 35;
export const NATIVE_OP_REWATCH = 36;

/** A watched change, as it is told. */
export interface NativeChange {
  readonly id: 0;
  readonly change: NodeChangeKind;
  readonly path: string;
  readonly txnid: Txnid;
}

/** How a watch is set; `exist` is a one-shot watch of data where there was no node. */
export const NATIVE_WATCH_KINDS = [
  "data",
  "exist",
  "child",
  "persistent",
  "persistentRecursive",
] as const;
export type NativeWatchKind = (typeof NATIVE_WATCH_KINDS)[number];

/** What is removed or looked for (ZooKeeper's WatcherType). */
export const NATIVE_WATCH_TYPES = [
  "any",
  "data",
  "children",
  "persistent",
  "persistentRecursive",
] as const;
export type NativeWatchType = (typeof NATIVE_WATCH_TYPES)[number];

/** In the order of ZooKeeper's event types, from 1. */
const CHANGES: readonly NodeChangeKind[] = ["created", "deleted", "dataChanged", "childrenChanged"];

export type SessionOpening =
  | { readonly kind: "new"; readonly seen: Txnid; readonly timeoutMs: number }
  | {
      readonly kind: "resume";
      readonly seen: Txnid;
      readonly id: bigint;
      readonly password: Uint8Array;
      /** That it is to have from then on; null leaves it as it is. */
      readonly timeoutMs: number | null;
    };

export interface OpenedSession {
  readonly id: bigint;
  readonly timeoutMs: number;
  readonly password: Uint8Array;
}

export interface ArmedWatch {
  readonly kind: NativeWatchKind;
  readonly path: string;
}

const NEW_BYTES = 13;
const RESUME_BYTES = 17 + SESSION_PASSWORD_BYTES;
const TIMED_RESUME_BYTES = RESUME_BYTES + 4;
const OPENED_BYTES = 12 + SESSION_PASSWORD_BYTES;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function encodeSessionOpening(opening: SessionOpening): Uint8Array {
  const { kind, seen, timeoutMs } = opening;
  const resumeBytes = timeoutMs === null ? RESUME_BYTES : TIMED_RESUME_BYTES;
  const content = new Uint8Array(kind === "new" ? NEW_BYTES : resumeBytes);
  const view = viewOf(content);
  view.setBigUint64(1, seen);
  if (opening.kind === "new") {
    view.setInt32(9, opening.timeoutMs);
    return content;
  }
  view.setUint8(0, timeoutMs === null ? 1 : 2);
  view.setBigUint64(9, opening.id);
  content.set(opening.password, 17);
  if (timeoutMs !== null) view.setInt32(RESUME_BYTES, timeoutMs);
  return content;
}

/** The password is a view. @throws ERR_ARG_VALUE. */
export function decodeSessionOpening(content: Uint8Array): SessionOpening {
  const view = viewOf(content);
  const kind = content[0];
  if (kind === 0 && content.length === NEW_BYTES) {
    return { kind: "new", seen: toTxnid(view.getBigUint64(1)), timeoutMs: view.getInt32(9) };
  }
  const isTimed = kind === 2 && content.length === TIMED_RESUME_BYTES;
  if (!isTimed && (kind !== 1 || content.length !== RESUME_BYTES)) throw unreadable("session");
  const [seen, id] = [toTxnid(view.getBigUint64(1)), view.getBigUint64(9)];
  const timeoutMs = isTimed ? view.getInt32(RESUME_BYTES) : null;
  return { kind: "resume", seen, id, password: content.subarray(17, RESUME_BYTES), timeoutMs };
}

export function encodeOpenedSession({ id, timeoutMs, password }: OpenedSession): Uint8Array {
  const content = new Uint8Array(OPENED_BYTES);
  const view = viewOf(content);
  view.setBigUint64(0, id);
  view.setInt32(8, timeoutMs);
  content.set(password, 12);
  return content;
}

/** @throws ERR_PROTOCOL_DECODE. */
export function decodeOpenedSession(content: Uint8Array): OpenedSession {
  if (content.length !== OPENED_BYTES) throw malformedAnswer("session");
  const view = viewOf(content);
  const [id, timeoutMs] = [view.getBigUint64(0), view.getInt32(8)];
  return { id, timeoutMs, password: content.slice(12) };
}

export function encodeWatch(kind: NativeWatchKind): Uint8Array {
  return Uint8Array.of(NATIVE_WATCH_KINDS.indexOf(kind));
}

/** @throws ERR_ARG_VALUE. */
export function decodeWatch(content: Uint8Array): NativeWatchKind {
  const kind = NATIVE_WATCH_KINDS[content[0] ?? -1];
  if (content.length !== 1 || kind === undefined) throw unreadable("watch");
  return kind;
}

export function encodeWatched(isThere: boolean): Uint8Array {
  return Uint8Array.of(isThere ? 1 : 0);
}

/** @throws ERR_PROTOCOL_DECODE. */
export function decodeWatched(content: Uint8Array): boolean {
  const [isThere] = content;
  if (content.length !== 1 || isThere === undefined || isThere > 1) throw malformedAnswer("watch");
  return isThere === 1;
}

export function encodeUnwatch(type: NativeWatchType, checkOnly: boolean): Uint8Array {
  return Uint8Array.of(NATIVE_WATCH_TYPES.indexOf(type), checkOnly ? 1 : 0);
}

/** @throws ERR_ARG_VALUE. */
export function decodeUnwatch(content: Uint8Array): {
  readonly type: NativeWatchType;
  readonly checkOnly: boolean;
} {
  const type = NATIVE_WATCH_TYPES[content[0] ?? -1];
  const flag = content[1] ?? 2;
  if (content.length !== 2 || type === undefined || flag > 1) throw unreadable("unwatch");
  return { type, checkOnly: flag === 1 };
}

/** At most {@link NATIVE_REWATCH_PATHS_MAX} of them. */
export function encodeRewatch(seen: Txnid, watches: readonly ArmedWatch[]): Uint8Array {
  const paths = watches.map(({ path }) => encoder.encode(path));
  const length = paths.reduce((sum, path) => sum + 3 + path.length, 8);
  const content = new Uint8Array(length);
  const view = viewOf(content);
  view.setBigUint64(0, seen);
  let at = 8;
  for (const [index, path] of paths.entries()) {
    view.setUint8(at, NATIVE_WATCH_KINDS.indexOf(watches[index]?.kind ?? "data"));
    view.setUint16(at + 1, path.length);
    content.set(path, at + 3);
    at += 3 + path.length;
  }
  return content;
}

/** @throws ERR_ARG_VALUE, ERR_ARG_TOO_LARGE. */
export function decodeRewatch(content: Uint8Array): {
  readonly seen: Txnid;
  readonly watches: readonly ArmedWatch[];
} {
  if (content.length < 8) throw unreadable("rewatch");
  const view = viewOf(content);
  const seen = toTxnid(view.getBigUint64(0));
  const watches: ArmedWatch[] = [];
  for (let at = 8; at < content.length;) {
    const kind = NATIVE_WATCH_KINDS[view.getUint8(at)];
    if (kind === undefined || at + 3 > content.length) throw unreadable("rewatch");
    const end = at + 3 + view.getUint16(at + 1);
    if (end > content.length) throw unreadable("rewatch");
    if (watches.length === NATIVE_REWATCH_PATHS_MAX) {
      throw new QuorateError("ERR_ARG_TOO_LARGE", "too many watches in one request");
    }
    watches.push({ kind, path: textOf(content.subarray(at + 3, end)) });
    at = end;
  }
  return { seen, watches };
}

export function packChange({ change, path, txnid }: Omit<NativeChange, "id">): unknown[] {
  return [0, txnid === 0n ? 0 : txnid, CHANGES.indexOf(change) + 1, path];
}

/** Undefined when the number or the path is none. */
export function readChange(txnid: Txnid, kind: unknown, path: unknown): NativeChange | undefined {
  const change = typeof kind === "number" ? CHANGES[kind - 1] : undefined;
  if (change === undefined || typeof path !== "string") return undefined;
  return { id: 0, change, path, txnid };
}

function textOf(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new QuorateError("ERR_ARG_PATH", "a path is not UTF-8", { cause });
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function unreadable(what: string): QuorateError {
  return new QuorateError("ERR_ARG_VALUE", `unreadable content: ${what}`);
}

function malformedAnswer(what: string): QuorateError {
  return new QuorateError("ERR_PROTOCOL_DECODE", `malformed answer: ${what}`);
}
