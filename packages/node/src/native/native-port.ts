import { createServer, ServerResponse, type IncomingMessage, type Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import type { Clock, Logger, Meter } from "@quorate/protocol";
import { NATIVE_FRAME_BYTES_MAX, NATIVE_SUBPROTOCOL } from "@quorate/codec";
import type { Address } from "../config/address.js";
import type { NodeConfig } from "../config/config.js";
import type { Feed } from "../feed/feed.js";
import type { NodeStatus, ServerHandle } from "../server-handle.js";
import type { VitalsDocument } from "../vitals.js";
import { NativeConnection } from "./connection.js";
import { refusalOf } from "./guard.js";
import { HttpAnswers } from "./http-answers.js";
import { plainAddress } from "./http-identities.js";
import type { PortBudget } from "./outbox.js";
import type { ServiceDesk } from "./service-desk.js";
import {
  CLOSE_MS,
  FRAME_FRAGMENTS_MAX,
  FRAME_READS_MAX,
  HTTP_HEADER_BYTES_MAX,
  HTTP_REQUEST_MS,
  SWEEP_MS,
} from "./limits.js";
import { listen } from "./listen.js";
import { Operator } from "./operator.js";
import { Reception } from "./reception.js";
import { certifiedOf, openSecurePort, type SecurePort } from "../tls/secure-port.js";

export interface NativePortDeps {
  readonly server: Pick<ServerHandle, "submit" | "read"> &
    Pick<Feed, "subscribe"> & {
      /** Null while the server is not there yet. */
      status(): NodeStatus | null;
    };
  /** How disk and event loop fare, for the status document. */
  readonly vitals: () => VitalsDocument;
  /** What `GET /metrics` answers. */
  metrics(): Promise<{ readonly type: string; readonly text: string }>;
  /**
   * Takes a client of ZooKeeper, with what was read of it already. False while nobody can serve it.
   * Default: nobody ever can.
   */
  readonly zookeeper?: (socket: Socket, firstBytes: Uint8Array) => boolean;
  /** What ZooKeeper's AdminServer answers a command; null asks for the list of them. */
  readonly adminCommand?: (name: string | null) => { readonly type: string; readonly text: string };
  /** Sessions and watches of its clients. */
  readonly desk: ServiceDesk;
  /** Whether an op only reads: then it may be answered at this node. */
  readonly isRead: (op: number) => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
}

type PortConfig = Pick<
  NodeConfig,
  "cluster" | "nodeId" | "host" | "members" | "allowedHosts" | "allowedOrigins" | "secret" | "tls"
>;

export interface NativePort {
  /** As bound: with the real port where 0 was asked for. */
  readonly address: Address;
  /** Where clients connect with TLS; null without such a port. */
  readonly secureAddress: Address | null;
  /** WebSocket connections open now. */
  readonly connectionCount: number;
  /** Sends what is answered and closes every connection. Idempotent. */
  close(): Promise<void>;
}

/**
 * Opens the node's one client port: HTTP for status, WebSocket for requests, and what ZooKeeper's
 * clients speak.
 * @throws (rejects) ERR_SERVER_PORT_IN_USE; ERR_CONFIG_VALUE when the address cannot be bound.
 */
export async function openNativePort(
  config: PortConfig,
  deps: NativePortDeps,
): Promise<NativePort> {
  const connections = new Set<NativeConnection>();
  const http = createServer({
    maxHeaderSize: HTTP_HEADER_BYTES_MAX,
    headersTimeout: HTTP_REQUEST_MS,
    requestTimeout: HTTP_REQUEST_MS,
    connectionsCheckingInterval: 1000,
    keepAliveTimeout: HTTP_REQUEST_MS,
  });
  const answers = new HttpAnswers(config, deps);
  http.on("request", (request, response) => answers.answer(request, response));
  const acceptor = createAcceptor(connections, config, deps);
  http.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (isForWebSocket(request)) acceptUpgrade(acceptor, { request, socket, head }, config, deps);
    else answerAnyway(answers, request, socket);
  });
  const reception = receptionOf(http, deps);
  const bound = await listen(http, config.host.request, "requestAddr");
  const secure = await openSecure(config.tls, http, reception, deps);
  const sweeper = startSweeping(deps.clock, () => {
    reception.sweep();
    secure?.sweep().catch((error: unknown) => {
      deps.logger.error("certificates cannot be looked at", {}, error);
    });
    for (const connection of connections) connection.sweep();
    answers.sweep();
  });
  let closing: Promise<void> | null = null;
  return {
    address: bound,
    secureAddress: secure?.address ?? null,
    get connectionCount() {
      return connections.size;
    },
    close() {
      sweeper.cancel();
      closing ??= closeAll({ http, secure, reception, connections, clock: deps.clock });
      return closing;
    },
  };
}

/** @throws as openSecurePort; then the other port is closed again. */
async function openSecure(
  tls: NodeConfig["tls"],
  http: Server,
  reception: Reception,
  deps: NativePortDeps,
): Promise<SecurePort | null> {
  if (tls === null) return null;
  try {
    return await openSecurePort(tls, { ...deps, take: (socket) => reception.take(socket) });
  } catch (error) {
    await new Promise((resolve) => http.close(resolve));
    throw error;
  }
}

