import { QuorateError, type CommittedEvent, type Txnid } from "@quorate/protocol";
import { NATIVE_OP_AUTH, NATIVE_OP_SESSION_END } from "@quorate/codec";
import {
  pathsBelow,
  SAME_PATHS,
  States,
  treeClient,
  type CallSettings,
  type ClientState,
  type NodeEvent,
  type PathMap,
  type TreeClient,
} from "@quorate/znode";
import { realAmbient, type Ambient } from "./ambient.js";
import { Carrier } from "./carrier.js";
import { checkServers, checkTimeout } from "./check-options.js";
import { inProgramsPaths } from "./chroot.js";
import { REQUEST_TIMEOUT_MS, SESSION_MS } from "./limits.js";
import type { OpenSocket } from "./socket.js";
import { Standing } from "./standing.js";
import { watchNode, type WatchSettings } from "./watches.js";

export interface ClientOptions {
  /** `host:port` of the request ports of any nodes of one ensemble. */
  readonly servers: readonly string[];
  /** For one call, waiting for a connection included. Default 5000. */
  readonly timeoutMs?: number;
  /** All paths are below this one, as if it were the root. Default: `/`. */
  readonly chroot?: string;
}

export interface SessionSettings {
  /**
   * The session ends when no server has heard of it for so long. Default 10 000. Servers have
   * bounds of their own: `timeoutMs` of the session says what it is.
   */
  readonly timeoutMs?: number;
  /** For it to open, instead of the client's `timeoutMs`. */
  readonly openMs?: number;
  readonly signal?: AbortSignal;
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

/** What a client and a session have in common. */
export interface ConnectedClient extends TreeClient {
  /** How it stands now. */
  readonly state: ClientState;
  /** The present state and each that follows, none left out; it ends behind the last. */
  states(): AsyncIterableIterator<ClientState, undefined>;
  /** Calls back at each change, in the turn in which it is noticed; returns how to stop that. */
  onState(callback: (state: ClientState) => void): () => void;
  /**
   * Tells of changes of a node, from the call on. It misses none while connected; when a connection
   * is lost and made anew, one-shot watches are told what they missed, the others `rearmed`.
   * Whoever may not read a node hears nothing of it. Ends with ERR_ZNODE_NO_NODE (`children`),
   * ERR_CLIENT_TOO_SLOW, ERR_CLIENT_ABORTED, ERR_SESSION_EXPIRED, ERR_CLIENT_CLOSED, and what else
   * keeps it from beginning.
   */
  watch(path: string, settings?: WatchSettings): AsyncIterableIterator<NodeEvent, undefined>;
  /**
   * Proves who this is, for this connection and those that follow: `addAuth("digest",
   * "user:password")`. @throws (rejects) ERR_SESSION_AUTH_FAILED.
   */
  addAuth(scheme: string, proof: string | Uint8Array, settings?: CallSettings): Promise<void>;
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
export interface QuorateClient extends ConnectedClient {
  /**
   * Opens a session, over a connection of its own: it can own ephemeral nodes. It starts with the
   * identities that this client has proved. @throws (rejects) ERR_CLIENT_UNREACHABLE and its kin.
   */
  session(settings?: SessionSettings): Promise<ClientSession>;
  close(): void;
}

/**
 * A session. Its ephemeral nodes live as long as it does, over all connections that carry it.
 * While it is `suspended` it may have ended without knowing: stop what relies on it. Once it is
 * `lost`, for good, every call rejects with ERR_SESSION_EXPIRED.
 */
export interface ClientSession extends ConnectedClient, AsyncDisposable {
  readonly id: bigint;
  /** As agreed with the server. */
  readonly timeoutMs: number;
  /** Ends the session, and its ephemerals with it, or leaves that to its timeout. Never rejects. */
  close(): Promise<void>;
}

/**
 * A client over the given sockets. @throws ERR_ARG_VALUE on an empty or unreadable server list, or
 * a `timeoutMs` that is no time; ERR_ARG_PATH for a chroot that is no path.
 */
export function createClientOver(
  openSocket: OpenSocket,
  options: ClientOptions,
  deps: ClientDeps,
): QuorateClient {
  checkServers(options.servers);
  const parts: Parts = {
    servers: options.servers,
    openSocket: deps.openSocket ?? openSocket,
    ambient: deps.ambient ?? realAmbient,
    timeoutMs: checkTimeout(options.timeoutMs ?? REQUEST_TIMEOUT_MS),
    paths: options.chroot === undefined ? SAME_PATHS : pathsBelow(options.chroot),
  };
  const { client, carrier, standing, states } = connected(parts, new Standing(null));
  return {
    ...client,
    get state() {
      return states.state;
    },
    session: (settings = {}) => openSession(parts, standing, settings),
    close: () => close(carrier, states),
  };
}

interface Parts {
  readonly servers: readonly string[];
  readonly openSocket: OpenSocket;
  readonly ambient: Ambient;
  readonly timeoutMs: number;
  readonly paths: PathMap;
}

interface Connected {
  /** All but what changes. */
  readonly client: Omit<ConnectedClient, "state">;
  readonly carrier: Carrier;
  readonly standing: Standing;
  readonly states: States;
}

function connected(parts: Parts, standing: Standing): Connected {
  const { servers, openSocket, ambient, timeoutMs, paths } = parts;
  const states = new States();
  const carrier = new Carrier(servers, openSocket, ambient, standing, {
    onConnected: () => states.become("connected"),
    onSuspended: () => states.become("suspended"),
    onLost: () => states.become("lost"),
  });
  const optionsOf = ({ timeoutMs: own, signal }: CallSettings) => ({
    timeoutMs: checkTimeout(own ?? timeoutMs),
    signal,
  });
  const tree = treeClient(
    (op, key, content, settings) =>
      carrier.call(
        { op, key, content },
        {
          isWrite: settings.isWrite,
          linearizable: settings.linearizable,
          ...optionsOf(settings),
        },
      ),
    paths,
  );
  const client: Omit<ConnectedClient, "state"> = {
    ...tree,
    states: () => states.stream(),
    onState: (callback) => states.onChange(callback),
    watch: (path, { kind = "persistent", ...settings } = {}) =>
      watchNode({ carrier, standing, paths }, path, kind, optionsOf(settings)),
    addAuth: (scheme, proof, settings = {}) =>
      addAuth(carrier, standing, { scheme, proof }, optionsOf(settings)),
    subscribe: ({ prefix = "", from = null, bookmarks = false, ...settings } = {}) =>
      inProgramsPaths(
        carrier.subscribe({
          prefix:
            prefix === "" && paths !== SAME_PATHS ? paths.toServer("/") : paths.toServer(prefix),
          from,
          bookmarks,
          ...optionsOf(settings),
        }),
        paths,
      ),
  };
  return { client, carrier, standing, states };
}

async function addAuth(
  carrier: Carrier,
  standing: Standing,
  { scheme, proof }: { readonly scheme: string; readonly proof: string | Uint8Array },
  options: { readonly timeoutMs: number; readonly signal: AbortSignal | undefined },
): Promise<void> {
  if (!standing.hasRoomForProof) {
    throw new QuorateError("ERR_CLIENT_BUSY", "this client has proved too many identities");
  }
  const content = typeof proof === "string" ? new TextEncoder().encode(proof) : proof.slice();
  await new Promise<void>((resolve, reject) => {
    const request = { op: NATIVE_OP_AUTH, key: scheme, content };
    carrier.ask(
      "standing",
      request,
      { ...options, isWrite: false, linearizable: false },
      {
        resolve: () => {
          standing.proved(scheme, content);
          resolve();
        },
        reject,
      },
    );
  });
}

async function openSession(
  parts: Parts,
  { proofs }: Standing,
  settings: SessionSettings,
): Promise<ClientSession> {
  const { timeoutMs = SESSION_MS, openMs = parts.timeoutMs, signal } = settings;
  checkTimeout(openMs);
  const { client, carrier, standing, states } = connected(
    parts,
    new Standing(checkTimeout(timeoutMs), proofs),
  );
  try {
    // A read of nothing in particular: answered once the session is there, or refused in time.
    await client.sync({ timeoutMs: openMs, ...(signal === undefined ? {} : { signal }) });
  } catch (error) {
    close(carrier, states);
    throw error;
  }
  const { session } = standing;
  if (session === null) throw new QuorateError("ERR_SESSION_EXPIRED", "the session has expired");
  const end = (): Promise<void> => endSession(parts, carrier, states);
  return {
    ...client,
    get state() {
      return states.state;
    },
    id: session.id,
    timeoutMs: session.timeoutMs,
    close: end,
    [Symbol.asyncDispose]: end,
  };
}

/** Without a connection nobody can be told, and the session's own timeout ends it. */
async function endSession(parts: Parts, carrier: Carrier, states: States): Promise<void> {
  if (states.state === "connected") {
    const request = { op: NATIVE_OP_SESSION_END, key: "", content: new Uint8Array(0) };
    const { timeoutMs } = parts;
    const options = { isWrite: true, linearizable: false, timeoutMs, signal: undefined };
    // Whatever becomes of it: the connection closes, and no sign of life follows.
    await carrier.call(request, options).catch(() => undefined);
  }
  close(carrier, states);
}

function close(carrier: Carrier, states: States): void {
  states.become("closed");
  carrier.end(new QuorateError("ERR_CLIENT_CLOSED", "the client was closed"));
}
