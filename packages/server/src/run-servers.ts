import {
  defaultMsgFactory,
  silentMeter,
  type ActionHandler,
  type ChainHash,
  type ClientAuthFunction,
  type Clock,
  type CustomRequestHandler,
  type Logger,
  type Meter,
  type MsgFactory,
  type NodeId,
  type PeerConnector,
  type PeerListener,
  type PeerPipe,
  type PeerRole,
  type RequestMgr,
  type Timings,
} from "@quorate/protocol";
import { FollowerServer } from "./follower-server.js";
import { LeaderServer } from "./leader-server.js";
import type { Role, RoleEnd } from "./role.js";

/** What every role of a host of its own needs. */
export interface RunServerDeps {
  readonly handler: ActionHandler;
  readonly requests: RequestMgr;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly factory?: MsgFactory;
}

export interface RunLeaderOptions {
  readonly timings: Timings;
  /** The original's killch: ends the term in order. */
  readonly signal: AbortSignal;
  /** The leader is established. Once. */
  readonly onReady?: () => void;
}

export interface RunLeaderDeps extends RunServerDeps {
  readonly listener: PeerListener;
  readonly chainHash: ChainHash;
  readonly meter?: Meter;
}

export interface RunLeaderWithCustomHandlerOptions extends RunLeaderOptions {
  /** The original's resetCh, as a call: kills all connections. */
  readonly onHandle?: (handle: { resetConnections(): void }) => void;
}

export interface RunFollowerOptions {
  readonly leader: NodeId;
  readonly timings: Timings;
  readonly signal: AbortSignal;
  /** Synchronised and serving. Once. */
  readonly onReady?: () => void;
}

export interface RunFollowerDeps extends RunServerDeps {
  readonly connector: PeerConnector;
  readonly authenticate?: ClientAuthFunction;
}

/** Leads one term over the host's own ActionHandler; resolves when and why it has ended. */
export function runLeaderServer(options: RunLeaderOptions, deps: RunLeaderDeps): Promise<RoleEnd> {
  return lead(options, deps);
}

/** The same, with operations of the host's own (op codes above 50). */
export function runLeaderServerWithCustomHandler(
  options: RunLeaderWithCustomHandlerOptions,
  deps: RunLeaderDeps & { readonly customHandler: CustomRequestHandler },
): Promise<RoleEnd> {
  return lead(options, deps);
}

/** Follows one leader for as long as it leads. */
export function runFollowerServer(
  options: RunFollowerOptions,
  deps: RunFollowerDeps,
): Promise<RoleEnd> {
  return follow("follower", options, deps);
}

/**
 * Watches one leader, without a vote and without a promise, until it is lost. Requests are not
 * taken.
 */
export function runWatcherServer(
  options: RunFollowerOptions,
  deps: Omit<RunFollowerDeps, "requests">,
): Promise<RoleEnd> {
  return follow("watcher", options, { ...deps, requests: noRequests });
}

/** The same, and forwards the requests of the host's clients to the leader. */
export function runWatcherServerWithRequest(
  options: RunFollowerOptions,
  deps: RunFollowerDeps,
): Promise<RoleEnd> {
  return follow("watcher", options, deps);
}

async function lead(
  options: RunLeaderWithCustomHandlerOptions,
  deps: RunLeaderDeps & { readonly customHandler?: CustomRequestHandler },
): Promise<RoleEnd> {
  const { timings, signal, onReady, onHandle } = options;
  if (signal.aborted) return { kind: "stopped" };
  const server = new LeaderServer(
    { timings, epochFloor: 0 },
    {
      ...deps,
      action: deps.handler,
      meter: deps.meter ?? silentMeter,
      factory: deps.factory ?? defaultMsgFactory,
      onEstablished: () => onReady?.(),
    },
  );
  onHandle?.(server);
  const accept = (pipe: PeerPipe): void => {
    server.accept(pipe);
  };
  return run(server, signal, () => {
    deps.listener.onPipe(accept);
    return () => {
      deps.listener.onPipe(null);
    };
  });
}

async function follow(
  kind: Exclude<PeerRole, "leader">,
  options: RunFollowerOptions,
  deps: RunFollowerDeps,
): Promise<RoleEnd> {
  const { leader, timings, signal, onReady } = options;
  if (signal.aborted) return { kind: "stopped" };
  const server = new FollowerServer(
    { leader, kind, timings },
    {
      ...deps,
      action: deps.handler,
      factory: deps.factory ?? defaultMsgFactory,
      onEstablished: () => undefined,
      onPeerUnreachable: () => undefined,
      onReady: () => onReady?.(),
    },
  );
  return run(server, signal, () => () => undefined);
}

async function run(
  server: Role & { start(): void },
  signal: AbortSignal,
  open: () => () => void,
): Promise<RoleEnd> {
  const stop = (): void => {
    server.stop();
  };
  signal.addEventListener("abort", stop, { once: true });
  const close = open();
  server.start();
  try {
    return await server.done;
  } finally {
    close();
    signal.removeEventListener("abort", stop);
  }
}

const noRequests: RequestMgr = {
  onRequest: () => undefined,
  addPendingRequest: () => false,
  completeRequest: () => undefined,
  cleanupOnError: () => undefined,
};
