import type { Socket } from "node:net";
import type { Logger, Meter } from "@quorate/protocol";
import { CONNECTIONS_MAX, SILENT_SOCKETS_MAX, SILENT_SWEEPS_MAX } from "./limits.js";

/** Who speaks which protocol. A socket that is handed over is theirs: nothing listens on it. */
export interface Hosts {
  /** HTTP and WebSocket. What was read of it is in front of what it will read. */
  http(socket: Socket): void;
  /** A client of ZooKeeper. False when there is nobody yet who could serve it. */
  zookeeper(socket: Socket, firstBytes: Uint8Array): boolean;
}

/**
 * Tells the clients of the one port apart by their first byte: an HTTP method begins with a
 * capital letter, a four-letter word with a small one, and a connect request with the upper byte of
 * its length, which is zero. What follows is read by those who understand it.
 */
export class Reception {
  readonly #hosts: Hosts;
  readonly #deps: { readonly logger: Logger; readonly meter: Meter };
  /** They have said nothing yet; with the sweeps that they have seen. */
  readonly #silent = new Map<Socket, number>();
  readonly #zookeeper = new Set<Socket>();
  #httpCount = 0;

  constructor(hosts: Hosts, deps: { readonly logger: Logger; readonly meter: Meter }) {
    this.#hosts = hosts;
    this.#deps = deps;
  }

  take(socket: Socket): void {
    if (this.#silent.size >= SILENT_SOCKETS_MAX) {
      this.#drop(socket);
      return;
    }
    this.#silent.set(socket, 0);
    const forget = (): void => {
      this.#silent.delete(socket);
      socket.off("data", hear).off("end", leave).off("error", leave).off("close", forget);
    };
    const leave = (): void => {
      socket.destroy();
    };
    const hear = (bytes: Buffer): void => {
      forget();
      this.#direct(socket, bytes);
    };
    socket.on("data", hear).on("end", leave).on("error", leave).on("close", forget);
  }

  /** A periodic look: who goes on saying nothing is closed. */
  sweep(): void {
    for (const [socket, sweeps] of this.#silent) {
      if (sweeps < SILENT_SWEEPS_MAX) {
        this.#silent.set(socket, sweeps + 1);
        continue;
      }
      this.#deps.logger.debug("closed a client connection that said nothing", {
        client: nameOf(socket),
      });
      socket.destroy();
    }
  }

  /** Closes those that nobody else closes: the silent, at last also ZooKeeper's clients. */
  closeSilent(): void {
    for (const socket of this.#silent.keys()) socket.destroy();
  }

  cutOff(): void {
    for (const socket of this.#zookeeper) socket.destroy();
  }

  #direct(socket: Socket, bytes: Buffer): void {
    const first = bytes[0] ?? 0;
    if (isCapital(first)) this.#toHttp(socket, bytes);
    else if (first === 0 || isSmall(first)) this.#toZookeeper(socket, bytes);
    else this.#refuse(socket, first);
  }

  #toHttp(socket: Socket, bytes: Buffer): void {
    if (this.#httpCount >= CONNECTIONS_MAX) {
      this.#drop(socket);
      return;
    }
    this.#httpCount += 1;
    socket.once("close", () => (this.#httpCount -= 1));
    // Else what was read would be read before there is a parser.
    socket.pause();
    socket.unshift(bytes);
    this.#hosts.http(socket);
    socket.resume();
  }

  #toZookeeper(socket: Socket, bytes: Buffer): void {
    this.#zookeeper.add(socket);
    socket.once("close", () => this.#zookeeper.delete(socket));
    if (this.#hosts.zookeeper(socket, bytes)) return;
    socket.on("error", () => socket.destroy());
    socket.destroy();
  }

  #refuse(socket: Socket, first: number): void {
    const reason =
      first === TLS_HANDSHAKE ? "it speaks TLS, which has a port of its own" : "unknown protocol";
    this.#deps.meter.count("native_garbage");
    this.#deps.logger.warn("closed a client connection", { client: nameOf(socket), reason });
    socket.on("error", () => socket.destroy());
    socket.destroy();
  }

  #drop(socket: Socket): void {
    this.#deps.meter.count("native_connections_dropped");
    this.#deps.logger.warn("dropped a client connection: too many are open");
    socket.on("error", () => socket.destroy());
    socket.destroy();
  }
}

/** The type of the first record of TLS. */
const TLS_HANDSHAKE = 0x16;

function isCapital(byte: number): boolean {
  return byte >= 0x41 && byte <= 0x5a;
}

function isSmall(byte: number): boolean {
  return byte >= 0x61 && byte <= 0x7a;
}

function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress ?? "?"}:${remotePort ?? 0}`;
}
