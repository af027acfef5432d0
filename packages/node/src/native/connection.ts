import type { WebSocket } from "ws";
import {
  InvariantError,
  isOperatorOpCode,
  QuorateError,
  TXNID_ZERO,
  type Clock,
  type Logger,
  type Meter,
  type Service,
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
  type NativeReply,
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
import { CLOSE_MS, PORT_BYTES_MAX, SEND_PAUSE_BYTES, STALLED_SWEEPS_MAX } from "./limits.js";
import { operatorOnly, type Operator } from "./operator.js";
import { readAnswer } from "./read-answer.js";
import { isNodesOwn, isSubscriptionOp, wholeOf } from "./request-kinds.js";
import { Turns, type Settle } from "./turns.js";

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
  readonly #turns: Turns;
  readonly #subscriptions: ConnectionSubscriptions;
  readonly #outbox: Outbox;
  readonly #member: Member;
  readonly #sessionRequests: SessionRequests;
  readonly #inbox = new Inbox();
  #isDraining = false;
  /** Nothing is taken on until what was taken on last is answered. */
  #isHeld = false;
  #closed = false;
  #heard = true;
  #sweepsStalled = 0;

  constructor(socket: WebSocket, deps: ConnectionDeps) {
    this.#socket = socket;
    this.#deps = deps;
    this.#outbox = this.#openOutbox();
    this.#turns = new Turns({
      budget: deps.budget,
      reply: (reply) => this.#outbox.reply(reply),
      failure: (request, thrown) => this.#failure(request, thrown),
      onEnd: () => this.#drainInbox(),
    });
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
      onRoom: () => this.#drainInbox(),
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

  #drainInbox(): void {
    if (!this.#inbox.isEmpty) this.#drain();
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
        this.#takeOrFail(request);
      }
    } finally {
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
      this.#turns.hasRoom &&
      this.#outbox.waitingBytes <= SEND_PAUSE_BYTES
    );
  }

  #hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    if (!isHeld) this.#drainInbox();
  }

  /**
   * What is thrown at the socket ends the process, and ws reads nothing more: only an
   * InvariantError may be.
   */
  #takeOrFail(request: NativeRequest | UnreadableRequest): void {
    try {
      this.#take(request);
    } catch (error) {
      this.#outbox.reply(this.#failure(request, error));
    }
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
      const whole = wholeOf(request, caller);
      this.#turns.asRead(request, (settle) => this.#read(request, whole, settle));
    } else {
      const whole = wholeOf(request, caller);
      this.#turns.asWrite(request, (settle) => this.#write(request, whole, settle));
    }
  }

  #takeOfSession(request: NativeRequest): void {
    if (request.op === NATIVE_OP_SESSION_END) {
      // Behind all writes of the session, those included that wait here; and nothing behind it is
      // taken on meanwhile, another end neither.
      this.#hold(true);
      this.#turns.asWrite(request, (settle) => {
        // As a write: the session may be another connection's by now.
        if (!this.#closed) this.#sessionRequests.take(request);
        settle(null);
      });
    } else if (isInTurn(request.op)) {
      this.#turns.asRead(request, (settle) => {
        // The desk would keep a watch of one that is gone for ever.
        if (!this.#closed) this.#sessionRequests.take(request);
        settle(null);
      });
    } else {
      this.#sessionRequests.take(request);
    }
  }

  /** `whole` is the content behind who asks. */
  #write(request: NativeRequest, whole: Uint8Array, settle: Settle): void {
    const { id, op, key } = request;
    if (this.#closed) {
      // It waited behind a read and was never begun. Its client may have come again with the same
      // session, and what it asks for now must not be overtaken by this (Invariant 8).
      settle(null);
    } else if (this.#isOrdered) {
      // Told while it is applied, in one order with the changes that are watched, and with reads.
      this.#deps.desk.service.submit(op, key, whole, (outcome) => {
        if (!outcome.ok) settle(this.#failureOf(request, outcome.error));
        else settle({ id, ok: true, txnid: outcome.txnid, content: outcome.content.slice() });
      });
    } else {
      this.#deps.server.submit(op, key, whole).then(
        ({ txnid, content }) => settle({ id, ok: true, txnid, content }),
        (error: unknown) => settle(this.#failureOf(request, error)),
      );
    }
  }

  #read(request: NativeRequest, whole: Uint8Array, settle: Settle): void {
    const { id, op, key, linearizable } = request;
    // One without a session may wait a little for the node to serve.
    const mayWait = !this.#member.isOrdered && this.#deps.desk.tree?.isServing === false;
    if (this.#isOrdered && !mayWait) {
      this.#readInOrder(request, whole, settle);
      return;
    }
    this.#deps.server.read(op, key, whole, { linearizable }).then(
      (content) => settle(readAnswer(id, content)),
      (error: unknown) => settle(this.#failureOf(request, error)),
    );
  }

  /** Reads and writes have their places in the order of commits. */
  get #isOrdered(): boolean {
    return this.#member.isOrdered || this.#deps.desk.tree !== null;
  }

  /** Answered in the turn in which the state is read, so that no change is told in between. */
  #readInOrder(request: NativeRequest, whole: Uint8Array, settle: Settle): void {
    const { id, op, key } = request;
    const { desk } = this.#deps;
    const readNow = (service: Service): void => {
      const result = service.readNow(op, key, whole);
      if (result.ok) {
        settle(readAnswer(id, result.content.slice()));
      } else {
        settle({ id, ok: false, error: new QuorateError(result.code, result.message) });
      }
    };
    if (!request.linearizable) {
      readNow(desk.serving);
      return;
    }
    desk.service.catchUp((error) => {
      try {
        if (error === null) readNow(desk.service);
        else settle(this.#failureOf(request, error));
      } catch (defect) {
        settle(this.#failure(request, defect));
      }
    });
  }

  /** What was thrown here. @throws InvariantError: after that nothing here may go on. */
  #failure(request: NativeRequest | UnreadableRequest, cause: unknown): NativeReply {
    if (cause instanceof InvariantError) throw cause;
    return this.#failureOf(request, cause);
  }

  #failureOf(request: NativeRequest | UnreadableRequest, cause: unknown): NativeReply {
    const { id } = request;
    if (cause instanceof QuorateError) return { id, ok: false, error: cause };
    const op = "op" in request ? request.op : null;
    this.#deps.logger.error("a request failed unexpectedly", { op }, cause);
    this.#deps.meter.count("native_requests_failed");
    // It may have been on its way: a bug must not pose as a refusal.
    const error = new QuorateError("ERR_SERVER_INTERNAL", "the server failed on this request");
    return { id, ok: false, error };
  }

  #refuse(
    id: number,
    code: "ERR_SERVER_UNSUPPORTED" | "ERR_SERVER_BUSY",
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
