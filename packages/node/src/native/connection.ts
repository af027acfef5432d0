import type { WebSocket } from "ws";
import {
  isInternalOpCode,
  isLeaderOpCode,
  isOperatorOpCode,
  isSessionOpCode,
  QuorateError,
  TXNID_ZERO,
  type Clock,
  type Logger,
  type Meter,
} from "@quorate/protocol";
import {
  decodeNativeRequests,
  encodeNativeReplies,
  NATIVE_FRAME_BYTES_SOFT_MAX,
  NATIVE_FRAME_MESSAGES_MAX,
  NATIVE_OP_CHALLENGE,
  NATIVE_OP_OPERATE,
  NATIVE_OP_PING,
  NATIVE_OP_SUBSCRIBE,
  NATIVE_OP_TAKEN,
  NATIVE_OP_UNSUBSCRIBE,
  OPERATOR_CALLER,
  type NativeReply,
  type NativeRequest,
  type UnreadableRequest,
} from "@quorate/codec";
import type { Feed } from "../feed/feed.js";
import type { ServerHandle } from "../server-handle.js";
import { hasCaller, withCaller } from "@quorate/znode";
import { ConnectionSubscriptions } from "./connection-subscriptions.js";
import {
  CLOSE_MS,
  OUTSTANDING_BYTES_MAX,
  OUTSTANDING_MAX,
  OUTSTANDING_READS_MAX,
  PORT_BYTES_MAX,
  SEND_PAUSE_BYTES,
  SEND_QUEUE_BYTES_MAX,
  STALLED_SWEEPS_MAX,
} from "./limits.js";
import { operatorOnly, type Operator } from "./operator.js";
import { ReadGate } from "./read-gate.js";

/** What all connections of a port share. */
export interface PortBudget {
  /** Of requests that wait and of replies that were not taken. */
  bytes: number;
}

export interface ConnectionDeps {
  readonly server: Pick<ServerHandle, "submit" | "read"> & Pick<Feed, "subscribe">;
  readonly isRead: (op: number) => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
  readonly budget: PortBudget;
  /** Who is at the other end, encoded: it goes before the content of each request to the tree. */
  readonly caller: Uint8Array;
  readonly operator: Operator;
}

/** WebSocket's names for why a connection ends. */
const CloseCode = { goingAway: 1001, unsupported: 1003, malformed: 1007, overload: 1013 } as const;

const NO_CONTENT = new Uint8Array(0);
/** Of a request or reply in a frame, besides key and content. */
const MESSAGE_OVERHEAD_BYTES = 32;

/**
 * One client's connection: requests in, replies out, both bounded. What cannot be taken on waits
 * in the client's own socket: while requests are left in the inbox, nothing is read.
 */
export class NativeConnection {
  readonly #socket: WebSocket;
  readonly #deps: ConnectionDeps;
  readonly #gate = new ReadGate();
  readonly #subscriptions: ConnectionSubscriptions;
  /** Framed requests that are not yet taken on: what one read of the socket brought, at most. */
  #inbox: (NativeRequest | UnreadableRequest)[] = [];
  #inboxAt = 0;
  #outstanding = 0;
  #outstandingReads = 0;
  #outstandingBytes = 0;
  #replies: NativeReply[] = [];
  #replyBytes = 0;
  #flushIsDue = false;
  #closed = false;
  #heard = true;
  #sweepsStalled = 0;
  /** Frames that the operating system took since the last sweep. */
  #framesTaken = 0;