/** Puts itself between the accepted sockets and the HTTP server, which listens for all. */
function receptionOf(http: Server, deps: NativePortDeps): Reception {
  const serve = http.listeners("connection");
  http.removeAllListeners("connection");
  const reception = new Reception(
    {
      http: (socket) => {
        for (const listener of serve) listener.call(http, socket);
      },
      zookeeper: (socket, bytes) => deps.zookeeper?.(socket, bytes) ?? false,
    },
    deps,
  );
  http.on("connection", (socket: Socket) => reception.take(socket));
  return reception;
}

function createAcceptor(
  connections: Set<NativeConnection>,
  { secret, tls }: Pick<NodeConfig, "secret" | "tls">,
  deps: NativePortDeps,
): WebSocketServer {
  const acceptor = new WebSocketServer({
    noServer: true,
    maxPayload: NATIVE_FRAME_BYTES_MAX,
    maxFragments: FRAME_FRAGMENTS_MAX,
    maxBufferedChunks: FRAME_READS_MAX,
    perMessageDeflate: false,
    clientTracking: false,
    handleProtocols: () => NATIVE_SUBPROTOCOL,
  });
  const budget: PortBudget = { bytes: 0 };
  acceptor.on("connection", (socket, request) => {
    const { remoteAddress, remotePort } = request.socket;
    const remote = `${remoteAddress ?? "?"}:${remotePort ?? 0}`;
    const logger = deps.logger.child({ client: remote });
    const address = plainAddress(remoteAddress);
    const proved = certifiedOf(request.socket, tls?.superUser ?? null);
    const isSuper = proved.some(({ scheme }) => scheme === "super");
    const operator = new Operator({ secret, isSuper }, address);
    const client = { address, proved, operator };
    const connection = new NativeConnection(socket, { ...deps, logger, budget, ...client });
    connections.add(connection);
    logger.debug("a client connected");
    socket.once("close", (code) => {
      connections.delete(connection);
      logger.debug("a client connection closed", { code });
    });
  });
  return acceptor;
}

function isForWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === "websocket";
}

/**
 * Java's client and `curl --http2` offer HTTP/2 with their first request, which a server need not
 * take up. Node has detached the socket by then, so the answer is its last.
 */
function answerAnyway(answers: HttpAnswers, request: IncomingMessage, socket: Duplex): void {
  socket.on("error", () => socket.destroy());
  // Nobody reads it any more, and unread it would not say that its client has gone.
  socket.once("end", () => socket.destroy());
  socket.resume();
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  // What an HTTP server hands over in `upgrade` is the connection that it accepted.
  response.assignSocket(socket as Socket);
  response.once("finish", () => socket.end(() => socket.destroy()));
  answers.answer(request, response);
}

interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

function acceptUpgrade(
  acceptor: WebSocketServer,
  { request, socket, head }: Upgrade,
  guard: Pick<NodeConfig, "allowedHosts" | "allowedOrigins">,
  deps: NativePortDeps,
): void {
  // Without a listener a reset during the upgrade would end the process.
  socket.on("error", (error) => deps.logger.debug("a client upgrade broke off", { error }));
  const refused = refusalOf(request.headers, guard);
  const offered = (request.headers["sec-websocket-protocol"] ?? "").split(/\s*,\s*/);
  const [status, reason] =
    refused !== null
      ? ["403 Forbidden", refused]
      : ["400 Bad Request", `this port speaks ${NATIVE_SUBPROTOCOL}`];
  if (refused === null && offered.includes(NATIVE_SUBPROTOCOL)) {
    acceptor.handleUpgrade(request, socket, head, (webSocket) => {
      acceptor.emit("connection", webSocket, request);
    });
    return;
  }
  deps.logger.warn("refused a client connection", { reason });
  // Half closed it would stay for as long as the client likes, also when the port closes.
  socket.once("finish", () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\n` +
      `Content-Length: ${Buffer.byteLength(reason)}\r\n\r\n${reason}`,
  );
}

function startSweeping(clock: Clock, look: () => void): { cancel(): void } {
  const sweep = (): void => {
    timer = clock.setTimer(SWEEP_MS, sweep);
    look();
  };
  let timer = clock.setTimer(SWEEP_MS, sweep);
  return { cancel: () => timer.cancel() };
}

interface Open {
  readonly http: Server;
  readonly secure: SecurePort | null;
  readonly reception: Reception;
  readonly connections: ReadonlySet<NativeConnection>;
  readonly clock: Clock;
}

async function closeAll({ http, secure, reception, connections, clock }: Open): Promise<void> {
  const closed = new Promise<void>((resolve) => http.close(() => resolve()));
  const secureClosed = secure?.close();
  for (const connection of connections) connection.close();
  // Of HTTP only, over TLS too; upgraded connections are closed above.
  http.closeAllConnections();
  reception.closeSilent();
  // They were told before: their front end has closed. Who has not gone by then is cut off.
  const timer = clock.setTimer(CLOSE_MS, () => reception.cutOff());
  await Promise.all([closed, secureClosed]);
  timer.cancel();
}
