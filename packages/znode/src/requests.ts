import { MULTI_OPERATIONS_MAX, QuorateError, SESSION_PASSWORD_BYTES } from "@quorate/protocol";
import { encodeAcl, type AclEntry } from "./acl.js";
import { CreateMode } from "./create-mode.js";
import { ZnodeOp } from "./op.js";
import { Slab } from "./slab.js";
import { setMs, viewOf } from "./stat.js";

/**
 * Contents of requests as a client writes them, big-endian. The path travels as the request's key.
 *   create         u8 mode (ZooKeeper's flags) | u64 time to live ms, 0 without | acl | data
 *   set            i32 expected version | data
 *   delete, check  i32 expected version
 *   setAcl         i32 expected version of the ACL | acl
 *   multi          u32 count | count times: u8 op | u16 bytes, path | u32 bytes, that op's content
 *   get, exists, children, getAcl, countAllChildren   nothing
 *   getEphemerals  nothing; the key is a prefix of paths
 *   importNodes    see import-format.ts; the key is empty
 *   broadcast      the content itself
 * Where acl is u16 bytes and the entries of acl.ts; no bytes are the open one. Expected version -1
 * means any. The key of a multi is empty.
 *
 * The node that a client is connected to puts the caller before all of these but the broadcast's.
 * The next ones it makes by itself, without a caller and with an empty key; deleteExpired has the
 * path as its key, and only a leader asks for it.
 *   createSession  u64 id | i32 timeout ms | 16 bytes password
 *   closeSession   u64 id
 *   resumeSession  u64 id | i32 timeout ms, 0: as it is | 16 bytes password
 *   deleteExpired  i32 0
 */

export const ANY_VERSION = -1;

export const CREATE_HEADER_BYTES = 11;
export const SET_HEADER_BYTES = 4;
export const DELETE_BYTES = 4;
export const SET_ACL_HEADER_BYTES = 6;
export const MULTI_HEADER_BYTES = 4;
export const MULTI_OPERATION_HEADER_BYTES = 7;
export const CREATE_SESSION_BYTES = 12 + SESSION_PASSWORD_BYTES;
export const CLOSE_SESSION_BYTES = 8;
export const RESUME_SESSION_BYTES = CREATE_SESSION_BYTES;

const NO_CONTENT = new Uint8Array(0);
/** Requests live until they are answered: the pieces of one slab become free at about one time. */
const slab = new Slab();
const encoder = new TextEncoder();

export interface CreateRequest {
  readonly data: Uint8Array;
  /** Default: an ordinary, persistent node. */
  readonly mode?: CreateMode;
  /** Of the modes that have one, in whole ms. */
  readonly ttlMs?: number;
  /** Default: everybody may do everything. */
  readonly acl?: readonly AclEntry[];
}

/** @throws ERR_ARG_TOO_LARGE for the ACL. */
export function encodeCreate(request: CreateRequest): Uint8Array {
  const { data, mode = CreateMode.persistent, ttlMs = 0, acl } = request;
  const entries = acl === undefined ? NO_CONTENT : encodeAcl(acl);
  const content = slab.piece(CREATE_HEADER_BYTES + entries.length + data.length);
  const view = viewOf(content);
  view.setUint8(0, mode);
  setMs(view, 1, ttlMs);
  view.setUint16(9, entries.length);
  content.set(entries, CREATE_HEADER_BYTES);
  content.set(data, CREATE_HEADER_BYTES + entries.length);
  return content;
}

/** What is no int32 would become one, and guard another version than the one that was meant. */
function versionOf({ version = ANY_VERSION }: { readonly version?: number }): number {
  if (Number.isInteger(version) && version === (version | 0)) return version;
  throw new QuorateError("ERR_ARG_VALUE", `version: ${version} is not a 32-bit integer`);
}

/**
 * `version` is the one the node must have, int32; any when absent.
 * @throws ERR_ARG_VALUE.
 */
export function encodeSet(request: {
  readonly data: Uint8Array;
  readonly version?: number;
}): Uint8Array {
  const version = versionOf(request);
  const length = SET_HEADER_BYTES + request.data.length;
  const at = slab.reserve(length);
  slab.view.setInt32(at, version);
  slab.bytes.set(request.data, at + SET_HEADER_BYTES);
  return slab.bytes.subarray(at, at + length);
}

/** Also of a check. `version` as in {@link encodeSet}. */
export function encodeDelete(request: { readonly version?: number } = {}): Uint8Array {
  const content = new Uint8Array(DELETE_BYTES);
  viewOf(content).setInt32(0, versionOf(request));
  return content;
}

/** `version` is the one the ACL must have. @throws ERR_ARG_TOO_LARGE for the ACL. */
export function encodeSetAcl(request: {
  readonly acl: readonly AclEntry[];
  readonly version?: number;
}): Uint8Array {
  const entries = encodeAcl(request.acl);
  const content = new Uint8Array(SET_ACL_HEADER_BYTES + entries.length);
  const view = viewOf(content);
  view.setInt32(0, versionOf(request));
  view.setUint16(4, entries.length);
  content.set(entries, SET_ACL_HEADER_BYTES);
  return content;
}