  constructor(socket: WebSocket, deps: ConnectionDeps) {
    this.#socket = socket;
    this.#deps = deps;
    this.#subscriptions = new ConnectionSubscriptions(deps.server, {
      reply: (reply) => this.#reply(reply),
      send: (parts) => this.#sendParts(parts),
    });
    socket.binaryType = "nodebuffer";
    socket.on("message", (data: Buffer, isBinary: boolean) => this.#onMessage(data, isBinary));
    socket.on("ping", () => (this.#heard = true));
    socket.on("pong", () => (this.#heard = true));
    // Oversized frames, broken UTF-8, bad opcodes: ws has closed the connection by itself.
    socket.on("error", (error) => this.#onSocketError(error));
    socket.on("close", () => this.#onClose());
  }

  /** A periodic look: pings the silent, closes the dead and those who do not read. */
  sweep(): void {
    if (this.#closed) return;
    const buffered = this.#socket.bufferedAmount;
    const stalled = buffered > 0 && this.#framesTaken === 0;
    this.#sweepsStalled = stalled ? this.#sweepsStalled + 1 : 0;
    this.#framesTaken = 0;
    if (this.#sweepsStalled > STALLED_SWEEPS_MAX) {
      this.#drop(CloseCode.overload, "a client does not read its replies", { buffered });
      return;
    }
    // While paused, a pong would not be read: silence means nothing.
    if (this.#socket.isPaused) return;
    if (!this.#heard) {
      this.#socket.terminate();
      this.#deps.logger.info("closed a silent client connection");
      return;
    }
    this.#heard = false;
    this.#socket.ping();
  }

  /** Sends what is answered, then closes; at last without ceremony. */
  close(): void {
    if (this.#closed) return;
    this.#flush();
    this.#socket.close(CloseCode.goingAway, "the server stops");
    this.#terminateSoon();
  }

  #onMessage(data: Buffer, isBinary: boolean): void {
    if (this.#closed) return;
    this.#heard = true;
    if (!isBinary) {
      this.#drop(CloseCode.unsupported, "closed a client connection: a text frame", {});
      return;
    }
    let requests: (NativeRequest | UnreadableRequest)[];
    try {
      requests = decodeNativeRequests(data);
    } catch (error) {
      this.#deps.logger.warn("closed a client connection: unreadable bytes", {}, error);
      this.#deps.meter.count("native_garbage");
      this.#drop(CloseCode.malformed, null, {});
      return;
    }
    this.#deps.meter.count("native_received_bytes", data.length);
    this.#deps.meter.count("native_requests", requests.length);
    this.#inbox =
      this.#inboxAt === this.#inbox.length
        ? requests
        : this.#inbox.slice(this.#inboxAt).concat(requests);
    this.#inboxAt = 0;
    this.#drain();
  }

  /** Takes on as much as the bounds allow and reads on, or not, accordingly. */
  #drain(): void {
    while (this.#inboxAt < this.#inbox.length && this.#hasRoom()) {
      const request = this.#inbox[this.#inboxAt];
      this.#inboxAt += 1;
      if (request !== undefined) this.#take(request);
    }
    const done = this.#inboxAt === this.#inbox.length;
    if (done && this.#inbox.length > 0) {
      this.#inbox = [];
      this.#inboxAt = 0;
    }
    if (done === this.#socket.isPaused && !this.#closed) {
      if (done) this.#socket.resume();
      else this.#socket.pause();
    }
  }

  #hasRoom(): boolean {
    return (
      !this.#closed &&
      this.#outstanding < OUTSTANDING_MAX &&
      this.#outstandingReads < OUTSTANDING_READS_MAX &&
      this.#outstandingBytes < OUTSTANDING_BYTES_MAX &&
      this.#replyBytes + this.#socket.bufferedAmount <= SEND_PAUSE_BYTES
    );
  }

  #take(request: NativeRequest | UnreadableRequest): void {
    if ("error" in request) {
      this.#reply({ id: request.id, ok: false, error: request.error });
    } else if (request.op === NATIVE_OP_PING) {
      this.#reply({ id: request.id, ok: true, txnid: TXNID_ZERO, content: NO_CONTENT });
    } else if (isSubscriptionOp(request.op)) {
      if (!this.#subscriptions.take(request)) {
        this.#drop(CloseCode.malformed, "closed a client connection: an id is in use", {});
      }
    } else if (isNodesOwn(request.op)) {
      // Entries that decide who votes, who has a session and what has expired.
      this.#refuse(request.id, "ERR_SERVER_UNSUPPORTED", "this operation is internal", false);
    } else if (request.op === NATIVE_OP_CHALLENGE) {
      const content = this.#deps.operator.challenge();
      this.#reply({ id: request.id, ok: true, txnid: TXNID_ZERO, content });
    } else if (request.op === NATIVE_OP_OPERATE) {
      const inner = this.#deps.operator.open(request);
      if (!(inner instanceof QuorateError)) this.#perform(inner, OPERATOR_CALLER);
      else this.#reply({ id: request.id, ok: false, error: inner });
    } else if (isOperatorOpCode(request.op)) {
      this.#reply({ id: request.id, ok: false, error: operatorOnly() });
    } else {
      this.#perform(request, this.#deps.caller);
    }
  }

  #perform(request: NativeRequest, caller: Uint8Array): void {
    const { op, content } = request;
    const whole = hasCaller(op) ? withCaller(caller, content) : content;
    if (this.#deps.budget.bytes >= PORT_BYTES_MAX) {
      this.#refuse(request.id, "ERR_SERVER_BUSY", "too many requests wait", true);
    } else if (this.#deps.isRead(request.op)) {
      this.#begin(request, 1);
      this.#gate.passRead(() => this.#read(request, whole));
    } else {
      this.#begin(request, 0);
      this.#write(request, whole);
    }
  }

  #write(request: NativeRequest, content: Uint8Array): void {
    const write = this.#gate.beginWrite();
    this.#deps.server.submit(request.op, request.key, content).then(
      (answer) => {
        this.#reply({ id: request.id, ok: true, ...answer });
        this.#end(request, 0);
        this.#gate.endWrite(write);
      },
      (error: unknown) => {
        this.#fail(request, error);
        this.#end(request, 0);
        this.#gate.endWrite(write);
      },
    );
  }

  #read(request: NativeRequest, content: Uint8Array): void {
    const { op, key, linearizable } = request;
    this.#deps.server.read(op, key, content, { linearizable }).then(
      (answer) => {
        this.#reply({ id: request.id, ok: true, txnid: TXNID_ZERO, content: answer });
        this.#end(request, 1);
      },
      (error: unknown) => {
        this.#fail(request, error);
        this.#end(request, 1);
      },
    );
  }

  #begin(request: NativeRequest, reads: number): void {
    const bytes = bytesOf(request);
    this.#outstanding += 1;
    this.#outstandingReads += reads;
    this.#outstandingBytes += bytes;
    this.#deps.budget.bytes += bytes;
  }

  #end(request: NativeRequest, reads: number): void {
    const bytes = bytesOf(request);
    this.#outstanding -= 1;
    this.#outstandingReads -= reads;
    this.#outstandingBytes -= bytes;
    this.#deps.budget.bytes -= bytes;
    if (this.#inbox.length > 0) this.#drain();
  }

  #fail(request: NativeRequest, cause: unknown): void {
    if (cause instanceof QuorateError) {
      this.#reply({ id: request.id, ok: false, error: cause });
      return;
    }
    this.#deps.logger.error("a request failed unexpectedly", { op: request.op }, cause);
    // It may have been on its way: a bug must not pose as a refusal.
    this.#refuse(request.id, "ERR_SERVER_INTERNAL", "the server failed on this request", false);
  }

  #refuse(
    id: number,
    code: "ERR_SERVER_UNSUPPORTED" | "ERR_SERVER_BUSY" | "ERR_SERVER_INTERNAL",
    message: string,
    retryable: boolean,
  ): void {
    this.#reply({ id, ok: false, error: new QuorateError(code, message, { retryable }) });
  }

  #reply(reply: NativeReply): void {
    if (this.#closed) return;
    this.#replies.push(reply);
    this.#replyBytes += MESSAGE_OVERHEAD_BYTES + (reply.ok ? reply.content.length : 0);
    const waiting = this.#replyBytes + this.#socket.bufferedAmount;
    if (waiting > SEND_QUEUE_BYTES_MAX) {
      this.#drop(CloseCode.overload, "a client does not read its replies", { waiting });
      return;
    }
    if (this.#flushIsDue) return;
    this.#flushIsDue = true;
    this.#deps.clock.defer(() => this.#flush());
  }

  /** All that was answered in this turn leaves in as few frames as its bytes allow. */
  #flush(): void {
    this.#flushIsDue = false;
    if (this.#closed || this.#replies.length === 0) return;
    const replies = this.#replies;
    this.#replies = [];
    this.#replyBytes = 0;
    let from = 0;
    let bytes = 0;
    for (let i = 0; i < replies.length; i += 1) {
      const reply = replies[i];
      bytes += MESSAGE_OVERHEAD_BYTES + (reply?.ok === true ? reply.content.length : 0);
      const isFull =
        bytes >= NATIVE_FRAME_BYTES_SOFT_MAX || i - from + 1 === NATIVE_FRAME_MESSAGES_MAX;
      if (!isFull && i + 1 < replies.length) continue;
      this.#send(
        encodeNativeReplies(
          from === 0 && i + 1 === replies.length ? replies : replies.slice(from, i + 1),
        ),
      );
      from = i + 1;
      bytes = 0;
    }
    if (this.#inbox.length > 0) this.#drain();
  }

  #send(frame: Uint8Array): void {
    this.#deps.meter.count("native_sent_bytes", frame.length);
    this.#deps.budget.bytes += frame.length;
    this.#socket.send(frame, { binary: true }, () => {
      // Written out, or failed (then `close` follows): room again for requests that wait.
      this.#framesTaken += 1;
      this.#deps.budget.bytes -= frame.length;
      if (this.#inbox.length > 0) this.#drain();
    });
  }

  /** One message in pieces that are shared with other connections and counted elsewhere. */
  #sendParts(parts: readonly Uint8Array[]): void {
    if (this.#closed) return;
    for (const [index, part] of parts.entries()) {
      this.#deps.meter.count("native_sent_bytes", part.length);
      const fin = index + 1 === parts.length;
      this.#socket.send(part, { binary: true, fin }, () => {
        this.#framesTaken += 1;
        if (this.#inbox.length > 0) this.#drain();
      });
    }
  }

  #drop(code: number, message: string | null, data: Readonly<Record<string, unknown>>): void {
    if (message !== null) this.#deps.logger.warn(message, data);
    this.#onClose();
    this.#socket.close(code);
    this.#terminateSoon();
  }

  #terminateSoon(): void {
    this.#socket.resume();
    this.#deps.clock.setTimer(CLOSE_MS, () => this.#socket.terminate());
  }

  #onSocketError(error: Error): void {
    this.#deps.logger.warn("closed a client connection: it broke the protocol", {}, error);
    this.#deps.meter.count("native_garbage");
    this.#socket.terminate();
  }

  /** What is still outstanding goes on; nobody will hear of it. */
  #onClose(): void {
    this.#closed = true;
    this.#subscriptions.close();
    this.#inbox = [];
    this.#inboxAt = 0;
    this.#replies = [];
    this.#replyBytes = 0;
  }
}

function isNodesOwn(op: number): boolean {
  return isInternalOpCode(op) || isLeaderOpCode(op) || isSessionOpCode(op);
}

function isSubscriptionOp(op: number): boolean {
  return op === NATIVE_OP_SUBSCRIBE || op === NATIVE_OP_TAKEN || op === NATIVE_OP_UNSUBSCRIBE;
}

function bytesOf(request: NativeRequest): number {
  return MESSAGE_OVERHEAD_BYTES + request.key.length + request.content.length;
}
