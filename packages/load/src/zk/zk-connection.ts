import { setTimeout as pause } from "node:timers/promises";
import { ZkOp, ZkXid } from "@quorate/zookeeper";
import { CONNECTION_LOSS, type LoadConnection, type LoadSink } from "../connection.js";
import type { Kind } from "../order.js";
import { zkErrorName } from "./error-names.js";
import { Flight } from "./flight.js";
import { frameOf, type Template } from "./frames.js";
import { ReplyScanner } from "./reply-scanner.js";
import type { WriteBuffers } from "./write-buffers.js";
import { noSession, openLink, type ZkLink, type ZkSession } from "./zk-link.js";

/** ZooKeeper allows between 2 and 20 ticks of 2 s. */
export const SESSION_MS = 30_000;
const RETRY_MS = 5;
const CLOSE_MS = 1_000;
/** Requests of their own, as `request` sends them, beside those of the load. */
const EXTRA_IN_FLIGHT = 8;
/** A request of its own in the flight, whose key is its number among them. */
const OTHER = 255 as Kind;
const XID_MAX = 0x7fffffff;

export interface ZkConnectionOptions {
  readonly index: number;
  /** Tried in turn, from `index` on. */
  readonly servers: readonly string[];
  readonly outstanding: number;
  /** By kind. */
  readonly templates: readonly Template[];
  readonly buffers: WriteBuffers;
  /** Looks for a server again when it lost its own, and takes its session there. */
  readonly reconnects: boolean;
  readonly onNotified?: (index: number, at: number) => void;
}

/** A session of ZooKeeper's protocol that sends from templates and reads headers. */
export class ZkConnection implements LoadConnection {
  readonly #options: ZkConnectionOptions;
  readonly #sink: LoadSink;
  readonly #flight: Flight;
  #scanner: ReplyScanner;
  #link: ZkLink | null = null;
  #session: ZkSession = noSession;
  #out: Buffer | null = null;
  #outBytes = 0;
  #sentXid = 0;
  #answeredXid = 0;
  #now = 0;
  #attempts: number;
  #isClosing = false;
  #isFlushDue = false;
  readonly #pings: NodeJS.Timeout;
  /** Of requests of their own, by their number. */
  readonly #others = new Map<number, (error: string | null) => void>();
  #otherCount = 0;
  readonly #onSent: (buffer: Buffer) => void;

  constructor(options: ZkConnectionOptions, sink: LoadSink) {
    this.#options = options;
    this.#sink = sink;
    this.#flight = new Flight(options.outstanding + EXTRA_IN_FLIGHT);
    this.#scanner = this.#newScanner();
    this.#attempts = options.index;
    this.#onSent = (buffer) => options.buffers.give(buffer);
    this.#pings = setInterval(() => this.#ping(), SESSION_MS / 3);
  }

  get isOpen(): boolean {
    return this.#link !== null;
  }

  get inFlight(): number {
    return this.#flight.size;
  }

