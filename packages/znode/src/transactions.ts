import { assert, type SessionOwner } from "@quorate/protocol";
import { NO_OWNER } from "./create-mode.js";
import { toSessionOwner } from "./session-owner.js";
import type { PartList } from "./part-list.js";
import type { Slab } from "./slab.js";
import { int32At, msAt, setMs, viewOf } from "./stat.js";

/**
 * Contents of prepared transactions, big-endian; path and txnid come with the entry. They carry
 * what the leader decided, so that applying asks nothing of the state and can be repeated.
 *   create  u8 format (1) | u8 has owner | u16 ACL bytes | i32 creates of the parent |
 *           u64 time ms | u64 ephemeral owner, if it has one | ACL | data
 *   set     u8 format (1) | u8 0 | u16 ACL bytes | i32 version  | u64 time ms | ACL | data
 *   setAcl  u8 format (1) | u8 0 | u16 ACL bytes | i32 aversion | ACL
 *   delete  u8 format (1) | u8 0 | u16 ACL bytes | ACL
 *   createSession  u8 format (1) | u8 owner | u16 0 | u64 id | i32 timeout ms | 16 bytes password
 *   moveSession    u8 format (2) | u8 owner | u16 0 | u64 id | i32 timeout ms, 0: as it is
 *   closeSession   u8 format (1) | u8 readers | u16 0 | u64 id | u32 count | count times:
 *           u16 bytes, path of an ephemeral | with readers 1: u16 bytes, ACL
 *   multi   u8 format (1) | u8 0 | u16 0 | u32 count | count times:
 *           u8 op | u16 bytes, path | u32 bytes, that op's transaction (of a check: nothing)
 * An ACL is as stored, see acl.ts; no bytes are the open one. A set, a delete and a closeSession
 * have the ACL of what they change only when not everybody may read it: for those who follow the
 * log (ADR 0024); applying does not ask for it. Readers 0: everybody may read them all; 2: there
 * was no room to say who may read which.
 * An owner of a session is the node that it writes through, or 0 for one that nobody knows. A
 * moveSession of format 1 has no timeout, and leaves it as it is: it is from before the timeout of
 * a resumed session could change.
 */

const FORMAT_WORD = 1 << 24;
const MOVE_FORMAT_WORD = 2 << 24;
const HAS_OWNER = 1 << 16;
const ACL_BYTES_MASK = 0xffff;
const WRITE_HEADER_BYTES = 16;
const OWNER_BYTES = 8;
const ACL_HEADER_BYTES = 8;
const WORD_BYTES = 4;
const SESSION_BYTES = 32;
const MOVE_BYTES_WITHOUT_TIMEOUT = 12;
const MOVE_BYTES = MOVE_BYTES_WITHOUT_TIMEOUT + 4;
const SESSION_OWNER_SHIFT = 16;
const SESSION_OWNER_MASK = 0xff << SESSION_OWNER_SHIFT;
const CLOSE_HEADER_BYTES = 16;
const CLOSE_READERS_SHIFT = 16;
const CLOSE_READERS_MASK = 3 << CLOSE_READERS_SHIFT;
const MULTI_HEADER_BYTES = 8;
const OPERATION_HEADER_BYTES = 7;

/** Of each path in a transaction that closes a session, besides its characters. */
export const CLOSE_SESSION_PATH_BYTES = 2;
/** The same of each ACL, where there are any. */
export const CLOSE_SESSION_ACL_BYTES = 2;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const NOTHING = new Uint8Array(0);

/** Of a set. `counter` is the node's version. */
export interface WriteTransaction {
  readonly counter: number;
  readonly timeMs: number;
  /** A view into the entry. Of a set: the node's when not everybody may read it, else nothing. */
  readonly acl: Uint8Array;
  /** A view into the entry. */
  readonly data: Uint8Array;
}

/** `counter` is the parent's number of creates. */
export interface CreateTransaction extends WriteTransaction {
  readonly owner: bigint;
}

export interface AclTransaction {
  readonly aversion: number;
  readonly acl: Uint8Array;
}

export interface SessionTransaction {
  readonly id: bigint;
  readonly timeoutMs: number;
  readonly password: Uint8Array;
  readonly owner: SessionOwner;
}

export interface MoveTransaction {
  readonly id: bigint;
  readonly owner: SessionOwner;
  /** 0: as it is. */
  readonly timeoutMs: number;
}

