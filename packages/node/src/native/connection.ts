import type { WebSocket } from "ws";
import {
  isOperatorOpCode,
  QuorateError,
  TXNID_ZERO,
  type Clock,
  type Logger,
  type Meter,
  type Service,
  type Txnid,
  type AuthIdentity,
} from "@quorate/protocol";
import {
  decodeNativeRequests,
  NATIVE_OP_AUTH,
  NATIVE_OP_CHALLENGE,
  NATIVE_OP_OPERATE,
  NATIVE_OP_PING,
  NATIVE_OP_SESSION_END,
  OPERATOR_CALLER,
  type NativeRequest,
  type UnreadableRequest,
} from "@quorate/codec";
import type { Feed } from "../feed/feed.js";
import type { ServerHandle } from "../server-handle.js";
import { ConnectionSubscriptions } from "./connection-subscriptions.js";
import { Inbox } from "./inbox.js";
import { Member } from "./member.js";
import { Outbox, type PortBudget } from "./outbox.js";
import type { ServiceDesk } from "./service-desk.js";
import { isInTurn, isSessionRequest, SessionRequests } from "./session-requests.js";
import {
  CLOSE_MS,
  OUTSTANDING_BYTES_MAX,
  OUTSTANDING_MAX,
  OUTSTANDING_READS_MAX,
  PORT_BYTES_MAX,
  SEND_PAUSE_BYTES,
  STALLED_SWEEPS_MAX,
} from "./limits.js";
import { operatorOnly, type Operator } from "./operator.js";
import { bytesOf, isNodesOwn, isSubscriptionOp, wholeOf } from "./request-kinds.js";
import { isLogged, RequestOrder } from "./request-order.js";

export interface ConnectionDeps {
  readonly server: Pick<ServerHandle, "submit" | "read"> & Pick<Feed, "subscribe">;
  readonly isRead: (op: number) => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
  readonly budget: PortBudget;
  /** For sessions and watches. */
  readonly desk: ServiceDesk;
  /** Of the other end; empty when nobody knows it. */
  readonly address: string;
  /** What its certificate proves. */
  readonly proved?: readonly AuthIdentity[];
  readonly operator: Operator;
}

/** WebSocket's names for why a connection ends. */
const CloseCode = { goingAway: 1001, unsupported: 1003, malformed: 1007, overload: 1013 } as const;

const NO_CONTENT = new Uint8Array(0);

/**
 * One client's connection: requests in, replies out, both bounded. What cannot be taken on waits
 * in the client's own socket: while requests are left in the inbox, nothing is read.
 */
export class NativeConnection {
  readonly #socket: WebSocket;
  readonly #deps: ConnectionDeps;
  readonly #order = new RequestOrder();
  readonly #subscriptions: ConnectionSubscriptions;
  readonly #outbox: Outbox;
  readonly #member: Member;
  readonly #sessionRequests: SessionRequests;
  readonly #inbox = new Inbox();
  #isDraining = false;
  #outstanding = 0;
  #outstandingReads = 0;
  #outstandingBytes = 0;
  /** Nothing is taken on until what was taken on last is answered. */
  #isHeld = false;
  #closed = false;
  #heard = true;
  #sweepsStalled = 0;

