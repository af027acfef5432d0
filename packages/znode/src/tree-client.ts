import { isCustomOpCode, QuorateError, type Txnid } from "@quorate/protocol";
import type { AclEntry } from "./acl.js";
import {
  decodeAclResult,
  decodeChildren,
  decodeCount,
  decodeCreateResult,
  decodeGetResult,
  decodeMulti,
  decodePaths,
  decodeStat,
  type AclResult,
  type MultiResult,
} from "./answers.js";
import {
  checkTarget,
  createRequestOf,
  requestOf,
  type CreateSettings,
  type MultiOp,
  type ResultsOf,
} from "./multi-builder.js";
import { ZnodeOp } from "./op.js";
import { SAME_PATHS, type PathMap } from "./path-map.js";
import { ROOT } from "./paths.js";
import {
  encodeCreate,
  encodeDelete,
  encodeMulti,
  encodeRead,
  encodeSet,
  encodeSetAcl,
} from "./requests.js";
import type { Stat } from "./stat.js";
import { NO_DATA } from "./node-header.js";

export interface CallSettings {
  readonly signal?: AbortSignal;
  /** Instead of the client's. */
  readonly timeoutMs?: number;
}

export interface ReadSettings extends CallSettings {
  /** As if no other copy existed: sees every write that was acknowledged before. Default false. */
  readonly linearizable?: boolean;
}

export interface WriteSettings extends CallSettings {
  /** The version that the node must have; any when absent. */
  readonly version?: number;
}

/** The tree as a program uses it, whatever carries its requests. */
export interface TreeClient {
  create(
    path: string,
    data?: Uint8Array,
    settings?: CreateSettings & CallSettings,
  ): Promise<{ readonly path: string; readonly stat: Stat; readonly txnid: Txnid }>;
  get(
    path: string,
    settings?: ReadSettings,
  ): Promise<{ readonly data: Uint8Array; readonly stat: Stat }>;
  set(
    path: string,
    data: Uint8Array,
    settings?: WriteSettings,
  ): Promise<{ readonly stat: Stat; readonly txnid: Txnid }>;
  delete(path: string, settings?: WriteSettings): Promise<{ readonly txnid: Txnid }>;
  /** Null when there is no such node. */
  exists(path: string, settings?: ReadSettings): Promise<Stat | null>;
  /** Names, not paths. */
  children(
    path: string,
    settings?: ReadSettings,
  ): Promise<{ readonly children: readonly string[]; readonly stat: Stat }>;
  /** Without the permission to administer the node, digests come masked. */
  getAcl(path: string, settings?: ReadSettings): Promise<AclResult>;
  /** `version` is that of the ACL, `aversion`. */
  setAcl(
    path: string,
    acl: readonly AclEntry[],
    settings?: WriteSettings,
  ): Promise<{ readonly stat: Stat; readonly txnid: Txnid }>;
  /**
   * Several writes and checks under one txnid, all or none; {@link op} makes them. One that fails
   * rejects the whole with that operation's code; `details` has its index `at`, `kind` and `path`.
   */
  multi<const Ops extends readonly MultiOp[]>(
    operations: Ops,
    settings?: CallSettings,
  ): Promise<{ readonly results: ResultsOf<Ops>; readonly txnid: Txnid }>;
  /** Paths of the ephemeral nodes of the caller's own session below a prefix. Default: all. */
  getEphemerals(prefix?: string, settings?: ReadSettings): Promise<readonly string[]>;
  /** All nodes below, at whatever depth. */
  countAllChildren(path: string, settings?: ReadSettings): Promise<number>;
  /** Afterwards reads here see every write that was acknowledged anywhere before the call. */
  sync(settings?: CallSettings): Promise<void>;
  /** Ordered among the writes, stored nowhere. */
  broadcast(
    key: string,
    content: Uint8Array,
    settings?: CallSettings,
  ): Promise<{ readonly txnid: Txnid }>;
  /** The host's own operation, above 50. */
  custom(
    op: number,
    key: string,
    content: Uint8Array,
    settings?: CallSettings,
  ): Promise<Uint8Array>;
}

export interface TreeAnswer {
  readonly txnid: Txnid;
  readonly content: Uint8Array;
}

/** Carries one request to a server, in whatever way, and its answer back. */
export type TreeCall = (
  op: number,
  key: string,
  content: Uint8Array,
  settings: CallSettings & { readonly isWrite: boolean; readonly linearizable: boolean },
) => Promise<TreeAnswer>;

/** `paths`: where the program's tree begins in the server's. */
export function treeClient(call: TreeCall, paths: PathMap = SAME_PATHS): TreeClient {
  return {
    ...writesOf(call, paths),
    ...readsOf(call, paths),
    ...multiOf(call, paths),
  };
}

type Reads = Pick<
  TreeClient,
  "get" | "exists" | "children" | "getAcl" | "getEphemerals" | "countAllChildren" | "sync"
>;
type Writes = Omit<TreeClient, keyof Reads | "multi">;

