import {
  QuorateError,
  type ChainHash,
  type ClientAuthFunction,
  type Clock,
  type CommittedEvent,
  type CustomRequestHandler,
  type CustomState,
  type Logger,
  type Meter,
  type NodeId,
  type OpenStore,
} from "@quorate/protocol";
import {
  chainHash,
  createClock,
  createPeerConnector,
  createPeerListener,
  createRandom,
  createUdpMessenger,
  type PeerAddress,
} from "@quorate/transport";
import type { HostContext, OpenedHost, ServerDeps, ServerOptions } from "@quorate/server";
import {
  isZnodeRead,
  operationsOf,
  readersOf,
  ZnodeMachine,
  type QuotaExcess,
} from "@quorate/znode";
import { AttentiveMessenger } from "./ballot-silence.js";
import { formatAddress, type Address } from "./config/address.js";
import { describeConfig, type NodeConfig } from "./config/config.js";
import {
  localClient,
  localSession,
  type LocalClient,
  type LocalParts,
  type LocalSession,
} from "./embed/local-client.js";
import { Feed, type SubscriptionHandle } from "./feed/feed.js";
import { subscribe, type SubscribeOptions } from "./feed/subscribe.js";
import { createWinstonLogger, type ClosableLogger } from "./log/winston-logger.js";
import { NodeMetrics, type LevelSources } from "./metrics/node-metrics.js";
import { openNativePort, type NativePort } from "./native/native-port.js";
import { ServiceDesk } from "./native/service-desk.js";
import type { ExitReason, NodeStatus, ServerHandle } from "./server-handle.js";
import { Vitals } from "./vitals.js";
import { optionsOf, ZookeeperHost } from "./zookeeper/front-end.js";

/** What the composition root composes: replaced one by one by hosts and tests. */
export interface NodeParts {
  startServer(options: ServerOptions, deps: ServerDeps): Promise<ServerHandle>;
  /** A store that opens the node's data directory. */
  createOpenStore(
    config: NodeConfig,
    deps: { readonly logger: Logger; readonly meter: Meter; readonly chainHash: ChainHash },
  ): OpenStore;
  /** Default: winston, as configured. */
  readonly logger?: ClosableLogger;
  /** Told of everything that the node counts, beside its own `/metrics`. */
  readonly meter?: Meter;
  /** Answers the operations with codes above 50, where the leader is. The same on every node. */
  readonly customHandler?: CustomRequestHandler;
  /** A small replicated state of the host's own beside the tree. The same on every node. */
  createCustomState?(): CustomState;
  /** An ActionHandler of the host's in place of Quorate's store and tree. */
  openHost?(context: HostContext): Promise<OpenedHost>;
  /** Runs on each connection to a leader before anything else; a rejection closes it. */
  readonly authenticate?: ClientAuthFunction;
}

export interface RunningNode {
  /** Where clients reach it; with the real port where 0 was configured. */
  readonly requestAddress: Address;
  /** The same with TLS; null where that is not configured. */
  readonly secureAddress: Address | null;
  /** Resolves once, when everything of the node is closed. */
  readonly done: Promise<ExitReason>;
  /** Null while the server is not there yet. */
  status(): NodeStatus | null;
  /** Follows what is committed, in-process; see {@link SubscribeOptions}. */
  subscribe(options?: SubscribeOptions): AsyncIterableIterator<CommittedEvent, undefined>;
  /** Whether it hears of those it depends on, now; see Server. */
  ping(): Promise<void>;
  /** Closes all peer connections, which are made anew; ends no term. */
  resetConnections(): void;
  /** The tree, with watches, for this process. */
  readonly client: LocalClient;
  /** A session of this process. */
  session(settings?: { readonly timeoutMs?: number }): Promise<LocalSession>;
  /** Drains, hands over, closes. Resolves with `done`. Idempotent. */
  stop(): Promise<void>;
}

/** For ports and their connections, and again for the logger, at the end: then they are left. */
const CLOSE_MS_MAX = 2000;

/**
 * Runs one node: binds its three ports, verifies its store and takes part in its ensemble.
 * @throws (rejects) ERR_SERVER_PORT_IN_USE, ERR_CONFIG_VALUE, ERR_CONFIG_INSECURE for an address;
 * ERR_STORE_* for the data directory. Then nothing is left open.
 */