  constructor(socket: WebSocket, deps: ConnectionDeps) {
    this.#socket = socket;
    this.#deps = deps;
    this.#outbox = this.#openOutbox();
    this.#subscriptions = new ConnectionSubscriptions(deps.server, {
      identities: () => this.#member.identities,
      reply: (reply) => this.#outbox.reply(reply),
      send: (parts) => this.#outbox.sendParts(parts),
    });
    this.#member = this.#join();
    this.#sessionRequests = new SessionRequests({
      member: this.#member,
      desk: deps.desk,
      reply: (reply) => this.#outbox.reply(reply),
      hold: (isHeld) => this.#hold(isHeld),
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
    this.#sweepsStalled = this.#outbox.isStalled() ? this.#sweepsStalled + 1 : 0;
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
    this.#leave("the server stops");
  }

  #openOutbox(): Outbox {
    const { clock, meter, budget } = this.#deps;
    return new Outbox(this.#socket, {
      clock,
      meter,
      budget,
      onRoom: () => {
        if (!this.#inbox.isEmpty) this.#drain();
      },
      onOverflow: (waiting) => {
        this.#drop(CloseCode.overload, "a client does not read its replies", { waiting });
      },
    });
  }

  #join(): Member {
    const { desk, address, proved = [] } = this.#deps;
    return new Member(
      desk,
      { address, proved },
      {
        onChange: (change) => this.#outbox.tell(change),
        onSessionGone: (error) => {
          this.#outbox.reply({ id: 0, ok: false, error });
          this.#leave("its session is gone");
        },
        onReset: (reason) => this.#leave(reason),
      },
    );
  }

  /** What was said before still reaches the client, which is to come again. */
  #leave(reason: string): void {
    if (this.#closed) return;
    this.#outbox.flush();
    this.#onClose();
    this.#socket.close(CloseCode.goingAway, reason);
    this.#terminateSoon();
  }

  #onMessage(data: Buffer, isBinary: boolean): void {
    if (this.#closed) return;
    this.#heard = true;
    this.#member.touch();
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
    this.#inbox.add(requests);
    this.#drain();
  }

  /** Takes on as much as the bounds allow and reads on, or not, accordingly. */
  #drain(): void {
    // What is answered within the loop makes room, which the loop sees: one within another for each
    // of a frame's requests would be deeper than the stack.
    if (this.#isDraining) return;
    this.#isDraining = true;
    try {
      while (this.#hasRoom()) {
        const request = this.#inbox.take();
        if (request === undefined) break;
        this.#take(request);
      }
    } finally {
      // Whatever a defect throws: what comes behind it is still taken on.
      this.#isDraining = false;
    }
    const { isEmpty } = this.#inbox;
    if (isEmpty === this.#socket.isPaused && !this.#closed) {
      if (isEmpty) this.#socket.resume();
      else this.#socket.pause();
    }
  }

  #hasRoom(): boolean {
    return (
      !this.#closed &&
      !this.#isHeld &&
      this.#outstanding < OUTSTANDING_MAX &&
      this.#outstandingReads < OUTSTANDING_READS_MAX &&
      this.#outstandingBytes < OUTSTANDING_BYTES_MAX &&
      this.#outbox.waitingBytes <= SEND_PAUSE_BYTES
    );
  }

  #hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    if (!isHeld && !this.#inbox.isEmpty) this.#drain();
  }

  #take(request: NativeRequest | UnreadableRequest): void {
    if ("error" in request) {
      this.#outbox.reply({ id: request.id, ok: false, error: request.error });
    } else if (request.op === NATIVE_OP_PING) {
      this.#outbox.reply({ id: request.id, ok: true, txnid: TXNID_ZERO, content: NO_CONTENT });
    } else if (request.op !== NATIVE_OP_AUTH && this.#member.refusal !== null) {
      this.#outbox.reply({ id: request.id, ok: false, error: this.#member.refusal });
    } else if (isSubscriptionOp(request.op)) {
      if (!this.#subscriptions.take(request)) {
        this.#drop(CloseCode.malformed, "closed a client connection: an id is in use", {});
      }
    } else if (isNodesOwn(request.op)) {
      // Entries that decide who votes, who has a session and what has expired.
      this.#refuse(request.id, "ERR_SERVER_UNSUPPORTED", "this operation is internal", false);
    } else if (request.op === NATIVE_OP_CHALLENGE) {
      const content = this.#deps.operator.challenge();
      this.#outbox.reply({ id: request.id, ok: true, txnid: TXNID_ZERO, content });
    } else if (request.op === NATIVE_OP_OPERATE) {
      const inner = this.#deps.operator.open(request);
      if (!(inner instanceof QuorateError)) this.#perform(inner, OPERATOR_CALLER);
      else this.#outbox.reply({ id: request.id, ok: false, error: inner });
    } else if (isOperatorOpCode(request.op)) {
      this.#outbox.reply({ id: request.id, ok: false, error: operatorOnly() });
    } else {
      this.#perform(request, this.#member.caller);
    }
  }

  #perform(request: NativeRequest, caller: Uint8Array): void {
    if (this.#deps.budget.bytes >= PORT_BYTES_MAX) {
      this.#refuse(request.id, "ERR_SERVER_BUSY", "too many requests wait", true);
    } else if (isSessionRequest(request.op)) {
      this.#takeOfSession(request);
    } else if (this.#deps.isRead(request.op)) {
      this.#begin(request, 1);
      const whole = wholeOf(request, caller);
      this.#order.passRead((ended) => this.#read(request, whole, ended), request.linearizable);
    } else {
      this.#begin(request, 0);
      const whole = wholeOf(request, caller);
      this.#order.passWrite((write) => this.#write(request, whole, write), isLogged(request.op));
    }
  }

  #takeOfSession(request: NativeRequest): void {
    if (request.op === NATIVE_OP_SESSION_END) {
      // Behind all writes of the session, those included that wait here.
      this.#order.passWrite((write) => {
        // As a write: the session may be another connection's by now.
        if (!this.#closed) this.#sessionRequests.take(request);
        this.#order.endWrite(write);
      });
      return;
    }
    if (!isInTurn(request.op)) {
      this.#sessionRequests.take(request);
      return;
    }
    this.#begin(request, 1);
    this.#order.passRead((ended) => {
      this.#sessionRequests.take(request);
      this.#end(request, 1);
      ended();
    });
  }

  /** `whole` is the content behind who asks. */
  #write(request: NativeRequest, whole: Uint8Array, write: number): void {
    const { op, key } = request;
    if (this.#closed) {
      // It waited behind a read and was never begun. Its client may have come again with the same
      // session, and what it asks for now must not be overtaken by this (Invariant 8).
      this.#order.endWrite(write);
      this.#end(request, 0);
      return;
    }
    const answered = (txnid: Txnid, content: Uint8Array): void => {
      this.#outbox.reply({ id: request.id, ok: true, txnid, content });
      this.#order.endWrite(write);
      this.#end(request, 0);
    };
    const failed = (error: unknown): void => {
      this.#fail(request, error);
      this.#order.endWrite(write);
      this.#end(request, 0);
    };
    if (!this.#isOrdered) {
      const work = this.#deps.server.submit(op, key, whole);
      work.then(({ txnid, content }) => answered(txnid, content), failed);
      return;
    }
    try {
      // Told while it is applied, in one order with the changes that are watched, and with reads.
      this.#deps.desk.service.submit(op, key, whole, (outcome) => {
        if (outcome.ok) answered(outcome.txnid, outcome.content.slice());
        else failed(outcome.error);
      });
    } catch (error) {
      failed(error);
    }
  }

  #read(request: NativeRequest, whole: Uint8Array, ended: () => void): void {
    const { op, key, linearizable } = request;
    const answered = (content: Uint8Array): void => {
      this.#outbox.reply({ id: request.id, ok: true, txnid: TXNID_ZERO, content });
      this.#end(request, 1);
      ended();
    };
    const failed = (error: unknown): void => {
      this.#fail(request, error);
      this.#end(request, 1);
      ended();
    };
    // One without a session may wait a little for the node to serve.
    const mayWait = !this.#member.isOrdered && this.#deps.desk.tree?.isServing === false;
    if (this.#isOrdered && !mayWait) this.#readInOrder(request, whole, answered, failed);
    else this.#deps.server.read(op, key, whole, { linearizable }).then(answered, failed);
  }

  /** Reads and writes have their places in the order of commits. */
  get #isOrdered(): boolean {
    return this.#member.isOrdered || this.#deps.desk.tree !== null;
  }

  /** Answered in the turn in which the state is read, so that no change is told in between. */
  #readInOrder(
    request: NativeRequest,
    whole: Uint8Array,
    answered: (content: Uint8Array) => void,
    failed: (error: unknown) => void,
  ): void {
    const { op, key } = request;
    const readNow = (service: Service): void => {
      const result = service.readNow(op, key, whole);
      if (result.ok) answered(result.content.slice());
      else failed(new QuorateError(result.code, result.message));
    };
    try {
      const { desk } = this.#deps;
      if (!request.linearizable) readNow(desk.serving);
      else
        desk.service.catchUp((error) => (error === null ? readNow(desk.service) : failed(error)));
    } catch (error) {
      failed(error);
    }
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
    if (!this.#inbox.isEmpty) this.#drain();
  }

  #fail(request: NativeRequest, cause: unknown): void {
    if (cause instanceof QuorateError) {
      this.#outbox.reply({ id: request.id, ok: false, error: cause });
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
    const error = new QuorateError(code, message, { retryable });
    this.#outbox.reply({ id, ok: false, error });
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

  /** What is begun goes on; nobody will hear of it. No write is begun any more. */
  #onClose(): void {
    this.#closed = true;
    this.#subscriptions.close();
    this.#member.close();
    this.#outbox.close();
    this.#inbox.clear();
  }
}
