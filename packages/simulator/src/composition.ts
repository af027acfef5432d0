import { decodeDatagram, decodeFrame, encodeDatagram, encodeFrame } from "@quorate/codec";
import { startServer, type NodeRole, type Server } from "@quorate/server";
import { chainHash } from "@quorate/transport";
import {
  decodeCreateResult,
  decodeGetResult,
  decodeStat,
  encodeCreate,
  encodeDelete,
  encodeRead,
  encodeSet,
  ZnodeMachine,
  ZnodeOp,
} from "@quorate/znode";
import { EPOCH_ZERO, QuorateError, TXNID_ZERO } from "@quorate/protocol";
import type { Application, Composition, SimulatedServer } from "./world/simulated-server.js";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const roles = {
  electing: "electing",
  leading: "leader",
  following: "follower",
  watching: "watcher",
} as const satisfies Record<NodeRole, string>;

const application: Application = {
  createStateMachine: () => new ZnodeMachine(),
  encode: (operation) => {
    switch (operation.type) {
      case "create":
        return {
          op: ZnodeOp.create,
          content: encodeCreate({ data: encoder.encode(operation.value) }),
        };
      case "set": {
        const { value, version } = operation;
        return { op: ZnodeOp.set, content: encodeSet({ data: encoder.encode(value), version }) };
      }
      case "delete":
        return { op: ZnodeOp.delete, content: encodeDelete({ version: operation.version }) };
      case "get":
        return { op: ZnodeOp.get, content: encodeRead() };
    }
  },
  decode: (operation, content, txnid) => {
    switch (operation.type) {
      case "create": {
        const { stat } = decodeCreateResult(content);
        return { result: "done", txnid, version: stat.version };
      }
      case "set":
        return { result: "done", txnid, version: decodeStat(content).version };
      case "delete":
        return { result: "done", txnid, version: -1 };
      case "get": {
        const { data, stat } = decodeGetResult(content);
        const value = decoder.decode(data);
        return { result: "value", value, version: stat.version, mzxid: stat.mzxid };
      }
    }
  },
};

/** The shipped code of every package, over the simulator's ports. */
export const shippedComposition: Composition = {
  startServer: (options, ports) => {
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
    const simulated: SimulatedServer = {
      done,
      status: () => {
        if (server === null) {
          return {
            role: "electing",
            epoch: EPOCH_ZERO,
            lastLogged: TXNID_ZERO,
            lastCommitted: TXNID_ZERO,
            digest: 0n,
            digestAt: TXNID_ZERO,
          };
        }
        const { role, epoch, lastLogged, lastCommitted, digest, lastApplied } = server.status();
        return {
          role: roles[role],
          epoch,
          lastLogged,
          lastCommitted,
          digest,
          digestAt: lastApplied,
        };
      },
      submit: async (op, key, content) => running().submit(op, key, content),
      read: async (op, key, content, readOptions) =>
        running().read(op, key, content, readOptions),
      stop: async () => (await starting).stop(),
    };
    return simulated;
  },
  application,
  codec: {
    refusesByCode: true,
    encodeFrame,
    decodeFrame: (bytes) => decodeFrame(bytes, chainHash),
    encodeDatagram,
    decodeDatagram,
  },
  chainHash,
};