/** The content of a read. */
export function encodeRead(): Uint8Array {
  return NO_CONTENT;
}

/** One operation of a multi. */
export type MultiOperation =
  | ({ readonly kind: "create"; readonly path: string } & CreateRequest)
  | {
      readonly kind: "set";
      readonly path: string;
      readonly data: Uint8Array;
      readonly version?: number;
    }
  | { readonly kind: "delete" | "check"; readonly path: string; readonly version?: number };

/** @throws ERR_ARG_TOO_LARGE for an ACL, a path or the number of operations. */
export function encodeMulti(operations: readonly MultiOperation[]): Uint8Array {
  return encodeMultiParts(
    operations.map((operation) => ({
      op: ZnodeOp[operation.kind],
      path: operation.path,
      content: contentOf(operation),
    })),
  );
}

/** The same of operations that are encoded already. @throws ERR_ARG_TOO_LARGE. */
export function encodeMultiParts(
  parts: readonly { readonly op: number; readonly path: string; readonly content: Uint8Array }[],
): Uint8Array {
  if (parts.length > MULTI_OPERATIONS_MAX) {
    throw new QuorateError(
      "ERR_ARG_TOO_LARGE",
      `a multi has at most ${MULTI_OPERATIONS_MAX} operations`,
    );
  }
  const paths = parts.map(({ path }) => encoder.encode(path));
  let length = MULTI_HEADER_BYTES;
  for (const [index, part] of parts.entries()) {
    const bytes = paths[index]?.length ?? 0;
    if (bytes > 0xffff) throw new QuorateError("ERR_ARG_TOO_LARGE", "a path is too long");
    length += MULTI_OPERATION_HEADER_BYTES + bytes + part.content.length;
  }
  const content = new Uint8Array(length);
  const view = viewOf(content);
  view.setUint32(0, parts.length);
  let at = MULTI_HEADER_BYTES;
  for (const [index, part] of parts.entries()) {
    const path = paths[index] ?? NO_CONTENT;
    view.setUint8(at, part.op);
    view.setUint16(at + 1, path.length);
    content.set(path, at + 3);
    at += 3 + path.length;
    view.setUint32(at, part.content.length);
    content.set(part.content, at + 4);
    at += 4 + part.content.length;
  }
  return content;
}

function contentOf(operation: MultiOperation): Uint8Array {
  if (operation.kind === "create") return encodeCreate(operation);
  if (operation.kind === "set") return encodeSet(operation);
  return encodeDelete(operation);
}

export interface SessionRequest {
  /** The node's id in the high byte, the rest at random. */
  readonly id: bigint;
  readonly timeoutMs: number;
  /** Sixteen bytes, at random. */
  readonly password: Uint8Array;
}

export function encodeCreateSession({ id, timeoutMs, password }: SessionRequest): Uint8Array {
  const content = new Uint8Array(CREATE_SESSION_BYTES);
  const view = viewOf(content);
  view.setBigUint64(0, id);
  view.setInt32(8, timeoutMs);
  content.set(password, 12);
  return content;
}

export function encodeCloseSession(id: bigint): Uint8Array {
  const content = new Uint8Array(CLOSE_SESSION_BYTES);
  viewOf(content).setBigUint64(0, id);
  return content;
}

/** `timeoutMs` is the one that it has from then on; 0 leaves it as it is. */
export interface ResumeRequest {
  readonly id: bigint;
  readonly timeoutMs: number;
  readonly password: Uint8Array;
}

export function encodeResumeSession(request: ResumeRequest): Uint8Array {
  return encodeCreateSession(request);
}

/** Null when it cannot be read. The password is a view. */
export function decodeResumeSession(content: Uint8Array): ResumeRequest | null {
  if (content.length !== RESUME_SESSION_BYTES) return null;
  const view = viewOf(content);
  const [id, timeoutMs] = [view.getBigUint64(0), view.getInt32(8)];
  return { id, timeoutMs, password: content.subarray(12) };
}

export function encodeDeleteExpired(): Uint8Array {
  return new Uint8Array(DELETE_BYTES);
}

/** Operations whose content starts with who asks: all that a client may ask of the tree. */
const ops: ReadonlySet<number> = new Set<number>([
  ZnodeOp.create,
  ZnodeOp.set,
  ZnodeOp.delete,
  ZnodeOp.setAcl,
  ZnodeOp.multi,
  ZnodeOp.importNodes,
  ZnodeOp.get,
  ZnodeOp.exists,
  ZnodeOp.children,
  ZnodeOp.getAcl,
  ZnodeOp.getEphemerals,
  ZnodeOp.countAllChildren,
]);

export function hasCaller(op: number): boolean {
  return ops.has(op);
}

/** What a front end hands on: an encoded caller before what its client has sent. */
export function withCaller(caller: Uint8Array, content: Uint8Array): Uint8Array {
  const joined = slab.piece(caller.length + content.length);
  joined.set(caller);
  joined.set(content, caller.length);
  return joined;
}
