import { isCustomOpCode, QuorateError, type CommittedEvent, type Txnid } from "@quorate/protocol";
import {
  checkPath,
  decodeChildren,
  decodeCreateResult,
  decodeGetResult,
  decodeStat,
  encodeCreate,
  encodeDelete,
  encodeRead,
  encodeSet,
  ZNODE_DATA_BYTES_MAX,
  ZnodeOp,
  type Stat,
} from "@quorate/znode";
import { realAmbient, type Ambient } from "./ambient.js";
import type { Answer } from "./call.js";
import { REQUEST_TIMEOUT_MS, SERVERS_MAX } from "./limits.js";
import { Session } from "./session.js";
import type { OpenSocket } from "./socket.js";

export interface ClientOptions {
  /** `host:port` of the request ports of any nodes of one ensemble. */
  readonly servers: readonly string[];
  /** For one call, waiting for a connection included. Default 5000. */
  readonly timeoutMs?: number;
}

export interface ClientDeps {
  /** Default: the `ws` package in Node, the browser's own WebSocket in a browser. */
  readonly openSocket?: OpenSocket;
  readonly ambient?: Ambient;
}

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

export interface SubscribeSettings {
  /** In whole components: `/a` covers `/a` and `/a/b`. Default: everything, broadcasts included. */
  readonly prefix?: string;
  /** Events behind this txnid, that one excluded. Default: from now on, as the server sees it. */
  readonly from?: Txnid;
  /** Ends it with ERR_CLIENT_ABORTED. */
  readonly signal?: AbortSignal;
  /** Also gives events without operations, which say how far it has come. Default false. */
  readonly bookmarks?: boolean;
  /** For it to begin, instead of the client's. Once begun it is resumed for ever. */
  readonly timeoutMs?: number;
}

/**
 * A client of an ensemble. It holds one connection, to one server at a time, and moves to another
 * when that is lost; it sees its own writes and never an older state than it has seen.
 *
 * Every method rejects with a QuorateError: what the server refused under the server's code, and
 * ERR_CLIENT_UNREACHABLE, ERR_CLIENT_TIMEOUT, ERR_CLIENT_ABORTED, ERR_CLIENT_BUSY or
 * ERR_CLIENT_CLOSED when nothing has happened. ERR_CLIENT_OUTCOME_UNKNOWN: the write left, and
 * nobody can say whether it happened; it is never sent again by itself.
 */
export interface QuorateClient {
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
  /**
   * Follows the committed entries: each transaction once, in txnid order, without a hole, across
   * lost connections and changes of the leader. It begins at the call, not with the first `next`.
   *
   * The iterator gives what it has received and then throws: ERR_CLIENT_COMPACTED when no server
   * holds what follows any more (`details.oldest` names the oldest start there is), ERR_ARG_TXNID
   * when none has come to `from` although it serves,
   * ERR_CLIENT_TOO_SLOW when the application took nothing for so long that the server cut it off,
   * ERR_CLIENT_ABORTED, ERR_CLIENT_CLOSED, ERR_CLIENT_UNREACHABLE or ERR_CLIENT_TIMEOUT when it did
   * not begin in time, and what the server refused. To go on, subscribe from the last txnid seen.
   */
  subscribe(settings?: SubscribeSettings): AsyncIterableIterator<CommittedEvent, undefined>;
  close(): void;
}

/** A client over the given sockets. @throws ERR_ARG_VALUE on an empty or unreadable server list. */
export function createClientOver(
  openSocket: OpenSocket,
  options: ClientOptions,
  deps: ClientDeps,
): QuorateClient {
  checkServers(options.servers);
  const session = new Session(
    options.servers,
    deps.openSocket ?? openSocket,
    deps.ambient ?? realAmbient,
  );
  const timeoutMs = options.timeoutMs ?? REQUEST_TIMEOUT_MS;
  return {
    ...writesOf(session, timeoutMs),
    ...readsOf(session, timeoutMs),
    subscribe: (settings = {}) =>
      session.subscribe({
        prefix: settings.prefix ?? "",
        from: settings.from ?? null,
        bookmarks: settings.bookmarks ?? false,
        timeoutMs: settings.timeoutMs ?? timeoutMs,
        signal: settings.signal,
      }),
    close: () => session.close(),
  };
}

type Writes = Pick<QuorateClient, "create" | "set" | "delete" | "broadcast" | "custom">;
type Reads = Pick<QuorateClient, "get" | "exists" | "children">;

function writesOf(session: Session, timeoutMs: number): Writes {
  const write = (
    op: number,
    key: string,
    content: Uint8Array,
    settings: CallSettings = {},
  ): Promise<Answer> =>
    session.call(op, key, content, {
      isWrite: true,
      linearizable: false,
      timeoutMs: settings.timeoutMs ?? timeoutMs,
      signal: settings.signal,
    });
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

function readsOf(session: Session, timeoutMs: number): Reads {
  const read = async (op: number, path: string, settings: ReadSettings): Promise<Uint8Array> => {
    checkWrite(path, NO_DATA);
    const answer = await session.call(op, path, encodeRead(), {
      isWrite: false,
      linearizable: settings.linearizable ?? false,
      timeoutMs: settings.timeoutMs ?? timeoutMs,
      signal: settings.signal,
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

const NO_DATA = new Uint8Array(0);

function versionOf(settings: WriteSettings): { version?: number } {
  return settings.version === undefined ? {} : { version: settings.version };
}

/** What can be refused without asking is refused here. */
function checkWrite(path: string, data: Uint8Array): void {
  const problem = checkPath(path);
  if (problem !== null) throw new QuorateError(problem.code, problem.message);
  if (data.length > ZNODE_DATA_BYTES_MAX) {
    throw new QuorateError("ERR_ARG_TOO_LARGE", `data has at most ${ZNODE_DATA_BYTES_MAX} bytes`);
  }
}

function checkServers(servers: readonly string[]): void {
  if (servers.length === 0 || servers.length > SERVERS_MAX) {
    throw new QuorateError("ERR_ARG_VALUE", `servers: 1..${SERVERS_MAX} are needed`);
  }
  for (const server of servers) {
    if (!/^(?:\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):\d{1,5}$/.test(server)) {
      throw new QuorateError("ERR_ARG_VALUE", 'a server is written like "127.0.0.1:9003"', {
        details: { server: server.slice(0, 200) },
      });
    }
  }
}
