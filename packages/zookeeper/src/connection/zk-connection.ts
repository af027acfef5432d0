import { QuorateError, type AuthIdentity, type Clock, type Service } from "@quorate/protocol";
import type { WatchRequest, WatchType } from "@quorate/znode";
import type { ByteChannel } from "../byte-channel.js";
import { FrameDecoder } from "../jute/frame.js";
import { ZkOp, ZkXid } from "../jute/op-codes.js";
import { JuteReader } from "../jute/reader.js";
import type { JuteWriter } from "../jute/writer.js";
import {
  OUTSTANDING_PER_CONNECTION_MAX,
  UNTAKEN_BYTES_MAX,
  UNTAKEN_REPLY_BYTES_MAX,
  WAITING_BYTES_MAX,
} from "../limits.js";
import { writeEvent } from "../requests/events.js";
import { ConnectionStats } from "../stats.js";
import { operationName } from "../words/operation-names.js";
import { ZkError } from "../zk-errors.js";
import { authenticate, isAuthentication, type Proofs } from "./authentication.js";
import type { ConnectionHost } from "./connection-host.js";
import {
  readConnect,
  writeConnectResponse,
  type ConnectPacket,
  type Established,
} from "./handshake.js";
import { Identities } from "./identities.js";
import { nearestDeadline, type Deadline } from "./deadlines.js";
import { firstPacket } from "./first-packet.js";
import { LazyTimer } from "./lazy-timer.js";
import { Outbox } from "./outbox.js";
import { SaslLogin } from "./sasl.js";
import { Pipeline, type Answered, type PipelineLink } from "./pipeline.js";
import { SessionStart } from "./session-start.js";

/**
 * new: nothing said yet. connecting: asked for a session. open: has one. ending: what was written
 * leaves, nothing else happens. closed.
 */
type State = "new" | "connecting" | "open" | "ending" | "closed";

/** Stands for what ZooKeeper tells of no transaction. */
const NO_ZXID = -1n;

/**
 * One client's connection, from its first byte on: a four-letter word, or a session.
 *
 * Everything for the client goes through one buffer: a watch event is put there while the change
 * is applied, a reply when its request is carried out, so that nobody reads a change before the
 * event of it. What is in the buffer at the end of a turn leaves in one piece.
 */
export class ZkConnection implements PipelineLink {
  readonly #host: ConnectionHost;
  readonly #channel: ByteChannel;
  readonly #decoder: FrameDecoder;
  readonly #proofs: Proofs;
  readonly #pipeline: Pipeline;
  readonly #outbox: Outbox;
  readonly #timer: LazyTimer;
  readonly #start: SessionStart;
  readonly openedAt: number;
  /** When anything was last heard of it. */
  heardAt: number;
  readonly openedAtWallTime: number;
  readonly stats = new ConnectionStats();
  readonly isSecure: boolean;
  readonly ensembleText: string;
  /** The front end's: the number of its watches, or -1; and whether a turn is due. */
  watcher = -1;
  isDeferred = false;

  #state: State = "new";
  #established: Established | null = null;
  #lastZxid = 0n;
  #isPaused = false;
  /** The turn that is due is for more than to send. */
  #isWoken = false;

