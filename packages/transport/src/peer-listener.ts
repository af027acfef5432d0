import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { WebSocketServer, type WebSocket } from "ws";
import {
  FRAME_BYTES_MAX,
  PENDING_PIPES_MAX,
  QuorateError,
  type NodeId,
  type PeerListener,
  type PeerPipe,
  type Timer,
} from "@quorate/protocol";
import { assertSafeBind, bindError } from "./bind.js";
import type { PeerAddress, TransportDeps } from "./deps.js";
import { ListenerHandshake, type Admission, type HandshakeIdentity } from "./handshake-machine.js";
import { HANDSHAKE_TIMEOUT_MS, runHandshake } from "./handshake-run.js";
import { WebSocketPipe } from "./peer-pipe.js";
import { SharedFrames } from "./shared-frames.js";
import { PEER_PATH, tuneSocket } from "./socket-options.js";
import { Warnings } from "./warnings.js";

/** Connections of one listener, established or not. Beyond it new ones are closed unread. */
const CONNECTIONS_MAX = 1024;
/** Connections that have not proved anything yet. The oldest is cut. */
const HANDSHAKES_MAX = 128;
/** Bytes that a connection may send before it is known: upgrade, hello and proof. */
const HANDSHAKE_TOTAL_BYTES_MAX = 32 * 1024;
/** For pipes and their last bytes when the listener closes; then they are cut. */
const CLOSE_TIMEOUT_MS = 500;

export interface PeerListenerOptions extends HandshakeIdentity {
  readonly bind: PeerAddress;
  /** The configured voters, this node included or not. */
  readonly voters: Iterable<NodeId>;
  /** Whether nodes that are no voters may come as watchers. */
  readonly allowsWatchers: boolean;
  readonly handshakeTimeoutMs?: number;
}

/** Where an adapter listens, with the port that the system chose. */
export type BoundPeerListener = PeerListener & { readonly address: PeerAddress };

/**
 * Listens for peers. @throws (rejects) ERR_CONFIG_INSECURE, ERR_SERVER_PORT_IN_USE,
 * ERR_CONFIG_VALUE when the address cannot be bound.
 */
export async function createPeerListener(
  options: PeerListenerOptions,
  deps: TransportDeps,
): Promise<BoundPeerListener> {
  assertSafeBind({ host: options.bind.host, secret: options.secret });
  const server = createServer((request, response) => {
    deps.meter.count("peer_stray_http_requests");
    response.writeHead(426, { connection: "close" }).end();
    request.destroy();
  });
  server.maxConnections = CONNECTIONS_MAX;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => {
      reject(bindError(error, options.bind));
    });
    server.listen(options.bind, resolve);
  });
  server.removeAllListeners("error");
  return new WebSocketListener(server, options, deps);
}

class WebSocketListener implements PeerListener {
  readonly address: PeerAddress;
  readonly #server: Server;
  readonly #webSockets: WebSocketServer;
  readonly #options: PeerListenerOptions;
  readonly #admission: Admission;
  readonly #deps: TransportDeps;
  readonly #warnings: Warnings;
  /** Of all pipes: those who come are followers, and are sent the same. */
  readonly #frames: SharedFrames;
  /** Connections without a finished handshake, oldest first. */
  readonly #unproven = new Map<Socket, Timer>();
  readonly #pipes = new Map<WebSocket, WebSocketPipe>();
  #waiting: WebSocketPipe[] = [];
  #acceptor: ((pipe: PeerPipe) => void) | null = null;
  #closed: Promise<void> | null = null;

