import {
  MULTI_OPERATIONS_MAX,
  OpCode,
  type AuthIdentity,
  type ErrorCode,
  type Service,
} from "@quorate/protocol";
import { CONFIG_PATH, decodeCount, type WatchRequest, type WatchType } from "@quorate/znode";
import { userOf } from "../connection/identities.js";
import { MultiRequest } from "../jute/multi.js";
import { ZkAddWatchMode, ZkOp, ZkWatcherType } from "../jute/op-codes.js";
import type { JuteReader } from "../jute/reader.js";
import {
  AddWatchRequest,
  PathRequest,
  PathTypeRequest,
  PathWatchRequest,
  ReconfigRequest,
  WhoAmIResponse,
} from "../jute/records.js";
import type { JuteWriter } from "../jute/writer.js";
import { MULTI_READ_BYTES_MAX } from "../limits.js";
import { badPathError, ZkError, zkErrorOf } from "../zk-errors.js";
import {
  withData,
  writeAcl,
  writeChildren,
  writeChildren2,
  writeData,
  writeStat,
} from "./answers.js";
import { writeMultiEnd, writeMultiError, writeResultHeader } from "./write-request.js";

/** What a request that is answered here and now needs of its connection. */
export interface ReadContext {
  readonly service: Service;
  readonly caller: Uint8Array;
  readonly identities: readonly AuthIdentity[];
  /** What `/zookeeper/config` is said to hold as long as it holds nothing. */
  readonly ensembleText: string;
  /** False: it has as many watches as one connection may have. */
  readonly mayWatch: boolean;
  /** Asked for one too many, the connection closes. */
  addWatch(path: string, request: WatchRequest): void;
  hasWatch(path: string, type: WatchType): boolean;
  removeWatch(path: string, type: WatchType): boolean;
}

type Answer = (answer: Uint8Array, writer: JuteWriter) => void;

/**
 * Carries out a request that changes nothing but watches, and writes what follows the reply's
 * header. Returns the number in that header; null when nothing true can be said, because the state
 * is being loaded (of a server that only reads). What it needs of the state it reads in one piece.
 * @throws ERR_PROTOCOL_DECODE.
 */
export function runRead(
  op: number,
  reader: JuteReader,
  context: ReadContext,
  writer: JuteWriter,
): number | null {
  switch (op) {
    case ZkOp.ping:
      return ZkError.ok;
    case ZkOp.exists:
      return runWatched(op, OpCode.exists, reader, context, writer, writeStat);
    case ZkOp.getData:
      return runWatched(op, OpCode.get, reader, context, writer, writeData);
    case ZkOp.getChildren:
      return runWatched(op, OpCode.children, reader, context, writer, writeChildren);
    case ZkOp.getChildren2:
      return runWatched(op, OpCode.children, reader, context, writer, writeChildren2);
    case ZkOp.getAcl:
      return runPlain(op, OpCode.getAcl, reader, context, writer, writeAcl);
    case ZkOp.getAllChildrenNumber:
      return countAllChildren(reader, context, writer);
    case ZkOp.getEphemerals:
      return getEphemerals(reader, context, writer);
    case ZkOp.multiRead:
      return multiRead(reader, context, writer);
    case ZkOp.addWatch:
      return addWatch(reader, context, writer);
    case ZkOp.checkWatches:
    case ZkOp.removeWatches:
      return namedWatch(op, reader, context);
    case ZkOp.whoAmI:
      WhoAmIResponse.write(writer, {
        clientInfo: context.identities.map((one) => ({
          authScheme: one.scheme,
          user: userOf(one),
        })),
      });
      return ZkError.ok;
    case ZkOp.reconfig:
      ReconfigRequest.read(reader);
      return ZkError.reconfigDisabled;
    default:
      return ZkError.unimplemented;
  }
}

function runWatched(
  op: number,
  treeOp: number,
  reader: JuteReader,
  context: ReadContext,
  writer: JuteWriter,
  answer: Answer,
): number | null {
  const { path, watch } = PathWatchRequest.read(reader);
  if (path === null) return ZkError.marshalling;
  // Of all reads, there only this one looks at the path that it is given.
  if (op === ZkOp.exists && path.includes("\0")) return ZkError.badArguments;
  if (watch && !context.mayWatch) return ZkError.throttled;
  const err = readInto(op, treeOp, path, context, writer, answer);
  if (watch && (err === ZkError.ok || (op === ZkOp.exists && err === ZkError.noNode))) {
    const isChild = op === ZkOp.getChildren || op === ZkOp.getChildren2;
    context.addWatch(path, isChild ? "child" : "data");
  }
  return err;
}

function runPlain(
  op: number,
  treeOp: number,
  reader: JuteReader,
  context: ReadContext,
  writer: JuteWriter,
  answer: Answer,
): number | null {
  const { path } = PathRequest.read(reader);
  if (path === null) return ZkError.marshalling;
  return readInto(op, treeOp, path, context, writer, answer);
}