export async function runNode(config: NodeConfig, parts: NodeParts): Promise<RunningNode> {
  const clock = createClock();
  const startedAtWallTime = clock.wallTime();
  const logger = parts.logger ?? createWinstonLogger(config.log, { clock });
  const metrics = new NodeMetrics();
  const vitals = new Vitals(bothOf(metrics.meter, parts.meter), clock);
  const { meter } = vitals;
  const scope = logger.child({ node: config.nodeId });
  scope.info("starting", { config: describeConfig(config) });
  for (const warning of config.warnings) scope.warn("about the configuration", { warning });
  const opened: Closable[] = [metrics, vitals];
  const late = new LateServer();
  const zookeeper = new ZookeeperHost();
  try {
    // A state that is made only to be asked for its codes.
    const customReads = new Set(parts.createCustomState?.().reads ?? []);
    const isRead = (op: number): boolean => isZnodeRead(op) || customReads.has(op);
    const random = createRandom();
    const desk = new ServiceDesk({ clock, random, options: optionsOf(config.zookeeper) });
    const port = await openNativePort(config, {
      server: late,
      vitals: () => vitals.document(),
      metrics: () => metrics.scrape(late.levels(port.connectionCount, zookeeper.monitor())),
      adminCommand: (name) => zookeeper.command(name),
      zookeeper: (socket, firstBytes) => zookeeper.accept(socket, firstBytes),
      isRead,
      desk,
      clock,
      logger: scope.child({ component: "native" }),
      meter,
    });
    opened.push(port);
    const isElecting = (): boolean => late.status()?.role === "electing";
    const peerDeps = { clock, logger: scope, meter, isElecting };
    const peers = await openPeerPorts(config, peerDeps, opened);
    const server = await parts.startServer(serverOptions(config), {
      ...peers,
      clock,
      random,
      logger: scope,
      meter,
      openStore: parts.createOpenStore(config, { logger: scope, meter, chainHash }),
      createStateMachine: () =>
        zookeeper.watch(
          new ZnodeMachine({ onQuotaExceeded: (excess) => tellExcess(excess, scope, meter) }),
        ),
      chainHash,
      ...hostParts(parts),
    });
    const feed = feedOf(server, { clock, logger: scope, meter });
    late.attach(server, feed);
    // A host of its own has no tree to serve.
    if (parts.openHost === undefined) {
      zookeeper.open(config, server, { clock, random, logger: scope, meter, startedAtWallTime });
    }
    desk.open(server.service, parts.openHost === undefined);
    scope.info("clients are served", { requestAddr: formatAddress(port.address) });
    const local: LocalParts = { server, desk, isRead, clock };
    const rest = { scope, logger, clock, opened, feed, zookeeper, desk, local };
    return handleOf(port, server, late, rest);
  } catch (error) {
    scope.error("could not start", {}, error);
    try {
      await closeInOrder(opened, clock);
    } catch (closing) {
      // Why it did not start is what the caller must hear.
      scope.error("what was opened did not close", {}, closing);
    }
    await closeLogger(logger, clock);
    throw error;
  }
}

function feedOf(
  server: ServerHandle,
  deps: { readonly clock: Clock; readonly logger: Logger; readonly meter: Meter },
): Feed {
  return new Feed({
    log: server.committed,
    entries: { operationsOf, readersOf },
    isServing: () => server.status().ready,
    ...deps,
    logger: deps.logger.child({ component: "feed" }),
  });
}

function hostParts(
  parts: NodeParts,
): Pick<ServerDeps, "customHandler" | "createCustomState" | "openHost" | "authenticate"> {
  const { customHandler, authenticate } = parts;
  return {
    ...(customHandler === undefined ? {} : { customHandler }),
    ...(authenticate === undefined ? {} : { authenticate }),
    ...(parts.createCustomState === undefined
      ? {}
      : { createCustomState: parts.createCustomState.bind(parts) }),
    ...(parts.openHost === undefined ? {} : { openHost: parts.openHost.bind(parts) }),
  };
}

/** Of an enforced quota, the client is told as well. Repeats of a line are held back by the log. */
function tellExcess(
  { path, kind, limit, value, isHard }: QuotaExcess,
  logger: Logger,
  meter: Meter,
) {
  meter.count("quota_exceeded");
  logger.warn("a quota is exceeded", { path, kind, limit, value, enforced: isHard });
}

interface Closable {
  close(): Promise<void>;
}

interface Rest {
  readonly scope: Logger;
  readonly logger: ClosableLogger;
  readonly clock: Clock;
  readonly opened: readonly Closable[];
  readonly feed: Feed;
  readonly zookeeper: ZookeeperHost;
  readonly desk: ServiceDesk;
  readonly local: LocalParts;
}

function handleOf(
  port: NativePort,
  server: ServerHandle,
  late: LateServer,
  { scope, logger, clock, opened, feed, zookeeper, desk, local }: Rest,
): RunningNode {
  const done = server.done.then(async (reason) => {
    if (reason.kind === "failed") scope.error("the server ended", {}, reason.error);
    // Subscribers hear of it before their connections close.
    feed.close();
    zookeeper.close();
    desk.close();
    try {
      await closeInOrder(opened, clock);
      scope.info("stopped");
    } catch (error) {
      scope.error("what was opened did not close", {}, error);
    }
    await closeLogger(logger, clock);
    return reason;
  });
  const own = localClient(local);
  return {
    requestAddress: port.address,
    secureAddress: port.secureAddress,
    done,
    status: () => late.status(),
    subscribe: (options = {}) => subscribe(feed, options),
    client: own.client,
    session: (settings) => localSession(local, settings),
    ping: () => server.ping(),
    resetConnections: () => server.resetConnections(),
    async stop() {
      own.end();
      // What is answered while it drains still reaches its clients: the port closes after it.
      await server.stop();
      await done;
    },
  };
}

