import {
  QuorateError,
  silentLogger,
  type ClientAuthFunction,
  type CommittedEvent,
  type CustomState,
  type Meter,
} from "@quorate/protocol";
import type { HostContext, OpenedHost } from "@quorate/server";
import type { Address } from "../config/address.js";
import { buildConfig } from "../config/config.js";
import type { RawSettings } from "../config/located.js";
import type { SubscribeOptions } from "../feed/subscribe.js";
import type { ClosableLogger } from "../log/winston-logger.js";
import { productionParts } from "../production-parts.js";
import { runNode, type NodeParts, type RunningNode } from "../run-node.js";
import type { ExitReason, NodeStatus } from "../server-handle.js";
import { customRequestHandler, type CustomHandlers } from "./handlers.js";
import type { LocalClient, LocalSession } from "./local-client.js";

/** What the program brings. Everything that other nodes must agree on is the same on every node. */
export interface EmbedParts {
  /** Operations above 50 that are answered where the leader is, and not logged. */
  readonly handlers?: CustomHandlers;
  /** Operations above 50 that go through the log, over a small state of the program's own. */
  createCustomState?(): CustomState;
  /** An ActionHandler of the program's own in place of Quorate's store and tree. */
  openHost?(context: HostContext): Promise<OpenedHost>;
  readonly authenticate?: ClientAuthFunction;
  /** Default: nothing is logged. */
  readonly logger?: ClosableLogger;
  readonly meter?: Meter;
  /** Ends it, as `close` does. */
  readonly signal?: AbortSignal;
}

/** A server within this process. */
export interface EmbeddedNode extends AsyncDisposable {
  /** In-process: no socket, no copy on a wire. Calls are bounded like those of any client. */
  readonly client: LocalClient;
  /**
   * A session of this process, which can own ephemeral nodes. It ends with the node.
   * @throws (rejects) ERR_SERVER_NOT_READY, ERR_SERVER_CLOSED.
   */
  session(settings?: { readonly timeoutMs?: number }): Promise<LocalSession>;
  /** Where clients of other processes reach it. */
  readonly requestAddress: Address;
  /** The same with TLS; null where that is not configured. */
  readonly secureAddress: Address | null;
  /** Resolves once, when everything is closed; also when the node ended by itself. */
  readonly done: Promise<ExitReason>;
  status(): NodeStatus | null;
  /** Resolves when the node serves. @throws (rejects) ERR_SERVER_NOT_READY after `timeoutMs`. */
  ready(options?: { readonly timeoutMs?: number }): Promise<void>;
  subscribe(options?: SubscribeOptions): AsyncIterableIterator<CommittedEvent, undefined>;
  ping(): Promise<void>;
  resetConnections(): void;
  /** Drains, hands over and closes everything. Idempotent; resolves when it is done. */
  close(): Promise<void>;
}

const READY_MS = 10_000;
const READY_POLL_MS = 5;

/** Of a node of its own: any free ports of loopback, and nobody else. */
const DEFAULTS = {
  nodeId: 1,
  host: { electionAddr: "0", messageAddr: "0", requestAddr: "0" },
} as const;

const silent: ClosableLogger = { ...silentLogger, close: () => Promise.resolve() };

/**
 * Runs a whole server in this process.
 * @param settings what a configuration file may say; `dataDir` is all that must be given.
 * @throws (rejects) ERR_CONFIG_*, ERR_SERVER_PORT_IN_USE, ERR_STORE_*, ERR_SERVER_CUSTOM_STATE, and
 * what the program's own parts throw; then nothing is left open.
 */
export async function embed(settings: RawSettings, parts: EmbedParts = {}): Promise<EmbeddedNode> {
  const { signal } = parts;
  if (signal?.aborted === true) throw closedError();
  requireObject(settings);
  const hasPeers = Array.isArray(settings["peers"]);
  const config = buildConfig(
    hasPeers ? { nodeId: DEFAULTS.nodeId, ...settings } : { ...DEFAULTS, ...settings },
  );
  const node = await runNode(config, nodeParts(parts));
  const embedded = handleOf(node);
  if (signal !== undefined) closeOnAbort(embedded, signal);
  return embedded;
}