  /** Where it is, or will look first. */
  get server(): string {
    const { servers } = this.#options;
    return servers[this.#attempts % servers.length] ?? "";
  }

  /** Looks for a server until the deadline. @throws (rejects) the last reason then. */
  async open(deadline: number): Promise<void> {
    for (;;) {
      try {
        const link = await openLink(this.server, this.#session, SESSION_MS, {
          onData: (chunk) => this.#onData(chunk),
          onClosed: () => this.#onClosed(),
        });
        if (this.#isClosing) {
          link.socket.destroy();
          return;
        }
        this.#link = link;
        this.#session = link.session;
        this.#scanner = this.#newScanner();
        this.#sink.opened(this.#options.index);
        return;
      } catch (error) {
        if (this.#isClosing) return;
        if (performance.now() > deadline) throw error;
        if (/has ended/.test(String(error))) this.#session = noSession;
        else this.#attempts += 1;
        await pause(RETRY_MS);
      }
    }
  }

  send(kind: Kind, key: number, startedAt: number): void {
    const template = this.#options.templates[kind];
    if (template === undefined) throw new Error(`no request of kind ${kind}`);
    this.#flight.push(kind, key, startedAt);
    const out = this.#roomFor(template.bytes.length);
    template.copyTo(out, this.#outBytes, this.#nextXid(), key);
    this.#outBytes += template.bytes.length;
  }

  /** Any request, by its record. Null: carried out. Leaves with what was sent before it. */
  request(type: number, value: unknown): Promise<string | null> {
    if (this.#link === null) return Promise.resolve(CONNECTION_LOSS);
    this.#otherCount += 1;
    const number = this.#otherCount;
    this.#flight.push(OTHER, number, 0);
    const frame = frameOf(this.#nextXid(), type, value);
    this.#roomFor(frame.length).set(frame, this.#outBytes);
    this.#outBytes += frame.length;
    const answered = new Promise<string | null>((resolve) => this.#others.set(number, resolve));
    // With all that this turn asks for: many of them are one write.
    if (!this.#isFlushDue) {
      this.#isFlushDue = true;
      setImmediate(() => {
        this.#isFlushDue = false;
        this.flush();
      });
    }
    return answered;
  }

  flush(): void {
    if (this.#out === null || this.#link === null) return;
    const buffer = this.#out;
    this.#out = null;
    this.#link.socket.write(buffer.subarray(0, this.#outBytes), () => this.#onSent(buffer));
    this.#outBytes = 0;
  }

  async close(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    clearInterval(this.#pings);
    const link = this.#link;
    if (link === null) return;
    const abort = new AbortController();
    const late = pause(CLOSE_MS, undefined, { signal: abort.signal }).catch(() => undefined);
    await Promise.race([this.request(ZkOp.closeSession, null), late]);
    abort.abort();
    link.socket.destroy();
  }

  /** Ends it as a crash does: its session is not closed. */
  drop(): void {
    this.#isClosing = true;
    clearInterval(this.#pings);
    this.#link?.socket.destroy();
  }

  #newScanner(): ReplyScanner {
    return new ReplyScanner((xid, err) => this.#onReply(xid, err));
  }

  #nextXid(): number {
    this.#sentXid = this.#sentXid === XID_MAX ? 1 : this.#sentXid + 1;
    return this.#sentXid;
  }

  #roomFor(bytes: number): Buffer {
    if (this.#out !== null && this.#outBytes + bytes > this.#out.length) this.flush();
    this.#out ??= this.#options.buffers.take(bytes);
    return this.#out;
  }

  #ping(): void {
    this.#link?.socket.write(frameOf(ZkXid.ping, ZkOp.ping, null));
  }

  #onData(chunk: Buffer): void {
    this.#now = performance.now();
    try {
      this.#scanner.push(chunk);
    } catch (error) {
      this.#link?.socket.destroy(error as Error);
      return;
    }
    this.flush();
  }

  #onReply(xid: number, err: number): void {
    if (xid === ZkXid.ping) return;
    if (xid === ZkXid.notification) {
      this.#options.onNotified?.(this.#options.index, this.#now);
      return;
    }
    this.#answeredXid = this.#answeredXid === XID_MAX ? 1 : this.#answeredXid + 1;
    if (xid !== this.#answeredXid) throw new Error(`reply ${xid} for ${this.#answeredXid}`);
    const error = err === 0 ? null : zkErrorName(err);
    this.#flight.shift((kind, key, startedAt) => this.#settle(kind, key, startedAt, error));
  }

  #settle(kind: Kind, key: number, startedAt: number, error: string | null): void {
    if (kind !== OTHER) {
      this.#sink.answered(this.#options.index, kind, key, startedAt, this.#now, error);
      return;
    }
    this.#others.get(key)?.(error);
    this.#others.delete(key);
  }

  #onClosed(): void {
    this.#link = null;
    this.#out = null;
    this.#outBytes = 0;
    this.#answeredXid = this.#sentXid;
    this.#now = performance.now();
    while (this.#flight.size > 0) {
      this.#flight.shift((kind, key, from) => this.#settle(kind, key, from, CONNECTION_LOSS));
    }
    if (this.#isClosing || !this.#options.reconnects) return;
    this.#attempts += 1;
    // It goes on for as long as the load does: `close` ends it.
    void this.open(Infinity);
  }
}
