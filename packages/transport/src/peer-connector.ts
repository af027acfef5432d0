import { isIPv6, type LookupFunction, type Socket } from "node:net";
import { WebSocket } from "ws";
import type { HandshakeRole } from "@quorate/codec";
import {
  FRAME_BYTES_MAX,
  QuorateError,
  type NodeId,
  type PeerConnector,
  type PeerPipe,
} from "@quorate/protocol";
import type { PeerAddress, TransportDeps } from "./deps.js";
import { DiallerHandshake, type HandshakeIdentity } from "./handshake-machine.js";
import { closeRefused, HANDSHAKE_TIMEOUT_MS, runHandshake } from "./handshake-run.js";
import { WebSocketPipe } from "./peer-pipe.js";
import { SharedFrames } from "./shared-frames.js";
import { PEER_PATH, tuneSocket } from "./socket-options.js";
import { socketError } from "./socket-error.js";

export interface PeerConnectorOptions extends HandshakeIdentity {
  readonly role: HandshakeRole;
  /** Where the other nodes listen for peers. Read at every attempt, so it may change. */
  readonly peers: ReadonlyMap<NodeId, PeerAddress>;
  /** For the whole of one attempt, ms. */
  readonly handshakeTimeoutMs?: number;
}

/** Dials peers; see the port for the errors. */
export function createPeerConnector(
  options: PeerConnectorOptions,
  deps: TransportDeps,
): PeerConnector {
  return {
    connect(to, { signal }) {
      const address = options.peers.get(to);
      if (address === undefined) {
        const error = new QuorateError("ERR_PROTOCOL_UNKNOWN_NODE", `no address of node ${to}`);
        return Promise.reject(error);
      }
      if (signal.aborted) return Promise.reject(abortedError());
      return new Promise((resolve, reject) => {
        dial({ options, deps, to, address, signal }, resolve, reject);
      });
    },
  };
}

interface Attempt {
  readonly options: PeerConnectorOptions;
  readonly deps: TransportDeps;
  readonly to: NodeId;
  readonly address: PeerAddress;
  readonly signal: AbortSignal;
}

function dial(
  { options, deps, to, address, signal }: Attempt,
  resolve: (pipe: PeerPipe) => void,
  reject: (error: QuorateError) => void,
): void {
  const socket = openSocket(address, deps.lookup);
  let isSettled = false;
  const settle = (): boolean => {
    if (isSettled) return false;
    isSettled = true;
    timer.cancel();
    signal.removeEventListener("abort", onAbort);
    return true;
  };
  const fail = (error: QuorateError): void => {
    if (!settle()) return;
    deps.meter.count("peer_connect_failures");
    reject(error);
  };
  const giveUp = (error: QuorateError): void => {
    fail(error);
    closeRefused(socket, deps, error);
  };
  const onAbort = (): void => {
    giveUp(abortedError());
  };
  const timer = deps.clock.setTimer(options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS, () => {
    giveUp(new QuorateError("ERR_PROTOCOL_TIMEOUT", `node ${to} did not answer in time`));
  });
  signal.addEventListener("abort", onAbort, { once: true });
  const onEarlyError = (error: Error): void => {
    fail(socketError(error));
  };
  socket.on("error", onEarlyError);
  socket.on("upgrade", ({ socket: raw }: { socket: Socket }) => {
    tuneSocket(raw);
  });
  socket.on("open", () => {
    if (isSettled) return;
    const handshake = new DiallerHandshake(options, to, options.role);
    runHandshake(socket, (bytes) => handshake.receive(bytes), deps, {
      onAccepted(peer) {
        socket.off("error", onEarlyError);
        if (settle()) resolve(new WebSocketPipe(socket, peer, new SharedFrames(deps.clock), deps));
      },
      onRefused: fail,
    });
    const { send } = handshake.start();
    if (send !== null) socket.send(send);
  });
}

/** Each asks for the address of a name anew. */
function openSocket({ host, port }: PeerAddress, lookup?: LookupFunction): WebSocket {
  const authority = isIPv6(host) ? `[${host}]` : host;
  return new WebSocket(`ws://${authority}:${port}${PEER_PATH}`, {
    perMessageDeflate: false,
    maxPayload: FRAME_BYTES_MAX,
    // Masking protects caches of proxies from scripts in browsers. Between two servers it would
    // only cost a pass over every byte; an all-zero mask changes none, and ws skips it.
    generateMask: (mask) => {
      mask.fill(0);
    },
    ...(lookup === undefined ? {} : { lookup }),
  });
}

function abortedError(): QuorateError {
  return new QuorateError("ERR_SERVER_CLOSED", "the attempt was given up");
}
