import type { Socket } from "node:net";
import type { ByteChannel, ByteHandler } from "./byte-channel.js";

/** How long a socket may take to send what is left when it is to close. Then it is cut. */
const END_MS_MAX = 5_000;

/** A TCP or TLS socket as the channel of one client. Takes over its events and errors. */
export function socketChannel(socket: Socket, endMsMax = END_MS_MAX): ByteChannel {
  return new SocketChannel(socket, endMsMax);
}

class SocketChannel implements ByteChannel {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly #socket: Socket;
  readonly #endMsMax: number;
  #isEnding = false;

  constructor(socket: Socket, endMsMax: number) {
    this.#endMsMax = endMsMax;
    this.#socket = socket;
    this.remoteAddress = plainAddress(socket.remoteAddress ?? "");
    this.remotePort = socket.remotePort ?? 0;
    socket.setNoDelay(true);
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  attach(handler: ByteHandler): void {
    const socket = this.#socket;
    socket.on("data", (bytes: Buffer) => handler.onData(bytes));
    socket.on("drain", () => handler.onDrain());
    // A client that shuts down its side asks for nothing more, but may read (echo srvr | nc ...).
    socket.on("end", () => this.end());
    // It says why the socket closes, which follows; peers come and go.
    socket.on("error", () => socket.destroy());
    socket.on("close", () => handler.onClosed());
    socket.resume();
  }

  write(bytes: Uint8Array): void {
    if (!this.#socket.writable) return;
    this.#socket.write(bytes);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    const socket = this.#socket;
    socket.end();
    // What the client still sends is read and dropped, so that its end is seen.
    socket.resume();
    // Not the socket's own timeout, which a client that goes on sending puts off for ever.
    const cut = setTimeout(() => socket.destroy(), this.#endMsMax);
    socket.once("close", () => clearTimeout(cut));
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

/** An IPv4 address that came over an IPv6 socket, as ACLs and operators write it. */
function plainAddress(address: string): string {
  return address.startsWith("::ffff:") ? address.slice("::ffff:".length) : address;
}