function countAllChildren(
  reader: JuteReader,
  context: ReadContext,
  writer: JuteWriter,
): number | null {
  const { path } = PathRequest.read(reader);
  if (path === null) return ZkError.marshalling;
  const count = (answer: Uint8Array): void => {
    // There, "/" is one of the paths that begin with the empty one and a slash.
    writer.int(decodeCount(answer) + (path === "" ? 1 : 0));
  };
  return readInto(ZkOp.getAllChildrenNumber, OpCode.countAllChildren, path, context, writer, count);
}

function readInto(
  op: number,
  treeOp: number,
  path: string,
  context: ReadContext,
  writer: JuteWriter,
  answer: Answer,
): number | null {
  // ZooKeeper's root has the empty path beside its own, for reads.
  const result = context.service.readNow(treeOp, path === "" ? "/" : path, context.caller);
  if (result.ok) {
    const isConfig = path === CONFIG_PATH && treeOp !== OpCode.countAllChildren;
    const { content } = result;
    const text = isConfig ? context.ensembleText : "";
    answer(text === "" ? content : withData(content, text, treeOp === OpCode.get), writer);
    return ZkError.ok;
  }
  if (result.code === "ERR_ARG_PATH") return badPathError(op);
  return numberOf(result.code);
}

/** As a write that no role takes: its client comes again, or goes elsewhere. */
function numberOf(code: ErrorCode): number | null {
  if (code === "ERR_SERVER_NOT_READY") return null;
  return zkErrorOf(code) ?? ZkError.systemError;
}

function getEphemerals(
  reader: JuteReader,
  context: ReadContext,
  writer: JuteWriter,
): number | null {
  const { path } = PathRequest.read(reader);
  const prefix = path === null || path.trim() === "" ? "/" : path;
  const result = context.service.readNow(OpCode.getEphemerals, prefix, context.caller);
  if (result.ok) {
    writer.raw(result.content);
    return ZkError.ok;
  }
  if (result.code !== "ERR_ARG_PATH") return numberOf(result.code);
  // No path starts with what none can have in it.
  writer.int(0);
  return ZkError.ok;
}

function multiRead(reader: JuteReader, context: ReadContext, writer: JuteWriter): number | null {
  const operations = MultiRequest.read(reader);
  if (operations.length > MULTI_OPERATIONS_MAX) return ZkError.badArguments;
  const isRead = (type: number): boolean => type === ZkOp.getData || type === ZkOp.getChildren;
  if (!operations.every(({ type }) => isRead(type))) return ZkError.marshalling;
  const startedAt = writer.length;
  // Whether they ask for a watch is not looked at, as there.
  for (const {
    type,
    request: { path },
  } of operations) {
    if (path === null) return ZkError.marshalling;
    const isData = type === ZkOp.getData;
    const resultAt = writer.length;
    writeResultHeader(writer, type, 0);
    const err = readInto(
      type,
      isData ? OpCode.get : OpCode.children,
      path,
      context,
      writer,
      isData ? writeData : writeChildren,
    );
    if (err === null) return null;
    if (err !== ZkError.ok) {
      writer.truncate(resultAt);
      writeMultiError(writer, err);
    }
    if (writer.length - startedAt > MULTI_READ_BYTES_MAX) return ZkError.badArguments;
  }
  writeMultiEnd(writer);
  return ZkError.ok;
}

function addWatch(reader: JuteReader, context: ReadContext, writer: JuteWriter): number {
  const { path, mode } = AddWatchRequest.read(reader);
  const isRecursive = mode === ZkAddWatchMode.persistentRecursive;
  if (path === null || (!isRecursive && mode !== ZkAddWatchMode.persistent)) {
    return ZkError.marshalling;
  }
  if (!context.mayWatch) return ZkError.throttled;
  context.addWatch(path, isRecursive ? "persistentRecursive" : "persistent");
  // An ErrorResponse of 0: the one reply with a body that says nothing.
  writer.int(0);
  return ZkError.ok;
}

const watchTypes: ReadonlyMap<number, WatchType> = new Map([
  [ZkWatcherType.children, "children"],
  [ZkWatcherType.data, "data"],
  [ZkWatcherType.any, "any"],
  [ZkWatcherType.persistent, "persistent"],
  [ZkWatcherType.persistentRecursive, "persistentRecursive"],
]);

function namedWatch(op: number, reader: JuteReader, context: ReadContext): number {
  const { path, type } = PathTypeRequest.read(reader);
  const watchType = watchTypes.get(type);
  if (watchType === undefined) return ZkError.marshalling;
  if (path === null) return ZkError.noWatcher;
  const isFound =
    op === ZkOp.checkWatches
      ? context.hasWatch(path, watchType)
      : context.removeWatch(path, watchType);
  return isFound ? ZkError.ok : ZkError.noWatcher;
}