  constructor(
    host: ConnectionHost,
    channel: ByteChannel,
    { identities, isSecure }: { identities: readonly AuthIdentity[]; isSecure: boolean },
  ) {
    const { options, clock } = host;
    this.#host = host;
    this.#channel = channel;
    this.#decoder = new FrameDecoder(options.packetBytesMax);
    const own = new Identities(channel.remoteAddress, identities, options.superDigest);
    this.#proofs = { identities: own, sasl: new SaslLogin(options, own, host.random) };
    this.#pipeline = new Pipeline(this);
    this.#outbox = new Outbox(channel, () => clock.now());
    this.#start = new SessionStart(host, {
      settled: (packet, established) => this.#settled(packet, established),
      refused: (reason, data) => this.#refused(reason, data),
    });
    const expired = (reason: string): void => this.#dropSlow(reason);
    this.#timer = new LazyTimer(clock, () => this.#deadline(), expired);
    this.openedAt = clock.now();
    this.openedAtWallTime = clock.wallTime();
    this.isSecure = isSecure;
    this.ensembleText = options.ensembleText;
    this.heardAt = this.openedAt;
    channel.attach({
      onData: (bytes) => this.receive(bytes),
      onDrain: () => this.#drained(),
      onClosed: () => this.#leave("closed"),
    });
    this.#timer.arm();
  }

  // ---- what others see of it ----

  get session(): bigint {
    return this.#established?.session ?? 0n;
  }

  /** Negotiated; before that, how long a connection may be without a session. */
  get sessionTimeoutMs(): number {
    return (
      this.#established?.timeoutMs ??
      this.#start.waiting?.timeoutMs ??
      this.#host.options.connectMsMax
    );
  }

  get remoteAddress(): string {
    return this.#channel.remoteAddress;
  }

  get remotePort(): number {
    return this.#channel.remotePort;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  get outstanding(): number {
    return this.#pipeline.size;
  }

  get service(): Service {
    return this.#host.service;
  }

  get clock(): Clock {
    return this.#host.clock;
  }

  get caller(): Uint8Array {
    return this.#proofs.identities.caller;
  }

  get identities(): readonly AuthIdentity[] {
    return this.#proofs.identities.list;
  }

  get isReadOnly(): boolean {
    return this.#established?.isReadOnly ?? false;
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  get canServe(): boolean {
    return this.#host.isServing || this.isReadOnly;
  }

  get isBlocked(): boolean {
    return this.#outbox.untaken >= UNTAKEN_REPLY_BYTES_MAX;
  }

  // ---- from the client ----

  /** Bytes that arrived; also those that were read to tell what kind of client this is. */
  receive(bytes: Uint8Array): void {
    if (this.#isGone) return;
    this.heardAt = this.#host.clock.now();
    if (this.#state === "open" && !this.isReadOnly) this.service.touch(this.session);
    this.#decoder.push(bytes);
    this.#pump();
    this.#flush();
  }

  /** The front end calls it when something may be done: send, go on, read more. */
  turn(): void {
    if (this.#isGone) return;
    if (this.#isWoken) {
      this.#isWoken = false;
      this.#pipeline.advance();
      this.#pump();
    }
    this.#flush();
  }

  wake(): void {
    this.#isWoken = true;
    this.#host.defer(this);
  }

  changeOutstanding(by: number): void {
    this.#host.changeOutstanding(by);
  }

  #pump(): void {
    try {
      while (!this.#isGone && !this.#mustNotRead) {
        const packet = this.#state === "new" ? this.#first() : this.#decoder.next();
        if (packet === null) break;
        this.#received(packet);
      }
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error;
      const what = "closing a client's connection: it cannot be read";
      this.#host.logger.warn(what, this.#names(), error);
      this.#close();
      return;
    }
    if (this.#isGone) return;
    this.#decoder.keep();
    this.#pause(this.#mustNotRead);
    this.#timer.arm();
  }

  /** Null when there is no packet: too little has arrived, or it is a word, which is answered. */
  #first(): Uint8Array | null {
    const first = firstPacket(this.#decoder);
    if (first?.kind === "connect") return first.packet;
    if (first !== null) this.#answerWord(first.word);
    return null;
  }

  get #mustNotRead(): boolean {
    if (this.#state === "connecting") return true;
    const { size, waitingBytes } = this.#pipeline;
    return (
      size >= OUTSTANDING_PER_CONNECTION_MAX ||
      waitingBytes >= WAITING_BYTES_MAX ||
      (size > 0 && this.#host.outstanding >= this.#host.options.outstandingMax) ||
      this.isBlocked
    );
  }

  #received(packet: Uint8Array): void {
    this.stats.received += 1;
    this.#host.stats.packetsReceived += 1;
    const reader = new JuteReader(packet);
    if (this.#state === "new") {
      const connect = readConnect(reader);
      this.#state = "connecting";
      this.#start.begin(connect);
      return;
    }
    const xid = reader.int();
    const op = reader.int();
    if (isAuthentication(op)) {
      this.#authenticate(xid, op, reader);
    } else if (!this.#proofs.identities.satisfies(this.#host.options.requiredSchemes)) {
      this.#refuse(xid, ZkError.authRequired, "it has not authenticated");
    } else {
      this.#pipeline.accept(xid, op, packet);
    }
  }

  /** At once and not in turn, as there: it holds for all that comes behind it. */
  #authenticate(xid: number, op: number, reader: JuteReader): void {
    const { err, body, failure } = authenticate(op, reader, this.#proofs);
    this.#outbox.frame(xid, 0n, err, body);
    this.#countSent();
    if (failure === null) return;
    this.#host.stats.authFailed += 1;
    this.finish(`authentication failed: ${failure}`);
  }

  #refuse(xid: number, err: number, reason: string): void {
    this.#outbox.frame(xid, 0n, err);
    this.#countSent();
    this.finish(reason);
  }

  #answerWord(word: string): void {
    this.stats.received += 1;
    this.#host.stats.packetsReceived += 1;
    this.#channel.write(this.#host.answerWord(word));
    this.finish(`answered ${word}`);
  }

  // ---- the session ----

  #refused(reason: string, data: Readonly<Record<string, unknown>>): void {
    if (this.#state !== "connecting") return;
    this.#host.logger.info("closing a client's connection", { ...this.#names(), ...data, reason });
    this.#close();
  }

  #settled(packet: ConnectPacket, established: Established | null): void {
    if (this.#state !== "connecting") return;
    writeConnectResponse(this.#outbox.writer, established, packet.knowsReadOnly);
    this.#countSent();
    if (established === null) {
      this.finish("its session is gone");
      return;
    }
    this.#established = established;
    this.#state = "open";
    this.#proofs.identities.useSession(established.session);
    if (packet.request.lastZxidSeen > 0n) this.#lastZxid = packet.request.lastZxidSeen;
    this.#host.sessionOpened(established, this);
    this.#timer.arm();
    this.wake();
  }

  /** The node serves, or does no longer. */
  servingChanged(isServing: boolean): void {
    if (this.#isGone) return;
    this.wake();
    if (isServing) {
      // There is a quorum again, and this session is none of its.
      if (this.isReadOnly) return this.#close();
      this.#start.goOn();
      this.#pipeline.release();
    } else if (this.#pipeline.hasInFlight) {
      // Nobody can tell any more what became of it.
      this.#close();
    }
  }

  /** The session was closed or has expired. */
  sessionClosed(): void {
    if (!this.#pipeline.hasClosed) this.#close();
  }

  /** Nobody can go on with this connection: its client shall come again. */
  drop(reason: string): void {
    if (this.#isGone) return;
    this.#host.logger.debug("dropping a connection", { ...this.#names(), reason });
    this.#close();
  }

  // ---- to the client ----

  /**
   * A watch event that is encoded already, with its length; the bytes are not changed any more.
   * It changes nothing that requests wait for, so that all there is to do is to send it.
   */
  notify(frame: Uint8Array): void {
    if (this.#state !== "open") return;
    this.#outbox.share(frame);
    this.#host.defer(this);
    this.#countSent();
    this.pressed("events");
  }

  tell(eventType: number, path: string): void {
    writeEvent(this.#outbox.writer, NO_ZXID, eventType, path);
    this.#countSent();
    this.pressed("events");
  }

  respond(
    request: Answered,
    txnid: bigint | null,
    body: (writer: JuteWriter) => number | null,
  ): void {
    // ZooKeeper answers a ping under a number of its own, whatever the request's was.
    const xid = request.op === ZkOp.ping ? ZkXid.ping : request.xid;
    const zxid = this.#outbox.reply(xid, body, (err) => this.#zxidFor(err, txnid));
    if (zxid === null) this.#close();
    else this.#account(request, zxid);
  }

  pressed(what = "replies"): void {
    if (this.#outbox.exceeds(UNTAKEN_BYTES_MAX)) this.#dropSlow(`it does not read its ${what}`);
  }

  finish(reason: string): void {
    if (this.#isGone) return;
    this.#host.logger.debug("ending a connection", { ...this.#names(), reason });
    this.#flush();
    this.#leave("ending");
    this.#channel.end();
  }

  // ---- watches ----

  get mayWatch(): boolean {
    return this.#host.watches.sizeOf(this.watcher) < this.#host.options.watchesMax;
  }

  addWatch(path: string, request: WatchRequest): void {
    if (!this.mayWatch) return this.drop("it sets too many watches");
    this.#host.watches.add(path, this.#host.watcherOf(this), request);
  }

  hasWatch(path: string, type: WatchType): boolean {
    return this.watcher !== -1 && this.#host.watches.contains(path, this.watcher, type);
  }

  removeWatch(path: string, type: WatchType): boolean {
    return this.watcher !== -1 && this.#host.watches.remove(path, this.watcher, type);
  }

  // ---- internals ----

  get #isGone(): boolean {
    return this.#state === "ending" || this.#state === "closed";
  }

  #zxidFor(err: number, txnid: bigint | null): bigint {
    if (err === ZkError.unimplemented && txnid === null) return NO_ZXID;
    const newest = txnid ?? this.#host.newestTxnid;
    if (newest > this.#lastZxid) this.#lastZxid = newest;
    return this.#lastZxid;
  }

  #countSent(): void {
    this.stats.sent += 1;
    this.#host.stats.packetsSent += 1;
  }

  #account({ xid, op, startedAt }: Answered, zxid: bigint): void {
    const now = this.#host.clock.now();
    this.#countSent();
    this.stats.answered({ operation: operationName(op), xid, zxid, now, ms: now - startedAt });
    this.#host.stats.latency.add(now - startedAt);
    this.#host.stats.replies.add(this.#outbox.replyBytes);
  }

  #flush(): void {
    if (this.#isGone) return;
    this.#outbox.flush();
    if (this.#outbox.untakenSince !== null) this.#timer.arm();
    // What was sent may have been taken at once, and then nobody says that there is room again.
    const mayRead = this.#isPaused && !this.#mustNotRead;
    if (mayRead || (this.#pipeline.canAdvance && !this.isBlocked)) this.wake();
  }

  #drained(): void {
    if (this.#isGone) return;
    this.#outbox.drained();
    // Who takes what waits for it is alive, although its pings are not read meanwhile.
    if (this.#state === "open" && !this.isReadOnly) this.service.touch(this.session);
    this.wake();
  }

  #deadline(): Deadline | null {
    const isNew = this.#state === "new" || this.#state === "connecting";
    const isListening = this.#state === "open" && !this.#isPaused;
    return nearestDeadline({
      newSince: isNew ? this.openedAt : null,
      connectMsMax: this.#host.options.connectMsMax,
      timeoutMs: this.sessionTimeoutMs,
      silentSince: isListening ? this.heardAt : null,
      heldSince: this.#start.waiting?.since ?? this.#pipeline.heldSince,
      unservedSince: this.#state === "open" && !this.isReadOnly ? this.#host.unservedSince : null,
      untakenSince: this.#outbox.untakenSince,
    });
  }

  #dropSlow(reason: string): void {
    this.#host.logger.warn("closing a client's connection", { ...this.#names(), reason });
    this.#host.meter.count("zk_slow_connections_closed");
    this.#close();
  }

  #pause(isPaused: boolean): void {
    if (isPaused === this.#isPaused) return;
    this.#isPaused = isPaused;
    if (isPaused) {
      this.#channel.pause();
      return;
    }
    this.heardAt = this.#host.clock.now();
    this.#channel.resume();
  }

  #names(): Record<string, unknown> {
    return {
      client: `${this.remoteAddress}:${this.remotePort}`,
      session: `0x${this.session.toString(16)}`,
    };
  }

  #close(): void {
    if (this.#state === "closed") return;
    this.#leave("closed");
    this.#channel.destroy();
  }

  /** Gives up all that others hold for this connection, once. */
  #leave(state: "ending" | "closed"): void {
    const wasGone = this.#isGone;
    this.#state = state;
    this.#outbox.drop();
    this.#timer.cancel();
    if (wasGone) return;
    this.#pipeline.abandon();
    this.#host.connectionClosed(this);
  }
}