function writesOf(call: TreeCall, paths: PathMap): Writes {
  const write = (
    op: number,
    key: string,
    content: Uint8Array,
    settings: CallSettings = {},
  ): Promise<TreeAnswer> =>
    call(op, paths.toServer(key), content, { ...settings, isWrite: true, linearizable: false });
  return {
    async create(path, data = NO_DATA, settings = {}) {
      const request = createRequestOf(data, settings);
      checkTarget(path, data, request.mode);
      const answer = await write(ZnodeOp.create, path, encodeCreate(request), settings);
      const created = decodeCreateResult(answer.content);
      return { ...created, path: paths.toProgram(created.path), txnid: answer.txnid };
    },
    async set(path, data, settings = {}) {
      checkTarget(path, data);
      const content = encodeSet({ data, ...versionOf(settings) });
      const answer = await write(ZnodeOp.set, path, content, settings);
      return { stat: decodeStat(answer.content), txnid: answer.txnid };
    },
    async delete(path, settings = {}) {
      checkTarget(path, NO_DATA);
      const content = encodeDelete(versionOf(settings));
      const { txnid } = await write(ZnodeOp.delete, path, content, settings);
      return { txnid };
    },
    async setAcl(path, acl, settings = {}) {
      checkTarget(path, NO_DATA);
      const content = encodeSetAcl({ acl, ...versionOf(settings) });
      const answer = await write(ZnodeOp.setAcl, path, content, settings);
      return { stat: decodeStat(answer.content), txnid: answer.txnid };
    },
    async broadcast(key, content, settings) {
      const { txnid } = await write(ZnodeOp.broadcast, key, content, settings);
      return { txnid };
    },
    async custom(op, key, content, settings) {
      if (!isCustomOpCode(op)) throw new QuorateError("ERR_ARG_VALUE", "custom ops are 51..255");
      return (await write(op, key, content, settings)).content;
    },
  };
}

function multiOf(call: TreeCall, paths: PathMap): Pick<TreeClient, "multi"> {
  return {
    async multi<const Ops extends readonly MultiOp[]>(
      operations: Ops,
      settings: CallSettings = {},
    ) {
      const requests = operations.map((one) => requestOf(one, paths.toServer));
      const content = encodeMulti(requests);
      const all = { ...settings, isWrite: true, linearizable: false };
      const answer = await call(ZnodeOp.multi, "", content, all).catch((error: unknown) => {
        throw named(error, operations);
      });
      const results = decodeMulti(answer.content).map((one) => inProgramsPaths(one, paths));
      // The server answers each operation in its place; decodeMulti has checked the forms.
      return { results: results as unknown as ResultsOf<Ops>, txnid: answer.txnid };
    },
  };
}

function inProgramsPaths(result: MultiResult, paths: PathMap): MultiResult {
  return result.kind === "create" ? { ...result, path: paths.toProgram(result.path) } : result;
}

/** Says which operation it was that was refused. */
function named(error: unknown, operations: readonly MultiOp[]): unknown {
  if (!(error instanceof QuorateError)) return error;
  const { at } = error.details;
  const operation = typeof at === "number" ? operations[at] : undefined;
  if (typeof at !== "number" || operation === undefined) return error;
  const { kind, path } = operation;
  const message = `operation ${at} of the multi (${kind} ${path}): ${error.message}`;
  const details = { ...error.details, at, kind, path };
  return new QuorateError(error.code, message, { details, cause: error });
}

function readsOf(call: TreeCall, paths: PathMap): Reads {
  const read = async (op: number, path: string, settings: ReadSettings): Promise<Uint8Array> => {
    checkTarget(path, NO_DATA);
    const answer = await call(op, paths.toServer(path), encodeRead(), {
      ...settings,
      isWrite: false,
      linearizable: settings.linearizable ?? false,
    });
    return answer.content;
  };
  return {
    async get(path, settings = {}) {
      return decodeGetResult(await read(ZnodeOp.get, path, settings));
    },
    async exists(path, settings = {}) {
      try {
        return decodeStat(await read(ZnodeOp.exists, path, settings));
      } catch (error) {
        if (error instanceof QuorateError && error.code === "ERR_ZNODE_NO_NODE") return null;
        throw error;
      }
    },
    async children(path, settings = {}) {
      return decodeChildren(await read(ZnodeOp.children, path, settings));
    },
    async getAcl(path, settings = {}) {
      return decodeAclResult(await read(ZnodeOp.getAcl, path, settings));
    },
    async getEphemerals(prefix = ROOT, settings = {}) {
      const found = decodePaths(await read(ZnodeOp.getEphemerals, prefix, settings));
      return found.map((path) => paths.toProgram(path));
    },
    async countAllChildren(path, settings = {}) {
      return decodeCount(await read(ZnodeOp.countAllChildren, path, settings));
    },
    async sync(settings = {}) {
      const all = { ...settings, isWrite: false, linearizable: true };
      await call(ZnodeOp.exists, ROOT, encodeRead(), all);
    },
  };
}

/** On the wire a version is 32 bits: NaN would arrive as 0 there, and null as no condition. */
function versionOf({ version }: WriteSettings): { version?: number } {
  if (version === undefined) return {};
  if (!Number.isInteger(version) || version !== (version | 0)) {
    throw new QuorateError("ERR_ARG_VALUE", `version is an integer of 32 bits, not ${version}`);
  }
  return { version };
}