export interface CloseTransaction {
  readonly id: bigint;
  readonly paths: readonly string[];
  /** Of each path, nothing where everybody may read it; null when there was no room to say. */
  readonly acls: readonly Uint8Array[] | null;
}

export interface MultiPart {
  readonly op: number;
  readonly path: string;
  readonly content: Uint8Array;
}

/** What the leader decided of a create or a set; the data is what follows `dataAt` in `request`. */
export interface Decided {
  readonly counter: number;
  readonly timeMs: number;
  readonly request: Uint8Array;
  readonly dataAt: number;
}

export function encodeSetTransaction(slab: Slab, decided: Decided, acl: Uint8Array): Uint8Array {
  return encodeCreateTransaction(slab, decided, NO_OWNER, acl);
}

export function encodeCreateTransaction(
  slab: Slab,
  { counter, timeMs, request, dataAt }: Decided,
  owner: bigint,
  acl: Uint8Array,
): Uint8Array {
  const ownerBytes = owner === NO_OWNER ? 0 : OWNER_BYTES;
  const aclAt = WRITE_HEADER_BYTES + ownerBytes;
  const length = aclAt + acl.length + request.length - dataAt;
  const at = slab.reserve(length);
  const { bytes, view } = slab;
  view.setUint32(at, FORMAT_WORD | (ownerBytes === 0 ? 0 : HAS_OWNER) | acl.length);
  view.setInt32(at + 4, counter);
  setMs(view, at + 8, timeMs);
  if (ownerBytes !== 0) view.setBigUint64(at + WRITE_HEADER_BYTES, owner);
  if (acl.length > 0) bytes.set(acl, at + aclAt);
  bytes.set(request.subarray(dataAt), at + aclAt + acl.length);
  return bytes.subarray(at, at + length);
}

/** @throws InvariantError: an entry that was committed and cannot be read means divergence. */
export function decodeSetTransaction(content: Uint8Array): WriteTransaction {
  assert(content.length >= WRITE_HEADER_BYTES, "a write transaction has its header");
  const word = int32At(content, 0);
  assert((word & ~ACL_BYTES_MASK) === FORMAT_WORD, "the write transaction's format is known");
  const dataAt = WRITE_HEADER_BYTES + (word & ACL_BYTES_MASK);
  assert(content.length >= dataAt, "a write transaction has its ACL");
  return {
    counter: int32At(content, 4),
    timeMs: msAt(content, 8),
    acl: dataAt === WRITE_HEADER_BYTES ? NOTHING : content.subarray(WRITE_HEADER_BYTES, dataAt),
    data: content.subarray(dataAt),
  };
}

/** @throws InvariantError as {@link decodeSetTransaction}. */
export function decodeCreateTransaction(content: Uint8Array): CreateTransaction {
  assert(content.length >= WRITE_HEADER_BYTES, "a write transaction has its header");
  const word = int32At(content, 0);
  assert(
    (word & ~(HAS_OWNER | ACL_BYTES_MASK)) === FORMAT_WORD,
    "the create transaction's format is known",
  );
  let owner = NO_OWNER;
  let aclAt = WRITE_HEADER_BYTES;
  if ((word & HAS_OWNER) !== 0) {
    assert(content.length >= aclAt + OWNER_BYTES, "a create transaction has its owner");
    owner = viewOf(content).getBigUint64(aclAt);
    aclAt += OWNER_BYTES;
  }
  const dataAt = aclAt + (word & ACL_BYTES_MASK);
  assert(content.length >= dataAt, "a create transaction has its ACL");
  return {
    counter: int32At(content, 4),
    timeMs: msAt(content, 8),
    owner,
    acl: dataAt === aclAt ? NOTHING : content.subarray(aclAt, dataAt),
    data: content.subarray(dataAt),
  };
}

export function encodeAclTransaction(slab: Slab, { aversion, acl }: AclTransaction): Uint8Array {
  const length = ACL_HEADER_BYTES + acl.length;
  const at = slab.reserve(length);
  slab.view.setUint32(at, FORMAT_WORD | acl.length);
  slab.view.setInt32(at + 4, aversion);
  slab.bytes.set(acl, at + ACL_HEADER_BYTES);
  return slab.bytes.subarray(at, at + length);
}