  constructor(server: Server, options: PeerListenerOptions, deps: TransportDeps) {
    const bound = server.address() as AddressInfo;
    this.address = { host: bound.address, port: bound.port };
    this.#server = server;
    this.#options = options;
    this.#admission = {
      voters: new Set(options.voters),
      allowsWatchers: options.allowsWatchers,
    };
    this.#deps = deps;
    this.#warnings = new Warnings(deps);
    this.#frames = new SharedFrames(deps.clock);
    this.#webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: FRAME_BYTES_MAX,
      path: PEER_PATH,
    });
    server.on("connection", (socket) => {
      this.#onConnection(socket);
    });
    server.on("upgrade", (request, socket, head) => {
      this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
        this.#onWebSocket(webSocket, request.socket);
      });
    });
    server.on("clientError", (error, socket) => {
      this.#refused(error);
      socket.destroy();
    });
    server.on("error", (error) => {
      this.#warnings.warn("peer listener failed to accept", {}, error);
    });
    this.#webSockets.on("wsClientError", (error, socket) => {
      this.#refused(error);
      socket.destroy();
    });
  }

  onPipe(acceptor: ((pipe: PeerPipe) => void) | null): void {
    this.#acceptor = acceptor;
    if (acceptor === null || this.#waiting.length === 0) return;
    this.#deps.clock.defer(() => {
      this.#offerWaiting();
    });
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#acceptor = null;
    for (const [socket, timer] of this.#unproven) {
      timer.cancel();
      socket.destroy();
    }
    const reason = new QuorateError("ERR_SERVER_CLOSED", "the node leaves");
    for (const pipe of this.#pipes.values()) pipe.close(reason);
    const timer = this.#deps.clock.setTimer(CLOSE_TIMEOUT_MS, () => {
      for (const webSocket of this.#pipes.keys()) webSocket.terminate();
    });
    await new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
      this.#server.closeAllConnections();
    });
    timer.cancel();
  }

  #onConnection(socket: Socket): void {
    tuneSocket(socket);
    // Before http takes the socket over, and after ws has it, an error would have no listener.
    socket.on("error", () => {
      this.#deps.meter.count("peer_socket_errors");
    });
    const timeoutMs = this.#options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS;
    const timer = this.#deps.clock.setTimer(timeoutMs, () => {
      this.#refused(new QuorateError("ERR_PROTOCOL_TIMEOUT", "a connection said nothing in time"));
      socket.destroy();
    });
    this.#unproven.set(socket, timer);
    socket.on("close", () => {
      this.#proven(socket);
    });
    if (this.#unproven.size <= HANDSHAKES_MAX) return;
    const [oldest] = this.#unproven.keys();
    oldest?.destroy();
    this.#refused(new QuorateError("ERR_PROTOCOL_OVERFLOW", "too many unfinished handshakes"));
  }

  #proven(socket: Socket): void {
    this.#unproven.get(socket)?.cancel();
    this.#unproven.delete(socket);
  }

  #onWebSocket(webSocket: WebSocket, socket: Socket): void {
    const handshake = new ListenerHandshake(this.#options, this.#admission);
    const limit = (): void => {
      // Checked on the raw bytes: ws would first gather a frame of up to FRAME_BYTES_MAX.
      if (socket.bytesRead > HANDSHAKE_TOTAL_BYTES_MAX) socket.destroy();
    };
    socket.on("data", limit);
    runHandshake(webSocket, (bytes) => handshake.receive(bytes), this.#deps, {
      onAccepted: (peer) => {
        socket.off("data", limit);
        this.#proven(socket);
        this.#accept(new WebSocketPipe(webSocket, peer, this.#frames, this.#deps), webSocket);
      },
      onRefused: (error) => {
        this.#refused(error);
      },
    });
  }

  #accept(pipe: WebSocketPipe, webSocket: WebSocket): void {
    if (this.#closed !== null) {
      pipe.close(new QuorateError("ERR_SERVER_CLOSED", "the node leaves"));
      return;
    }
    this.#pipes.set(webSocket, pipe);
    webSocket.once("close", () => {
      this.#pipes.delete(webSocket);
      // A pipe that ended while it waited is still offered: its end is then reported to a role.
    });
    this.#waiting.push(pipe);
    if (this.#acceptor !== null) {
      this.#offerWaiting();
    } else if (this.#waiting.length > PENDING_PIPES_MAX) {
      const oldest = this.#waiting.shift();
      oldest?.close(new QuorateError("ERR_PROTOCOL_OVERFLOW", "too many pipes wait for a role"));
    }
  }

  #offerWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const pipe of waiting) {
      if (this.#acceptor === null) this.#waiting.push(pipe);
      else this.#acceptor(pipe);
    }
  }

  #refused(error: unknown): void {
    this.#deps.meter.count("peer_handshakes_refused");
    this.#warnings.warn("refused a peer connection", {}, error);
  }
}