/** A program without types may give anything. */
function requireObject(settings: unknown): void {
  if (typeof settings === "object" && settings !== null && !Array.isArray(settings)) return;
  throw new QuorateError("ERR_CONFIG_VALUE", "the settings must be an object, as { dataDir }");
}

function nodeParts(parts: EmbedParts): NodeParts {
  const { handlers, authenticate, meter, logger = silent } = parts;
  return {
    ...productionParts,
    logger,
    ...(handlers === undefined ? {} : { customHandler: customRequestHandler(handlers) }),
    ...(authenticate === undefined ? {} : { authenticate }),
    ...(meter === undefined ? {} : { meter }),
    ...(parts.createCustomState === undefined
      ? {}
      : { createCustomState: () => customStateOf(parts, handlers ?? {}) }),
    ...(parts.openHost === undefined ? {} : { openHost: parts.openHost.bind(parts) }),
  };
}

/** @throws ERR_CONFIG_VALUE when it is none, or one of its codes has a handler as well. */
function customStateOf(parts: EmbedParts, handlers: CustomHandlers): CustomState {
  const state: Partial<CustomState> | undefined | null = parts.createCustomState?.();
  if (!isCustomState(state)) {
    const text = "createCustomState must give a state: writes, apply, save, load";
    throw new QuorateError("ERR_CONFIG_VALUE", text);
  }
  const twice = [...state.writes, ...(state.reads ?? [])].find((op) => handlers[op] !== undefined);
  if (twice === undefined) return state;
  const text = `operation ${twice} has a handler and is one of the custom state's`;
  throw new QuorateError("ERR_CONFIG_VALUE", text);
}

function isCustomState(state: Partial<CustomState> | undefined | null): state is CustomState {
  if (typeof state !== "object" || state === null) return false;
  const methods = [state.apply, state.save, state.load];
  return Array.isArray(state.writes) && methods.every((method) => typeof method === "function");
}

function handleOf(node: RunningNode): EmbeddedNode {
  let isClosed = false;
  let closing: Promise<void> | null = null;
  const close = (): Promise<void> => {
    isClosed = true;
    closing ??= node.stop();
    return closing;
  };
  return {
    client: node.client,
    session: (settings) => (isClosed ? Promise.reject(closedError()) : node.session(settings)),
    requestAddress: node.requestAddress,
    secureAddress: node.secureAddress,
    done: node.done,
    status: () => node.status(),
    ready: ({ timeoutMs = READY_MS } = {}) => untilReady(node, timeoutMs),
    subscribe: (options) => node.subscribe(options),
    ping: () => node.ping(),
    resetConnections: () => node.resetConnections(),
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function untilReady(node: RunningNode, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let ended: ExitReason | null = null;
  void node.done.then((reason) => (ended = reason));
  while (node.status()?.ready !== true) {
    if (ended !== null) throw closedError();
    if (performance.now() >= deadline) {
      const message = `the node does not serve within ${timeoutMs} ms`;
      throw new QuorateError("ERR_SERVER_NOT_READY", message, { retryable: true });
    }
    await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
  }
}

function closeOnAbort(node: EmbeddedNode, signal: AbortSignal): void {
  const onAbort = (): void => {
    // What goes wrong is told by `done` and by whoever calls `close`.
    node.close().catch(() => undefined);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  const forget = (): void => signal.removeEventListener("abort", onAbort);
  node.done.then(forget, forget);
  if (signal.aborted) onAbort();
}

function closedError(): QuorateError {
  return new QuorateError("ERR_SERVER_CLOSED", "the node was closed");
}