/** @throws InvariantError as {@link decodeSetTransaction}. */
export function decodeAclTransaction(content: Uint8Array): AclTransaction {
  const word = int32At(content, 0);
  const length = ACL_HEADER_BYTES + (word & ACL_BYTES_MASK);
  const isKnown = content.length === length && (word & ~ACL_BYTES_MASK) === FORMAT_WORD;
  assert(isKnown, "the setAcl transaction's format is known");
  return { aversion: int32At(content, 4), acl: content.subarray(ACL_HEADER_BYTES) };
}

export function encodeDeleteTransaction(slab: Slab, acl: Uint8Array): Uint8Array {
  const length = WORD_BYTES + acl.length;
  const at = slab.reserve(length);
  slab.view.setUint32(at, FORMAT_WORD | acl.length);
  if (acl.length > 0) slab.bytes.set(acl, at + WORD_BYTES);
  return slab.bytes.subarray(at, at + length);
}

/** The ACL, as a view. @throws InvariantError as {@link decodeSetTransaction}. */
export function decodeDeleteTransaction(content: Uint8Array): Uint8Array {
  assert(content.length >= WORD_BYTES, "a delete transaction has its header");
  const word = int32At(content, 0);
  const isKnown =
    (word & ~ACL_BYTES_MASK) === FORMAT_WORD &&
    content.length === WORD_BYTES + (word & ACL_BYTES_MASK);
  assert(isKnown, "the delete transaction's format is known");
  return content.subarray(WORD_BYTES);
}

/** From the request, which ends in the same fields. */
export function encodeSessionTransaction(
  slab: Slab,
  request: Uint8Array,
  owner: SessionOwner,
): Uint8Array {
  const at = slab.reserve(SESSION_BYTES);
  slab.view.setUint32(at, FORMAT_WORD | (owner << SESSION_OWNER_SHIFT));
  slab.bytes.set(request, at + WORD_BYTES);
  return slab.bytes.subarray(at, at + SESSION_BYTES);
}

export function encodeMoveTransaction(
  slab: Slab,
  { id, owner, timeoutMs }: MoveTransaction,
): Uint8Array {
  const at = slab.reserve(MOVE_BYTES);
  slab.view.setUint32(at, MOVE_FORMAT_WORD | (owner << SESSION_OWNER_SHIFT));
  slab.view.setBigUint64(at + WORD_BYTES, id);
  slab.view.setInt32(at + MOVE_BYTES_WITHOUT_TIMEOUT, timeoutMs);
  return slab.bytes.subarray(at, at + MOVE_BYTES);
}

/** @throws InvariantError as {@link decodeSetTransaction}. */
export function decodeMoveTransaction(content: Uint8Array): MoveTransaction {
  const hasTimeout = content.length === MOVE_BYTES;
  assert(
    hasTimeout || content.length === MOVE_BYTES_WITHOUT_TIMEOUT,
    "a moveSession transaction has its length",
  );
  return {
    id: viewOf(content).getBigUint64(WORD_BYTES),
    owner: sessionOwnerIn(content, hasTimeout ? MOVE_FORMAT_WORD : FORMAT_WORD),
    timeoutMs: hasTimeout ? int32At(content, MOVE_BYTES_WITHOUT_TIMEOUT) : 0,
  };
}

function sessionOwnerIn(content: Uint8Array, formatWord: number): SessionOwner {
  const word = int32At(content, 0);
  const isKnown = (word & ~SESSION_OWNER_MASK) === formatWord;
  assert(isKnown, "the format of a session's transaction is known");
  return toSessionOwner((word & SESSION_OWNER_MASK) >> SESSION_OWNER_SHIFT);
}

/** @throws InvariantError as {@link decodeSetTransaction}. */
export function decodeSessionTransaction(content: Uint8Array): SessionTransaction {
  assert(content.length === SESSION_BYTES, "a createSession transaction has its length");
  const view = viewOf(content);
  return {
    owner: sessionOwnerIn(content, FORMAT_WORD),
    id: view.getBigUint64(4),
    timeoutMs: view.getInt32(12),
    password: content.subarray(16),
  };
}

