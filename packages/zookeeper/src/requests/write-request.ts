import { MULTI_OPERATIONS_MAX, OpCode, QuorateError } from "@quorate/protocol";
import {
  CreateMode,
  encodeCreate,
  encodeDelete,
  encodeMultiParts,
  encodeSet,
  encodeSetAcl,
  type AclEntry,
} from "@quorate/znode";
import type { ValueOf } from "../jute/field.js";
import { MultiRequest, type MultiOp } from "../jute/multi.js";
import { ZkOp } from "../jute/op-codes.js";
import type { JuteReader } from "../jute/reader.js";
import {
  CreateRequest,
  CreateTtlRequest,
  PathVersionRequest,
  SetAclRequest,
  SetDataRequest,
  type Acl,
} from "../jute/records.js";
import type { JuteWriter } from "../jute/writer.js";

import { badPathError, ZkError, zkErrorOf } from "../zk-errors.js";
import { eachOfMulti, writeCreated, writeCreated2, writeNothing, writeStat } from "./answers.js";

/** What a write asks of the service, without its caller, and how its answer becomes a reply. */
export interface WriteRequest {
  readonly op: number;
  readonly key: string;
  readonly content: Uint8Array;
  readonly answer: (answer: Uint8Array, writer: JuteWriter) => void;
  /**
   * The number that the reply's header has; null when there is none that is true. A multi writes
   * what became of each operation and has 0.
   */
  readonly refused: (error: QuorateError, writer: JuteWriter) => number | null;
}

const NO_BYTES = new Uint8Array(0);
const NO_ACL: readonly AclEntry[] = [];

/** @throws ERR_PROTOCOL_DECODE, ERR_ARG_... for what needs no state to be refused. */
export function readWrite(op: number, reader: JuteReader): WriteRequest {
  if (op === ZkOp.multi) return multiOf(MultiRequest.read(reader));
  const part = partOf(readPart(op, reader));
  return {
    op: part.op,
    key: part.path,
    content: part.content,
    answer: part.answer,
    refused: (error) => refusalOf(error, op),
  };
}

interface Part {
  readonly op: number;
  readonly path: string;
  readonly content: Uint8Array;
  readonly answer: (answer: Uint8Array, writer: JuteWriter) => void;
}

function readPart(type: number, reader: JuteReader): MultiOp {
  switch (type) {
    case ZkOp.create:
    case ZkOp.create2:
    case ZkOp.createContainer:
      return { type, request: CreateRequest.read(reader) };
    case ZkOp.createTtl:
      return { type, request: CreateTtlRequest.read(reader) };
    case ZkOp.setData:
      return { type, request: SetDataRequest.read(reader) };
    case ZkOp.delete:
      return { type, request: PathVersionRequest.read(reader) };
    default:
      throw new QuorateError("ERR_ZNODE_UNIMPLEMENTED", "no such write", { details: { type } });
  }
}

function partOf(operation: MultiOp): Part {
  switch (operation.type) {
    case ZkOp.create:
      return createOf(operation.request, -1n, writeCreated);
    case ZkOp.create2:
    case ZkOp.createContainer:
      return createOf(operation.request, -1n, writeCreated2);
    case ZkOp.createTtl:
      return createOf(operation.request, operation.request.ttl, writeCreated2);
    case ZkOp.setData: {
      const { path, data, version } = operation.request;
      const content = encodeSet({ data: data ?? NO_BYTES, version });
      return { op: OpCode.set, path: pathOf(path), content, answer: writeStat };
    }
    case ZkOp.delete:
    case ZkOp.check: {
      const op = operation.type === ZkOp.delete ? OpCode.delete : OpCode.check;
      const { path, version } = operation.request;
      // As there: a delete takes the path apart before it looks at it, and fails at that.
      if (operation.type === ZkOp.delete) checkDeletePath(path);
      const content = encodeDelete({ version });
      return { op, path: pathOf(path), content, answer: writeNothing };
    }
    case ZkOp.getData:
    case ZkOp.getChildren:
      throw unreadable("a read among writes");
  }
}

function checkDeletePath(path: string | null): void {
  if (path === null) throw unreadable("a null path");
  if (!path.includes("/") || path.includes("\0")) throw badArguments("a path without a parent");
}

/** `ttl` is -1 where the request has none. */
function createOf(
  request: ValueOf<typeof CreateRequest>,
  ttl: bigint,
  answer: Part["answer"],
): Part {
  const { path, data, acl, flags } = request;
  if (path === null) throw unreadable("a null path");
  const mode = modes.get(flags);
  if (mode === undefined) throw badArguments("no such create mode");
  const hasTtl = mode === CreateMode.ttl || mode === CreateMode.ttlSequential;
  if (hasTtl ? ttl <= 0n || ttl > TTL_MAX : ttl >= 0n) throw badArguments("no such time to live");
  const content = encodeCreate({
    data: data ?? NO_BYTES,
    mode,
    ttlMs: hasTtl ? Number(ttl) : 0,
    acl: aclOf(acl),
  });
  return { op: OpCode.add, path, content, answer };
}

const modes: ReadonlyMap<number, CreateMode> = new Map(
  Object.values(CreateMode).map((mode) => [mode, mode]),
);
const TTL_MAX = 2n ** 40n - 1n;

/** What no path is, null included, is refused by the machine in its turn. */
function pathOf(path: string | null): string {
  return path ?? "";
}

