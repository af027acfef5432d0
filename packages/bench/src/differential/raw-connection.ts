import { connect, type Socket } from "node:net";
import {
  FrameDecoder,
  JuteReader,
  JuteWriter,
  ReplyHeader,
  RequestHeader,
  ZkOp,
  ZkXid,
} from "@quorate/zookeeper";

/** Longer ones no server of this bench sends. */
const PACKET_BYTES_MAX = 64 * 1024 * 1024;
const PASSWORD_BYTES = 16;
/** Refused addresses are told at once; this is for those that say nothing. */
const CONNECT_MS = 5_000;

/** What comes from a server, in the order it came. The end comes once, and nothing after it. */
export type Arrival =
  { readonly kind: "packet"; readonly bytes: Uint8Array } | { readonly kind: "closed" };

/** The first packet of a connection. */
export interface Introduction {
  readonly lastZxidSeen: bigint;
  readonly timeoutMs: number;
  /** 0 for a new one. */
  readonly sessionId: bigint;
  readonly password: Uint8Array | null;
  /** Null leaves the field out, as clients before 3.4 did. */
  readonly readOnly: boolean | null;
}

export type Awaited = "replied" | "closed" | "silent";

/** What a request is answered under; those of a special kind have numbers of their own. */
export function specialXid(type: number): number | null {
  if (type === ZkOp.ping) return ZkXid.ping;
  if (type === ZkOp.auth) return ZkXid.auth;
  return type === ZkOp.setWatches || type === ZkOp.setWatches2 ? ZkXid.setWatches : null;
}

export const noPassword = new Uint8Array(PASSWORD_BYTES);

/**
 * A connection to a ZooKeeper server that hides nothing: every packet is handed on as it came, and
 * whatever bytes are asked for are sent.
 */
export class RawConnection {
  readonly #socket: Socket;
  readonly #decoder = new FrameDecoder(PACKET_BYTES_MAX);
  readonly #onArrival: (arrival: Arrival) => void;
  readonly #waiting = new Map<number, ((how: Awaited) => void)[]>();
  #introduced: ((how: Awaited) => void) | null = null;
  #isIntroduced = false;
  #isClosed = false;
  #xid = 0;

  private constructor(socket: Socket, onArrival: (arrival: Arrival) => void) {
    this.#socket = socket;
    this.#onArrival = onArrival;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#onData(chunk));
    // The reason does not matter: a server that resets and one that ends say the same.
    socket.on("error", () => this.#onClosed());
    socket.on("close", () => this.#onClosed());
    socket.on("end", () => this.#onClosed());
  }

  /** @throws (rejects) when nobody accepts the connection. */
  static async open(
    address: string,
    onArrival: (arrival: Arrival) => void,
  ): Promise<RawConnection> {
    const [host = "", port = ""] = address.split(":");
    const socket = await new Promise<Socket>((resolve, reject) => {
      const made = connect({ host, port: Number(port), timeout: CONNECT_MS });
      made.once("timeout", () => made.destroy(new Error(`${address} does not accept`)));
      made.once("error", reject);
      made.once("connect", () => {
        made.setTimeout(0);
        made.off("error", reject);
        resolve(made);
      });
    });
    return new RawConnection(socket, onArrival);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Sends the connect request and waits for the answer, or the end. */
  introduce(introduction: Introduction, ms: number): Promise<Awaited> {
    const writer = new JuteWriter();
    const at = writer.beginFrame();
    writer.int(0);
    writer.long(introduction.lastZxidSeen);
    writer.int(introduction.timeoutMs);
    writer.long(introduction.sessionId);
    writer.buffer(introduction.password);
    if (introduction.readOnly !== null) writer.boolean(introduction.readOnly);
    writer.endFrame(at);
    const answered = new Promise<Awaited>((resolve) => {
      this.#introduced = resolve;
    });
    this.#socket.write(writer.bytes().slice());
    return this.#bounded(answered, ms, () => {
      this.#introduced = null;
    });
  }

  /** Sends a request; its number is what `untilReply` takes. The body follows the header. */
  send(type: number, body: Uint8Array): number {
    const xid = specialXid(type) ?? (this.#xid += 1);
    const writer = new JuteWriter(body.length + 16);
    const at = writer.beginFrame();
    RequestHeader.write(writer, { xid, type });
    writer.raw(body);
    writer.endFrame(at);
    this.#socket.write(writer.bytes().slice());
    return xid;
  }

  /** Waits for the next reply of that number, which must not have come yet. */
  untilReply(xid: number, ms: number): Promise<Awaited> {
    if (this.#isClosed) return Promise.resolve("closed");
    let settle: (how: Awaited) => void = () => undefined;
    const replied = new Promise<Awaited>((resolve) => {
      settle = resolve;
      const list = this.#waiting.get(xid);
      if (list === undefined) this.#waiting.set(xid, [resolve]);
      else list.push(resolve);
    });
    return this.#bounded(replied, ms, () => {
      const list = this.#waiting.get(xid) ?? [];
      const rest = list.filter((one) => one !== settle);
      if (rest.length === 0) this.#waiting.delete(xid);
      else this.#waiting.set(xid, rest);
    });
  }

  request(type: number, body: Uint8Array, ms: number): Promise<Awaited> {
    return this.#isClosed ? Promise.resolve("closed") : this.untilReply(this.send(type, body), ms);
  }

  /** Ends the connection as a crash does: the session is not closed. */
  drop(): void {
    this.#onClosed();
    this.#socket.destroy();
  }

  async #bounded(answer: Promise<Awaited>, ms: number, forget: () => void): Promise<Awaited> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Awaited>((resolve) => {
      timer = setTimeout(() => {
        forget();
        resolve("silent");
      }, ms);
    });
    try {
      return await Promise.race([answer, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #onData(chunk: Uint8Array): void {
    if (this.#isClosed) return;
    try {
      this.#decoder.push(chunk);
      for (;;) {
        const packet = this.#decoder.next();
        if (packet === null) return;
        this.#onPacket(packet.slice());
      }
    } catch {
      // A length that no packet has: nothing can be read after it, so it ends the connection.
      this.drop();
    }
  }

  #onPacket(bytes: Uint8Array): void {
    this.#onArrival({ kind: "packet", bytes });
    if (!this.#isIntroduced) {
      this.#isIntroduced = true;
      this.#introduced?.("replied");
      this.#introduced = null;
      return;
    }
    const { xid } = ReplyHeader.read(new JuteReader(bytes));
    const list = this.#waiting.get(xid);
    const first = list?.shift();
    if (list?.length === 0) this.#waiting.delete(xid);
    first?.("replied");
  }

  #onClosed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onArrival({ kind: "closed" });
    this.#introduced?.("closed");
    this.#introduced = null;
    for (const list of this.#waiting.values()) for (const settle of list) settle("closed");
    this.#waiting.clear();
    this.#socket.destroy();
  }
}
