import { silentMeter, type AuthIdentity, type LogData, type Logger } from "@quorate/protocol";
import type { ByteChannel, ByteHandler } from "../../src/byte-channel.js";
import { ZkFrontEnd } from "../../src/front-end.js";
import type { Field, ValueOf } from "../../src/jute/field.js";
import { FrameDecoder } from "../../src/jute/frame.js";
import { ZkOp } from "../../src/jute/op-codes.js";
import { JuteReader } from "../../src/jute/reader.js";
import {
  ConnectResponse,
  ReplyHeader,
  RequestHeader,
  WatcherEvent,
} from "../../src/jute/records.js";
import { requestRecords, responseRecords } from "../../src/jute/schema.js";
import { JuteWriter } from "../../src/jute/writer.js";
import type { ZkOptions } from "../../src/options.js";
import type { ServerFacts } from "../../src/server-facts.js";
import { FakeService } from "./fake-service.js";
import { VirtualClock } from "./virtual-clock.js";

/** Both ends of a connection in memory; the test is the client. */
export class MemoryChannel implements ByteChannel {
  readonly remoteAddress: string;
  readonly remotePort = 40_000;
  /** A client that takes nothing leaves it here. */
  bufferedBytes = 0;
  isTaking = true;
  isPaused = false;
  isClosed = false;
  writes = 0;
  readonly sent: Uint8Array[] = [];
  #handler: ByteHandler | null = null;

  constructor(remoteAddress = "127.0.0.1") {
    this.remoteAddress = remoteAddress;
  }

  attach(handler: ByteHandler): void {
    this.#handler = handler;
  }

  write(bytes: Uint8Array): void {
    if (this.isClosed) return;
    this.writes += 1;
    this.sent.push(bytes.slice());
    if (!this.isTaking) this.bufferedBytes += bytes.length;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  end(): void {
    this.isClosed = true;
  }

  destroy(): void {
    this.isClosed = true;
  }

  /** The client sends. */
  feed(bytes: Uint8Array): void {
    if (!this.isClosed) this.#handler?.onData(bytes);
  }

  /** The client reads again. */
  take(): void {
    this.isTaking = true;
    this.bufferedBytes = 0;
    this.#handler?.onDrain();
  }

  /** The client is gone. */
  hangUp(): void {
    this.isClosed = true;
    this.#handler?.onClosed();
  }
}

export interface Reply {
  readonly xid: number;
  readonly zxid: bigint;
  readonly err: number;
  /** What followed the header, read by the operation's record; null for nothing. */
  readonly body: unknown;
}

export type Received =
  | ({ readonly kind: "reply" } & Reply)
  | { readonly kind: "event"; readonly zxid: bigint; readonly type: number; readonly path: string };

/** A client that speaks in packets. */
export class RawClient {
  readonly channel: MemoryChannel;
  readonly #harness: Harness;
  readonly #decoder = new FrameDecoder(64 * 1024 * 1024);
  readonly #ops = new Map<number, number>();
  #isConnected = false;
  #taken = 0;
  #xid = 0;
  session = 0n;
  password: Uint8Array = new Uint8Array(16);
  timeoutMs = 0;
  isReadOnly: boolean | null = null;

  constructor(harness: Harness, channel: MemoryChannel) {
    this.#harness = harness;
    this.channel = channel;
  }

  send(packet: Uint8Array): void {
    this.channel.feed(framed(packet));
  }

  connect(
    options: {
      readonly session?: bigint;
      readonly password?: Uint8Array | null;
      readonly timeOut?: number;
      readonly lastZxidSeen?: bigint;
      /** Null: an old client, that does not say. */
      readonly readOnly?: boolean | null;
    } = {},
  ): this {
    const writer = new JuteWriter();
    writer.int(0);
    writer.long(options.lastZxidSeen ?? 0n);
    writer.int(options.timeOut ?? 10_000);
    writer.long(options.session ?? 0n);
    writer.buffer(options.password === undefined ? new Uint8Array(16) : options.password);
    if (options.readOnly !== null) writer.boolean(options.readOnly ?? false);
    this.send(writer.bytes());
    this.#harness.clock.settle();
    return this;
  }

