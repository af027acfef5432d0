import { OpCode, type LogEntryMsg, type Txnid } from "@quorate/protocol";
import { aclIn, type Acl } from "./acl-rules.js";

/** How long a node stays without anybody's wish; an ephemeral's session is its owner. */
export type Life =
  | { readonly kind: "endless" }
  | { readonly kind: "container" }
  | { readonly kind: "ttl"; readonly ms: number };

/**
 * What a committed entry does, read from its bytes by other code than what applies it: the model
 * must not share its mistakes.
 */
export type Effect =
  | {
      readonly kind: "create";
      readonly path: string;
      /** Of an ephemeral: its session; else 0. */
      readonly owner: bigint;
      readonly life: Life;
      readonly acl: Acl;
      readonly timeMs: number;
      readonly data: string;
    }
  | {
      readonly kind: "set";
      readonly path: string;
      readonly timeMs: number;
      readonly data: string;
    }
  | { readonly kind: "delete"; readonly path: string }
  | {
      readonly kind: "setAcl";
      readonly path: string;
      readonly acl: Acl;
      /** Of the ACL, after it. */
      readonly aversion: number;
    }
  | { readonly kind: "openSession"; readonly id: bigint; readonly timeoutMs: number }
  /** A timeout of 0 leaves it as it is. */
  | { readonly kind: "moveSession"; readonly id: bigint; readonly timeoutMs: number }
  | { readonly kind: "closeSession"; readonly id: bigint };

const decoder = new TextDecoder();

const HEADER_BYTES = 4;
const HAS_OWNER = 0x1_0000;
const ACL_BYTES_MASK = 0xffff;
/** Of a closeSession: whether each path has its ACL behind it. */
const READERS_AT = 1;
const READERS_NAMED = 1;
const VERSION_AT = 4;
const ACL_HEADER_BYTES = 8;
const TIME_AT = 8;
const WRITE_HEADER_BYTES = 16;
const OWNER_BYTES = 8;
const CONTAINER = 1n << 63n;
/** In the highest byte; the time to live in the lowest five. */
const TTL = 0xffn;
const TTL_BITS = 40;

/** In the order in which they happen; all of them at once. */
export function effectsOf(entry: Pick<LogEntryMsg, "op" | "key" | "content">): readonly Effect[] {
  const { op, key, content } = entry;
  switch (op) {
    case OpCode.createSession: {
      const view = viewOf(content);
      const id = view.getBigUint64(HEADER_BYTES);
      return [{ kind: "openSession", id, timeoutMs: view.getInt32(HEADER_BYTES + 8) }];
    }
    case OpCode.moveSession: {
      const view = viewOf(content);
      const id = view.getBigUint64(HEADER_BYTES);
      return [{ kind: "moveSession", id, timeoutMs: view.getInt32(HEADER_BYTES + 8) }];
    }
    case OpCode.closeSession:
      return closeSession(content);
    case OpCode.multi:
      return multi(content);
    default:
      return single(op, key, content);
  }
}

function single(op: number, path: string, content: Uint8Array): readonly Effect[] {
  switch (op) {
    case OpCode.add:
      return [create(path, content)];
    case OpCode.set: {
      const view = viewOf(content);
      const timeMs = Number(view.getBigUint64(TIME_AT));
      // Before them lies the ACL of a node that not everybody may read.
      const dataAt = WRITE_HEADER_BYTES + (view.getUint32(0) & ACL_BYTES_MASK);
      return [{ kind: "set", path, timeMs, data: decoder.decode(content.subarray(dataAt)) }];
    }
    case OpCode.delete:
      return [{ kind: "delete", path }];
    case OpCode.setAcl: {
      const acl = aclIn(content.subarray(ACL_HEADER_BYTES));
      return [{ kind: "setAcl", path, acl, aversion: viewOf(content).getInt32(VERSION_AT) }];
    }
    default:
      return [];
  }
}

function create(path: string, content: Uint8Array): Effect {
  const view = viewOf(content);
  const word = view.getUint32(0);
  const hasOwner = (word & HAS_OWNER) !== 0;
  const marked = hasOwner ? view.getBigUint64(WRITE_HEADER_BYTES) : 0n;
  const life = lifeOf(marked);
  const aclAt = WRITE_HEADER_BYTES + (hasOwner ? OWNER_BYTES : 0);
  const dataAt = aclAt + (word & ACL_BYTES_MASK);
  return {
    kind: "create",
    path,
    owner: life.kind === "endless" ? marked : 0n,
    life,
    acl: aclIn(content.subarray(aclAt, dataAt)),
    timeMs: Number(view.getBigUint64(TIME_AT)),
    data: decoder.decode(content.subarray(dataAt)),
  };
}

function lifeOf(marked: bigint): Life {
  if (marked === CONTAINER) return { kind: "container" };
  if (marked >> 56n !== TTL) return { kind: "endless" };
  return { kind: "ttl", ms: Number(BigInt.asUintN(TTL_BITS, marked)) };
}

function closeSession(content: Uint8Array): readonly Effect[] {
  const view = viewOf(content);
  const id = view.getBigUint64(HEADER_BYTES);
  const count = view.getUint32(HEADER_BYTES + 8);
  const hasAcls = view.getUint8(READERS_AT) === READERS_NAMED;
  const effects: Effect[] = [];
  let at = HEADER_BYTES + 12;
  for (let i = 0; i < count; i += 1) {
    const end = at + 2 + view.getUint16(at);
    effects.push({ kind: "delete", path: decoder.decode(content.subarray(at + 2, end)) });
    at = hasAcls ? end + 2 + view.getUint16(end) : end;
  }
  return [...effects, { kind: "closeSession", id }];
}

function multi(content: Uint8Array): readonly Effect[] {
  const view = viewOf(content);
  const count = view.getUint32(HEADER_BYTES);
  const effects: Effect[] = [];
  let at = HEADER_BYTES + 4;
  for (let i = 0; i < count; i += 1) {
    const op = view.getUint8(at);
    const pathEnd = at + 3 + view.getUint16(at + 1);
    const path = decoder.decode(content.subarray(at + 3, pathEnd));
    const end = pathEnd + 4 + view.getUint32(pathEnd);
    effects.push(...single(op, path, content.subarray(pathEnd + 4, end)));
    at = end;
  }
  return effects;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The closes of sessions among entries, with their txnids; for whoever looks at proposals. */
export function closesOf(
  entries: Iterable<LogEntryMsg>,
): readonly (readonly [txnid: Txnid, session: bigint])[] {
  const closes: (readonly [Txnid, bigint])[] = [];
  for (const { op, txnid, content } of entries) {
    if (op === OpCode.closeSession) closes.push([txnid, viewOf(content).getBigUint64(4)]);
  }
  return closes;
}