/** `bytes` of the paths and their ACLs. */
export function encodeCloseTransaction(
  slab: Slab,
  { id, paths, acls }: CloseTransaction,
  listBytes: number,
): Uint8Array {
  const at = slab.reserve(CLOSE_HEADER_BYTES + listBytes);
  const { bytes, view } = slab;
  const isOpen = acls?.every(({ length }) => length === 0) === true;
  const readers = acls === null ? 2 : isOpen ? 0 : 1;
  view.setUint32(at, FORMAT_WORD | (readers << CLOSE_READERS_SHIFT));
  view.setBigUint64(at + 4, id);
  view.setUint32(at + 12, paths.length);
  let pathAt = at + CLOSE_HEADER_BYTES;
  for (const [index, path] of paths.entries()) {
    const { written } = encoder.encodeInto(path, bytes.subarray(pathAt + 2));
    view.setUint16(pathAt, written);
    pathAt += 2 + written;
    if (readers !== 1) continue;
    const acl = acls?.[index] ?? NOTHING;
    view.setUint16(pathAt, acl.length);
    bytes.set(acl, pathAt + 2);
    pathAt += 2 + acl.length;
  }
  assert(pathAt === at + CLOSE_HEADER_BYTES + listBytes, "a session's paths were counted");
  return bytes.subarray(at, pathAt);
}

/** @throws InvariantError as {@link decodeSetTransaction}. */
export function decodeCloseTransaction(content: Uint8Array): CloseTransaction {
  assert(content.length >= CLOSE_HEADER_BYTES, "a closeSession transaction has its header");
  const word = int32At(content, 0);
  const readers = (word & CLOSE_READERS_MASK) >> CLOSE_READERS_SHIFT;
  const isKnown = (word & ~CLOSE_READERS_MASK) === FORMAT_WORD && readers !== 3;
  assert(isKnown, "the closeSession transaction's format is known");
  const view = viewOf(content);
  const count = view.getUint32(12);
  const paths: string[] = [];
  const acls: Uint8Array[] = [];
  let at = CLOSE_HEADER_BYTES;
  const next = (): Uint8Array => {
    assert(at + 2 <= content.length, "a closeSession names its paths");
    const from = at + 2;
    at = from + view.getUint16(at);
    return content.subarray(from, at);
  };
  while (paths.length < count) {
    paths.push(decoder.decode(next()));
    acls.push(readers === 1 ? next() : NOTHING);
  }
  assert(at === content.length, "a closeSession names its paths");
  return { id: view.getBigUint64(4), paths, acls: readers === 2 ? null : acls };
}

/** Bytes of one operation in a multi. */
export function multiPartBytes(pathBytes: number, content: Uint8Array): number {
  return OPERATION_HEADER_BYTES + pathBytes + content.length;
}

export const MULTI_TRANSACTION_HEADER_BYTES = MULTI_HEADER_BYTES;

/** Of parts that were started behind {@link MULTI_TRANSACTION_HEADER_BYTES}. */
export function encodeMultiTransaction(slab: Slab, parts: PartList): Uint8Array {
  const at = parts.finish(slab);
  slab.view.setUint32(at, FORMAT_WORD);
  slab.view.setUint32(at + 4, parts.length);
  return slab.bytes.subarray(at, at + parts.byteLength);
}

/** One after the other; all lengths are right before the first. @throws InvariantError. */
export function* decodeMultiTransaction(content: Uint8Array): Generator<MultiPart, undefined> {
  assert(content.length >= MULTI_HEADER_BYTES, "a multi transaction has its header");
  assert(int32At(content, 0) === FORMAT_WORD, "the multi transaction's format is known");
  const view = viewOf(content);
  const count = view.getUint32(4);
  const isWhole = isListOfParts(content, view, MULTI_HEADER_BYTES, count);
  assert(isWhole, "a multi has its operations");
  let at = MULTI_HEADER_BYTES;
  for (let i = 0; i < count; i += 1) {
    const op = view.getUint8(at);
    const bodyAt = at + 3 + view.getUint16(at + 1) + 4;
    const path = decoder.decode(content.subarray(at + 3, bodyAt - 4));
    at = bodyAt + view.getUint32(bodyAt - 4);
    yield { op, path, content: content.subarray(bodyAt, at) };
  }
}

/** Whether the rest are that many times u8 op | u16 bytes, path | u32 bytes, content, no more. */
export function isListOfParts(
  bytes: Uint8Array,
  view: DataView,
  from: number,
  count: number,
): boolean {
  let at = from;
  for (let i = 0; i < count; i += 1) {
    if (at + OPERATION_HEADER_BYTES > bytes.length) return false;
    const lengthAt = at + 3 + view.getUint16(at + 1);
    if (lengthAt + 4 > bytes.length) return false;
    at = lengthAt + 4 + view.getUint32(lengthAt);
  }
  return at === bytes.length;
}
