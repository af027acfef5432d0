import { ChurnMap, QuorateError, type Txnid } from "@quorate/protocol";
import {
  decodeNativeReplies,
  encodeNativeRequests,
  encodeSubscribe,
  encodeTaken,
  NATIVE_FRAME_BYTES_SOFT_MAX,
  NATIVE_FRAME_MESSAGES_MAX,
  NATIVE_OP_PING,
  NATIVE_OP_SUBSCRIBE,
  NATIVE_OP_TAKEN,
  NATIVE_OP_UNSUBSCRIBE,
  NATIVE_REQUEST_ID_MAX,
  type NativeChange,
  type NativeMessage,
  type NativeReply,
  type NativeRequest,
} from "@quorate/codec";
import type { Ambient } from "./ambient.js";
import { bytesOf, type Call } from "./call.js";
import { PING_AFTER_MS, SILENCE_MS_MAX } from "./limits.js";
import type { ClientSocket } from "./socket.js";
import type { Subscription } from "./subscription.js";

export interface LinkEvents {
  onAnswer(call: Call, txnid: Txnid, content: Uint8Array): void;
  onRefused(call: Call, error: QuorateError): void;
  /** What a subscription received was handed to it. */
  onReceived(): void;
  onEnded(subscription: Subscription, error: QuorateError): void;
  onChange(change: NativeChange): void;
  /** The session of this connection is over. */
  onSessionGone(error: QuorateError): void;
  /** Once. `inFlight` were sent and not answered. */
  onDown(inFlight: readonly Call[], reason: QuorateError): void;
}

const NO_CONTENT = new Uint8Array(0);

/** One open connection: requests of a turn leave together, answers find their calls by id. */
export class Link {
  readonly server: string;
  readonly #socket: ClientSocket;
  readonly #ambient: Ambient;
  readonly #events: LinkEvents;
  readonly #inFlight = new ChurnMap<number, Call>();
  readonly #subscriptions = new Map<number, Subscription>();
  readonly #ids = new Map<Subscription, number>();
  /** Those of which something was taken that the server was not told of. */
  readonly #untold = new Set<Subscription>();
  #queued: NativeRequest[] = [];
  #nextId = 1;
  #flushIsDue = false;
  #isDown = false;
  #heardAt: number;
  #pingedAt: number | null = null;
  /** Asked for a sign of life, and nothing heard since. */
  #isLifeOwed = false;
  /** Something was given up since this server was last heard: it may be silent. */
  #isOwed = false;
  /**
   * Whether this server is known to have applied all that this client has seen. Until then reads
   * are made linearizable, so that a move to a server that lags shows no older state
   * (Invariant 8).
   */
  isCaughtUp: boolean;

  constructor(
    socket: ClientSocket,
    options: { readonly server: string; readonly isCaughtUp: boolean },
    ambient: Ambient,
    events: LinkEvents,
  ) {
    this.server = options.server;
    this.isCaughtUp = options.isCaughtUp;
    this.#socket = socket;
    this.#ambient = ambient;
    this.#events = events;
    this.#heardAt = ambient.clock.now();
    socket.onmessage = ({ data }) => this.#onMessage(data);
    socket.onclose = ({ code, reason }) => {
      this.#down(`the connection to ${this.server} closed (${code}${reason && `, ${reason}`})`);
    };
    socket.onerror = () => undefined;
  }

  get inFlightCount(): number {
    return this.#inFlight.size;
  }

  /** A write has left and may have its place in the order already. */
  get hasWriteInFlight(): boolean {
    for (const { isWrite } of this.#inFlight.values()) if (isWrite) return true;
    return false;
  }

  send(call: Call): void {
    const id = this.#drawId();
    call.sent = true;
    call.id = id;
    this.#inFlight.set(id, call);
    const linearizable = call.linearizable || (!call.isWrite && !this.isCaughtUp);
    this.#queue({ id, op: call.op, key: call.key, content: call.content, linearizable });
  }

  /** Nobody waits for this one any more; should its answer come, it means nothing. */
  giveUp(call: Call): void {
    if (this.#inFlight.get(call.id) !== call) return;
    this.#inFlight.delete(call.id);
    this.#isOwed = true;
  }

  subscribe(subscription: Subscription): void {
    const id = this.#drawId();
    this.#subscriptions.set(id, subscription);
    this.#ids.set(subscription, id);
    const { prefix, after } = subscription;
    this.#queue({
      ...noRequest(id, NATIVE_OP_SUBSCRIBE),
      key: prefix,
      content: encodeSubscribe(after),
    });
  }