function serverOptions(config: NodeConfig): ServerOptions {
  const { nodeId, role, upstreams, voters, cluster, timings, trustEmpty, checkpointBytes } = config;
  return { nodeId, role, upstreams, voters, cluster, timings, trustEmpty, checkpointBytes };
}

async function openPeerPorts(
  config: NodeConfig,
  deps: {
    readonly clock: Clock;
    readonly logger: Logger;
    readonly meter: Meter;
    isElecting(): boolean;
  },
  opened: Closable[],
): Promise<Pick<ServerDeps, "messenger" | "listener" | "connector">> {
  const identity = {
    nodeId: config.nodeId,
    cluster: config.cluster,
    secret: config.secret ?? undefined,
  };
  const addresses = (kind: "election" | "message"): ReadonlyMap<NodeId, PeerAddress> =>
    new Map(config.peers.map((peer) => [peer.id, peer[kind]]));
  const ballotDeps = { ...deps, logger: deps.logger.child({ component: "ballots" }) };
  const socket = await createUdpMessenger(
    { ...identity, bind: config.host.election, peers: addresses("election") },
    ballotDeps,
  );
  const messenger = new AttentiveMessenger(socket, config, ballotDeps);
  opened.push(messenger);
  const peerDeps = { ...deps, logger: deps.logger.child({ component: "peers" }) };
  const listener = await createPeerListener(
    { ...identity, bind: config.host.message, voters: config.voters, allowsWatchers: true },
    peerDeps,
  );
  opened.push(listener);
  const connector = createPeerConnector(
    { ...identity, role: config.role, peers: addresses("message") },
    peerDeps,
  );
  return { messenger, listener, connector };
}

/** One that fails to close, or never does, must not keep the others open, nor whoever waits. */
async function closeInOrder(opened: readonly Closable[], clock: Clock): Promise<void> {
  const closing = Promise.allSettled(opened.map((closable) => closable.close()));
  const results = await withinCloseMs(closing, clock);
  if (results === "late") {
    throw new QuorateError("ERR_SERVER_INTERNAL", `not closed within ${CLOSE_MS_MAX} ms`);
  }
  const failures = results.filter((result) => result.status === "rejected");
  if (failures.length > 0) throw new AggregateError(failures.map(({ reason }) => reason as Error));
}

/** Its stream may be a pipe that nobody reads, and nothing can be told of what goes wrong here. */
async function closeLogger(logger: ClosableLogger, clock: Clock): Promise<void> {
  await withinCloseMs(
    logger.close().catch(() => undefined),
    clock,
  );
}

function withinCloseMs<T>(work: Promise<T>, clock: Clock): Promise<T | "late"> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(CLOSE_MS_MAX, () => resolve("late"));
    work.then(resolve, reject).finally(() => timer.cancel());
  });
}

/** Stands before a server whose store is still being verified: status is told, work refused. */
class LateServer {
  #server: ServerHandle | null = null;
  #feed: Feed | null = null;

  attach(server: ServerHandle, feed: Feed): void {
    this.#server = server;
    this.#feed = feed;
  }

  levels(connections: number, zookeeper: LevelSources["zookeeper"]): LevelSources {
    const pressure = this.#server?.pressure() ?? null;
    return { status: this.status(), pressure, connections, feed: this.#feed, zookeeper };
  }

  subscribe(...args: Parameters<Feed["subscribe"]>): SubscriptionHandle {
    if (this.#feed === null) throw starting();
    return this.#feed.subscribe(...args);
  }

  status(): NodeStatus | null {
    return this.#server?.status() ?? null;
  }

  submit(...args: Parameters<ServerHandle["submit"]>): ReturnType<ServerHandle["submit"]> {
    return this.#server?.submit(...args) ?? Promise.reject(starting());
  }

  read(...args: Parameters<ServerHandle["read"]>): ReturnType<ServerHandle["read"]> {
    return this.#server?.read(...args) ?? Promise.reject(starting());
  }
}

function bothOf(own: Meter, hosts: Meter | undefined): Meter {
  if (hosts === undefined) return own;
  return {
    count: (name, by) => {
      own.count(name, by);
      hosts.count(name, by);
    },
    observe: (name, value) => {
      own.observe(name, value);
      hosts.observe(name, value);
    },
    gauge: (name, value) => {
      own.gauge(name, value);
      hosts.gauge(name, value);
    },
  };
}

function starting(): QuorateError {
  return new QuorateError("ERR_SERVER_NOT_READY", "the node is starting", { retryable: true });
}