/** Null and empty lists stay empty, which the machine refuses: ERR_ZNODE_INVALID_ACL. */
function aclOf(acl: readonly ValueOf<typeof Acl>[] | null): readonly AclEntry[] {
  if (acl === null) return NO_ACL;
  return acl.map(({ perms, id: { scheme, id } }) =>
    scheme === null || id === null ? { perms, scheme: "", id: "" } : { perms, scheme, id },
  );
}

export function readSetAcl(reader: JuteReader): WriteRequest {
  const { path, acl, version } = SetAclRequest.read(reader);
  const key = pathOf(path);
  return {
    op: OpCode.setAcl,
    key,
    content: encodeSetAcl({ acl: aclOf(acl), version }),
    answer: writeStat,
    refused: (error) => refusalOf(error, ZkOp.setAcl),
  };
}

function multiOf(operations: readonly MultiOp[]): WriteRequest {
  if (operations.length > MULTI_OPERATIONS_MAX) {
    throw new QuorateError("ERR_ARG_TOO_LARGE", "a multi of too many operations");
  }
  for (const operation of operations) {
    const { type, request } = operation;
    // As there, flags that no node has make the whole multi unreadable (3.9.5; 3.8 tells of them at
    // their place), but for a createTTL: its flags are looked at in its turn.
    if (type !== ZkOp.createTtl && "flags" in request && !modes.has(request.flags)) {
      throw unreadable(`flags of ${type}`);
    }
    if (request.path === null) throw unreadable("a null path");
    // Only its own kind of request says how long such a node may live.
    if (isTtl(operation) && type !== ZkOp.createTtl) throw unreadable("no time to live");
  }
  const parts: Part[] = [];
  const refusedHere = new Set<number>();
  for (const [index, operation] of operations.entries()) {
    try {
      parts.push({ ...partOf(withoutVainTtl(operation)), ...resultOf(operation) });
    } catch (error) {
      if (!isBadArguments(error)) throw error;
      // Refused in its turn like any other: the machine takes no path that is empty.
      refusedHere.add(index);
      parts.push({
        op: OpCode.check,
        path: "",
        content: encodeDelete(),
        answer: writeNothing,
      });
    }
  }
  const types = operations.map((operation) => resultOf(operation).type ?? operation.type);
  return {
    op: OpCode.multi,
    key: "",
    content: encodeMultiParts(parts),
    answer: (answer, writer) => {
      eachOfMulti(answer, (part, index) => {
        writeResultHeader(writer, types[index] ?? ZkOp.error, 0);
        parts[index]?.answer(part, writer);
      });
      writeMultiEnd(writer);
    },
    refused: (error, writer) => {
      const at = error.details["at"];
      if (typeof at !== "number" || at < 0 || at >= types.length) {
        return refusalOf(error, ZkOp.multi);
      }
      const number = refusedHere.has(at)
        ? ZkError.badArguments
        : refusalOf(error, types[at] ?? ZkOp.error);
      if (number === null || number === ZkError.sessionMoved) return number;
      for (let i = 0; i < types.length; i += 1) {
        writeMultiError(writer, i < at ? 0 : i === at ? number : ZkError.runtimeInconsistency);
      }
      writeMultiEnd(writer);
      return ZkError.ok;
    },
  };
}

/**
 * Within a multi a create2 and a createContainer are answered as a create2, and so is whatever
 * makes a container or a node with a time to live; a create of another node with its path alone.
 * (3.9.0, ZOOKEEPER-4026; in 3.8 the flags alone decide.)
 */
function resultOf(operation: MultiOp): {
  readonly type?: number;
  readonly answer?: Part["answer"];
} {
  const { type, request } = operation;
  if (!("flags" in request)) return {};
  const isNewer = type === ZkOp.create2 || type === ZkOp.createContainer;
  const hasStat = isNewer || request.flags === CreateMode.container || isTtl(operation);
  return hasStat
    ? { type: ZkOp.create2, answer: writeCreated2 }
    : { type: ZkOp.create, answer: writeCreated };
}

/** As there, a multi passes over the time to live of a node that can have none. */
function withoutVainTtl(operation: MultiOp): MultiOp {
  if (operation.type !== ZkOp.createTtl || isTtl(operation)) return operation;
  return { type: operation.type, request: { ...operation.request, ttl: -1n } };
}

function isTtl({ request }: MultiOp): boolean {
  if (!("flags" in request)) return false;
  return request.flags === CreateMode.ttl || request.flags === CreateMode.ttlSequential;
}

export function writeResultHeader(writer: JuteWriter, type: number, err: number): void {
  writer.int(type);
  writer.boolean(false);
  writer.int(err);
}

/** ZooKeeper tells the number twice. */
export function writeMultiError(writer: JuteWriter, err: number): void {
  writeResultHeader(writer, ZkOp.error, err);
  writer.int(err);
}

export function writeMultiEnd(writer: JuteWriter): void {
  writer.int(-1);
  writer.boolean(true);
  writer.int(-1);
}

export function refusalOf(error: QuorateError, op: number): number | null {
  return error.code === "ERR_ARG_PATH" ? badPathError(op) : zkErrorOf(error.code);
}

function isBadArguments(error: unknown): boolean {
  return error instanceof QuorateError && error.code === "ERR_ZNODE_BAD_ARGUMENTS";
}

function badArguments(message: string): QuorateError {
  return new QuorateError("ERR_ZNODE_BAD_ARGUMENTS", message);
}

function unreadable(what: string): QuorateError {
  return new QuorateError("ERR_PROTOCOL_DECODE", `unreadable packet: ${what}`);
}
