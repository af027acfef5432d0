import { Feed } from "@quorate/node/feed";
import { EPOCH_ZERO, QuorateError, silentMeter, TXNID_ZERO } from "@quorate/protocol";
import { startServer, type NodeRole, type Server } from "@quorate/server";
import { operationsOf, readersOf } from "@quorate/znode";
import { ZkFrontEnd, type ServerFacts } from "@quorate/zookeeper";
import { shippedChainHash, shippedCodec, znodeApplication } from "./shipped-parts.js";
import type {
  Composition,
  ServerPorts,
  SimulatedStatus,
  StartServer,
} from "./world/simulated-server.js";

const roles = {
  electing: "electing",
  leading: "leader",
  following: "follower",
  watching: "watcher",
} as const satisfies Record<NodeRole, SimulatedStatus["role"]>;

const notStarted: SimulatedStatus = {
  role: "electing",
  isReady: false,
  epoch: EPOCH_ZERO,
  lastLogged: TXNID_ZERO,
  lastCommitted: TXNID_ZERO,
  digest: 0n,
  digestAt: TXNID_ZERO,
};

/** The shipped server starts asynchronously; until it runs it is a node that elects. */
const startShipped: StartServer = (options, ports) => {
  const starting = startServer(options, ports);
  let server: Server | null = null;
  let frontEnd: ZkFrontEnd | null = null;
  let feed: Feed | null = null;
  const done = starting.then(async (started) => {
    server = started;
    frontEnd = frontEndOf(started, ports);
    feed = feedOf(started, ports);
    const reason = await started.done;
    feed.close();
    return reason.kind === "stopped" ? "stopped" : `failed: ${reason.error.code}`;
  });
  const running = (): Server => {
    if (server === null) throw new QuorateError("ERR_SERVER_NOT_READY", "still starting");
    return server;
  };
  return {
    done,
    status: () => {
      if (server === null) return notStarted;
      const { role, epoch, lastLogged, lastCommitted, digest, lastApplied, ready } =
        server.status();
      return {
        role: roles[role],
        isReady: ready,
        epoch,
        lastLogged,
        lastCommitted,
        digest,
        digestAt: lastApplied,
      };
    },
    submit: async (op, key, content) => running().submit(op, key, content),
    read: async (op, key, content, readOptions) => running().read(op, key, content, readOptions),
    accept: (channel) => {
      frontEnd?.accept(channel);
      return frontEnd !== null;
    },
    follow: ({ prefix, after, identities }, { deliver, end }) => {
      if (feed === null) throw new QuorateError("ERR_SERVER_NOT_READY", "still starting");
      const who = identities === null ? {} : { identities: () => identities };
      return feed.subscribe(
        { prefix, after, ...who },
        {
          deliver: ({ upTo, events }) => deliver(upTo, events),
          bookmark: (upTo) => deliver(upTo, []),
          end,
        },
      );
    },
    stop: async () => (await starting).stop(),
  };
};

/** Shorter ones than ZooKeeper allows, so that many expire, and some within a leader's lease. */
const SESSION_MS_MIN = 200;

function frontEndOf({ service }: Server, { clock, random, logger }: ServerPorts): ZkFrontEnd {
  return new ZkFrontEnd({
    service,
    clock,
    random,
    logger,
    meter: silentMeter,
    facts,
    options: { sessionMsMin: SESSION_MS_MIN, isReadOnlyEnabled: true },
  });
}

function feedOf(server: Server, { clock, logger }: ServerPorts): Feed {
  return new Feed({
    log: server.committed,
    entries: { operationsOf, readersOf },
    isServing: () => server.status().ready,
    clock,
    logger,
    meter: silentMeter,
  });
}

/** Four-letter words ask for them, which no simulated client does. */
const facts: ServerFacts = {
  version: "simulated",
  startedAtWallTime: 0,
  mode: () => "standalone",
  znodeCount: () => 0,
  dataBytes: () => 0,
  ephemeralCount: () => 0,
  sessions: () => [],
  directoryBytes: () => ({ data: 0, log: 0 }),
  digests: () => [],
  configuration: () => [],
  environment: () => [],
  monitor: () => [],
};

/** The shipped code over simulated adapters. */
export const composition: Composition = {
  startServer: startShipped,
  hasSessions: true,
  application: znodeApplication,
  codec: shippedCodec,
  chainHash: shippedChainHash,
};
