import { QuorateError, type CommittedEvent, type Txnid } from "@quorate/protocol";
import { treeClient, type TreeClient } from "@quorate/znode";
import { realAmbient, type Ambient } from "./ambient.js";
import { REQUEST_TIMEOUT_MS, SERVERS_MAX, TIMEOUT_MS_MAX } from "./limits.js";
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
export interface QuorateClient extends TreeClient {
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

/**
 * A client over the given sockets. @throws ERR_ARG_VALUE on an empty or unreadable server list, or
 * a `timeoutMs` that is no time.
 */
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
  const timeoutMs = checkTimeout(options.timeoutMs ?? REQUEST_TIMEOUT_MS);
  return {
    ...treeClient((op, key, content, settings) =>
      session.call(op, key, content, {
        isWrite: settings.isWrite,
        linearizable: settings.linearizable,
        timeoutMs: checkTimeout(settings.timeoutMs ?? timeoutMs),
        signal: settings.signal,
      }),
    ),
    subscribe: (settings = {}) =>
      session.subscribe({
        prefix: settings.prefix ?? "",
        from: settings.from ?? null,
        bookmarks: settings.bookmarks ?? false,
        timeoutMs: checkTimeout(settings.timeoutMs ?? timeoutMs),
        signal: settings.signal,
      }),
    close: () => session.close(),
  };
}

/** A deadline of NaN never comes, and every wait has a bound. */
function checkTimeout(timeoutMs: number): number {
  if (timeoutMs >= 0 && timeoutMs <= TIMEOUT_MS_MAX) return timeoutMs;
  const what = `timeoutMs is 0 to ${TIMEOUT_MS_MAX}, not ${timeoutMs}`;
  throw new QuorateError("ERR_ARG_VALUE", what);
}

function checkServers(servers: readonly string[]): void {
  if (servers.length === 0 || servers.length > SERVERS_MAX) {
    throw new QuorateError("ERR_ARG_VALUE", `servers: 1..${SERVERS_MAX} are needed`);
  }
  for (const server of servers) {
    if (!isAddress(server)) {
      const what = `a server is written like "127.0.0.1:4181", not ${JSON.stringify(server)}`;
      throw new QuorateError("ERR_ARG_VALUE", what.slice(0, 200), {
        details: { server: server.slice(0, 200) },
      });
    }
  }
}

/** Written like an address, and one of which a URL can be made: then every socket can be. */
function isAddress(server: string): boolean {
  if (!/^(?:\[[0-9a-fA-F:.]+\]|[^\s:/[\]@?#]+):\d{1,5}$/.test(server)) return false;
  try {
    return new URL(`ws://${server}`).pathname === "/";
  } catch {
    // A port above 65535, an IPv6 address that is none, a bad escape.
    return false;
  }
}