  /** Tells the server at the end of the turn, once for all that was taken in it. */
  tellTaken(subscription: Subscription): void {
    if (!this.#ids.has(subscription)) return;
    this.#untold.add(subscription);
    this.#flushSoon();
  }

  unsubscribe(subscription: Subscription): void {
    const id = this.#forget(subscription);
    if (id !== undefined) this.#queue(noRequest(id, NATIVE_OP_UNSUBSCRIBE));
  }

  /** Looks for silence while answers or events are due. */
  sweep(now: number): void {
    if (this.#inFlight.size === 0 && this.#subscriptions.size === 0 && !this.#isOwed) {
      this.#heardAt = now;
      this.#pingedAt = null;
    } else if (this.#pingedAt === null) {
      if (now - this.#heardAt < PING_AFTER_MS) return;
      this.#pingedAt = now;
      this.#queue(noRequest(0, NATIVE_OP_PING));
    } else if (now - this.#pingedAt >= SILENCE_MS_MAX) {
      this.close(`${this.server} fell silent`);
    }
  }

  /** A sign of life, and a question for one. Whoever did not answer the last is left. */
  tellLife(): void {
    if (this.#isLifeOwed) {
      this.close(`${this.server} fell silent`);
      return;
    }
    this.#isLifeOwed = true;
    this.#queue(noRequest(0, NATIVE_OP_PING));
  }

  close(why: string): void {
    this.#flush();
    this.#down(why);
    this.#socket.close(1000);
  }

  #queue(request: NativeRequest): void {
    this.#queued.push(request);
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#flushIsDue) return;
    this.#flushIsDue = true;
    this.#ambient.clock.defer(() => this.#flush());
  }

  #flush(): void {
    this.#flushIsDue = false;
    if (this.#isDown) return;
    for (const subscription of this.#untold) {
      const [id, { taken }] = [this.#ids.get(subscription), subscription];
      if (id === undefined || taken === null) continue;
      this.#queued.push({ ...noRequest(id, NATIVE_OP_TAKEN), content: encodeTaken(taken) });
    }
    this.#untold.clear();
    const queued = this.#queued;
    this.#queued = [];
    let from = 0;
    let bytes = 0;
    for (const [index, request] of queued.entries()) {
      bytes += bytesOf(request);
      const isFull =
        bytes >= NATIVE_FRAME_BYTES_SOFT_MAX || index + 1 - from === NATIVE_FRAME_MESSAGES_MAX;
      if (!isFull && index + 1 < queued.length) continue;
      this.#socket.send(encodeNativeRequests(queued.slice(from, index + 1)));
      from = index + 1;
      bytes = 0;
    }
  }

  #onMessage(data: unknown): void {
    if (this.#isDown) return;
    this.#heardAt = this.#ambient.clock.now();
    this.#pingedAt = null;
    this.#isOwed = false;
    this.#isLifeOwed = false;
    let messages: NativeMessage[];
    try {
      if (!(data instanceof ArrayBuffer)) throw new TypeError("a text frame");
      messages = decodeNativeReplies(new Uint8Array(data));
    } catch (error) {
      this.#down(`${this.server} sent what cannot be read`, error);
      this.#socket.close(1000);
      return;
    }
    for (const message of messages) {
      if (this.#isDown) return;
      if ("change" in message) this.#events.onChange(message);
      else this.#onOthers(message);
    }
  }

  #onOthers(message: Exclude<NativeMessage, NativeChange>): void {
    const subscription = this.#subscriptions.get(message.id);
    if (subscription === undefined) {
      if (!("events" in message)) this.#onReply(message);
    } else if ("events" in message) {
      subscription.receive(message.upTo, message.events);
      if (message.events.length === 0) this.tellTaken(subscription);
      this.#events.onReceived();
    } else {
      this.#forget(subscription);
      this.#events.onEnded(subscription, endOf(message));
    }
  }

  #onReply(reply: NativeReply): void {
    const call = this.#inFlight.get(reply.id);
    if (call === undefined) {
      // The answer to a ping, or to a call that was given up; or what was not asked for.
      if (reply.id === 0 && !reply.ok) this.#events.onSessionGone(reply.error);
      return;
    }
    this.#inFlight.delete(reply.id);
    call.sent = false;
    if (reply.ok) {
      // A write was applied there behind everything before it; so was a read of this connection
      // that had to be linearizable.
      if (call.kind === "program") this.isCaughtUp = true;
      this.#events.onAnswer(call, reply.txnid, reply.content);
    } else {
      this.#events.onRefused(call, reply.error);
    }
  }

  #down(why: string, cause?: unknown): void {
    if (this.#isDown) return;
    this.#isDown = true;
    const inFlight = [...this.#inFlight.values()];
    this.#inFlight.clear();
    this.#subscriptions.clear();
    this.#ids.clear();
    this.#queued = [];
    this.#events.onDown(inFlight, new QuorateError("ERR_CLIENT_UNREACHABLE", why, { cause }));
  }

  /** Zero is the ping's. Ids come round; one that is still in use is passed over. */
  #drawId(): number {
    do {
      this.#nextId = this.#nextId >= NATIVE_REQUEST_ID_MAX ? 1 : this.#nextId + 1;
    } while (this.#inFlight.has(this.#nextId) || this.#subscriptions.has(this.#nextId));
    return this.#nextId;
  }

  #forget(subscription: Subscription): number | undefined {
    const id = this.#ids.get(subscription);
    if (id === undefined) return undefined;
    this.#ids.delete(subscription);
    this.#subscriptions.delete(id);
    this.#untold.delete(subscription);
    return id;
  }
}

function noRequest(id: number, op: number): NativeRequest {
  return { id, op, key: "", content: NO_CONTENT, linearizable: false };
}

/** Nobody asked for the end, so an answer of success says as little as none. */
function endOf(reply: NativeReply): QuorateError {
  if (!reply.ok) return reply.error;
  return new QuorateError("ERR_SERVER_NOT_READY", "the server ended the subscription");
}