  /** Sends a request and lets nothing else happen. Returns its number. */
  post(op: number, request: unknown = null, xid = (this.#xid += 1)): number {
    const writer = new JuteWriter();
    RequestHeader.write(writer, { xid, type: op });
    requestRecords.get(op)?.write(writer, request);
    this.#ops.set(xid, op);
    this.send(writer.bytes());
    return xid;
  }

  /** Sends a request whose body is as given. */
  postRaw(op: number, body: Uint8Array, xid = (this.#xid += 1)): number {
    const writer = new JuteWriter();
    RequestHeader.write(writer, { xid, type: op });
    writer.raw(body);
    this.#ops.set(xid, op);
    this.send(writer.bytes());
    return xid;
  }

  /** Sends a request and waits for its reply; events before it are skipped. */
  call(op: number, request: unknown = null): Reply {
    this.post(op, request);
    return this.reply();
  }

  reply(): Reply {
    this.#harness.clock.settle();
    for (const one of this.received()) if (one.kind === "reply") return one;
    throw new Error(`no reply; closed: ${String(this.channel.isClosed)}`);
  }

  /** All that has come and was not given out. */
  received(): Received[] {
    const all: Received[] = [];
    for (; this.#taken < this.channel.sent.length; this.#taken += 1) {
      this.#decoder.push(this.channel.sent[this.#taken] ?? new Uint8Array(0));
      for (let packet = this.#decoder.next(); packet !== null; packet = this.#decoder.next()) {
        const one = this.#read(packet);
        if (one !== null) all.push(one);
      }
    }
    return all;
  }

  settled(): Received[] {
    this.#harness.clock.settle();
    return this.received();
  }

  #read(packet: Uint8Array): Received | null {
    const reader = new JuteReader(packet);
    if (!this.#isConnected) {
      const response = ConnectResponse.read(reader);
      this.#isConnected = true;
      this.session = BigInt.asUintN(64, response.sessionId);
      this.password = response.passwd?.slice() ?? new Uint8Array(0);
      this.timeoutMs = response.timeOut;
      this.isReadOnly = reader.remaining > 0 ? reader.boolean() : null;
      return null;
    }
    const { xid, zxid, err } = ReplyHeader.read(reader);
    if (xid === -1) {
      const { type, path } = WatcherEvent.read(reader);
      return { kind: "event", zxid, type, path: path ?? "" };
    }
    const field = responseRecords.get(this.#ops.get(xid) ?? ZkOp.ping);
    const body = err === 0 ? (field?.read(reader) ?? null) : null;
    if (reader.remaining > 0) throw new Error(`${reader.remaining} bytes behind a reply`);
    return { kind: "reply", xid, zxid, err, body };
  }
}

export function framed(packet: Uint8Array): Uint8Array {
  const writer = new JuteWriter();
  writer.buffer(packet);
  return writer.bytes();
}

export function encoded<F extends Field<unknown>>(field: F, value: ValueOf<F>): Uint8Array {
  const writer = new JuteWriter();
  field.write(writer, value);
  return writer.bytes();
}

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly data: LogData;
}

export class Harness {
  readonly clock = new VirtualClock();
  readonly service = new FakeService(this.clock);
  readonly log: LogLine[] = [];
  readonly frontEnd: ZkFrontEnd;
  #random = 1n;

  constructor(options: Partial<ZkOptions> = {}, facts: Partial<ServerFacts> = {}) {
    this.frontEnd = new ZkFrontEnd({
      service: this.service,
      clock: this.clock,
      random: { next: () => 0.5, nextUint64: () => (this.#random = nextRandom(this.#random)) },
      logger: this.#logger(),
      meter: silentMeter,
      facts: { ...factsOf(this.service), ...facts },
      options,
    });
  }

  accept(address?: string, identities: readonly AuthIdentity[] = []): RawClient {
    const channel = new MemoryChannel(address);
    this.frontEnd.accept(channel, { identities });
    return new RawClient(this, channel);
  }

  /** A client with a session. */
  client(address?: string): RawClient {
    const client = this.accept(address).connect();
    client.received();
    return client;
  }

  #logger(): Logger {
    const add =
      (level: string) =>
      (message: string, data: LogData = {}): void => {
        this.log.push({ level, message, data });
      };
    const logger: Logger = {
      error: add("error"),
      warn: add("warn"),
      info: add("info"),
      debug: add("debug"),
      child: () => logger,
    };
    return logger;
  }
}

/** Splitmix, so that ids look as they do. */
function nextRandom(state: bigint): bigint {
  return BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
}

export function factsOf(service: FakeService): ServerFacts {
  return {
    version: "3.9.5-quorate, built on 2026-01-01 00:00 UTC",
    startedAtWallTime: 1_700_000_000_000,
    mode: () => "follower",
    znodeCount: () => 7,
    dataBytes: () => 60,
    ephemeralCount: () => 1,
    sessions: () => service.machine.sessions.values(),
    directoryBytes: () => ({ data: 11, log: 22 }),
    digests: () => [[0x1_0000_0001n, 12345n]],
    configuration: () => [["clientPort", "2181"]],
    environment: () => [["os.name", "Linux"]],
    monitor: () => [["open_file_descriptor_count", 42]],
  };
}

export const OPEN = [{ perms: 31, id: { scheme: "world", id: "anyone" } }];

/** A create request with what most have. */
export function create(path: string | null, more: Record<string, unknown> = {}): unknown {
  return { path, data: new Uint8Array(0), acl: OPEN, flags: 0, ttl: -1n, ...more };
}

export function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "utf8"));
}
