import { EPOCH_ZERO, QuorateError, TXNID_ZERO } from "@quorate/protocol";
import { startServer, type NodeRole, type Server } from "@quorate/server";
import { shippedChainHash, shippedCodec, znodeApplication } from "./shipped-parts.js";
import type { Composition, SimulatedStatus, StartServer } from "./world/simulated-server.js";

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
  const done = starting.then(async (started) => {
    server = started;
    const reason = await started.done;
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
    stop: async () => (await starting).stop(),
  };
};

/** The shipped code over simulated adapters. */
export const composition: Composition = {
  startServer: startShipped,
  application: znodeApplication,
  codec: shippedCodec,
  chainHash: shippedChainHash,
};
