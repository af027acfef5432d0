import { isCustomOpCode, QuorateError, type Txnid } from "@quorate/protocol";
import { decodeChildren, decodeCreateResult, decodeGetResult, decodeStat } from "./answers.js";
import { ZNODE_DATA_BYTES_MAX } from "./limits.js";
import { ZnodeOp } from "./op.js";
import { checkPath } from "./paths.js";
import { encodeCreate, encodeDelete, encodeRead, encodeSet } from "./requests.js";
import type { Stat } from "./stat.js";
import { NO_DATA } from "./znode.js";

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
    settings?: CallSettings,
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

export function treeClient(call: TreeCall): TreeClient {
  return { ...writesOf(call), ...readsOf(call) };
}

type Writes = Pick<TreeClient, "create" | "set" | "delete" | "broadcast" | "custom">;
type Reads = Pick<TreeClient, "get" | "exists" | "children">;

function writesOf(call: TreeCall): Writes {
  const write = (
    op: number,
    key: string,
    content: Uint8Array,
    settings: CallSettings = {},
  ): Promise<TreeAnswer> =>
    call(op, key, content, { ...settings, isWrite: true, linearizable: false });
  return {
    async create(path, data = NO_DATA, settings = {}) {
      checkWrite(path, data);
      const answer = await write(ZnodeOp.create, path, encodeCreate({ data }), settings);
      return { ...decodeCreateResult(answer.content), txnid: answer.txnid };
    },
    async set(path, data, settings = {}) {
      checkWrite(path, data);
      const content = encodeSet({ data, ...versionOf(settings) });
      const answer = await write(ZnodeOp.set, path, content, settings);
      return { stat: decodeStat(answer.content), txnid: answer.txnid };
    },
    async delete(path, settings = {}) {
      checkWrite(path, NO_DATA);
      const content = encodeDelete(versionOf(settings));
      const { txnid } = await write(ZnodeOp.delete, path, content, settings);
      return { txnid };
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

function readsOf(call: TreeCall): Reads {
  const read = async (op: number, path: string, settings: ReadSettings): Promise<Uint8Array> => {
    checkWrite(path, NO_DATA);
    const answer = await call(op, path, encodeRead(), {
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

/** What can be refused without asking is refused here. */
function checkWrite(path: string, data: Uint8Array): void {
  const problem = checkPath(path);
  if (problem !== null) throw new QuorateError(problem.code, problem.message);
  if (data.length > ZNODE_DATA_BYTES_MAX) {
    throw new QuorateError("ERR_ARG_TOO_LARGE", `data has at most ${ZNODE_DATA_BYTES_MAX} bytes`);
  }
}
