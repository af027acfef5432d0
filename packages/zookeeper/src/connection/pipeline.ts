import { OpCode, QuorateError, type Clock, type RequestOutcome } from "@quorate/protocol";
import { ZkOp } from "../jute/op-codes.js";
import { JuteReader } from "../jute/reader.js";
import { PathRequest } from "../jute/records.js";
import type { JuteWriter } from "../jute/writer.js";
import { SET_WATCHES_PATHS_PER_TURN } from "../limits.js";
import { encodeCloseSession, withCaller } from "@quorate/znode";
import { isKnown, isRefusedReadOnly, isWrite } from "../requests/kinds.js";
import { runRead, type ReadContext } from "../requests/read-request.js";
import { SetWatchesRun, type SetWatchesTarget } from "../requests/set-watches.js";
import { readSetAcl, readWrite, refusalOf, type WriteRequest } from "../requests/write-request.js";
import { ZkError } from "../zk-errors.js";
import { isLate, isOpenSync, isRead, isSetWatches, isSlow, Pending } from "./pending.js";
import type { Answered } from "./pending.js";

export type { Answered } from "./pending.js";

const HEADER_BYTES = 8;

/** What the pipeline needs of its connection. */
export interface PipelineLink extends ReadContext, SetWatchesTarget {
  readonly clock: Clock;
  readonly session: bigint;
  readonly isReadOnly: boolean;
  /** Requests may be carried out: the node serves, or it is enough that it reads. */
  readonly canServe: boolean;
  /** The client has not taken so much that nothing more should be made for it. */
  readonly isBlocked: boolean;
  readonly isOpen: boolean;
  changeOutstanding(by: number): void;
  /**
   * Writes a reply: `body` what follows the header, returning the number in it; null when there
   * can be no reply, which closes the connection. `txnid` is that of a write.
   */
  respond(
    request: Answered,
    txnid: bigint | null,
    body: (writer: JuteWriter) => number | null,
  ): void;
  /** Something was made for it although it is blocked: closes it beyond its last bound. */
  pressed(): void;
  /** There may be something to send, or room to read more; in a later turn. */
  wake(): void;
  /** After what was replied has left. */
  finish(reason: string): void;
}

/**
 * The requests of one connection, answered in the order in which they came.
 *
 * Writes are submitted at once, in order and without waiting for anything. Everything else is
 * carried out in its turn: a read behind reads at once, a read behind a write when that write is
 * answered. The service answers writes in their order while they are applied, refusals included
 * (ADR 0019), so that is behind its client's writes before it and ahead of those after it
 * (ZooKeeper's FIFO client order). While a write is on its way it is carried out then also for a
 * client that is slow to take its replies.
 *
 * Whatever takes more than one turn could see a later write: so one waits behind a setWatches, and
 * behind a read that waits for a sync.
 */
export class Pipeline {
  readonly #link: PipelineLink;
  readonly #queue: Pending[] = [];
  #waitingBytes = 0;
  /** Writes, and what else is submitted, that wait behind what takes its time. */
  #waitingWrites = 0;
  /** In the queue: each a sync or a setWatches. */
  #slowCount = 0;
  #inFlight = 0;
  #heldCount = 0;
  #heldSince: number | null = null;
  #setWatches: { readonly run: SetWatchesRun; readonly request: Answered } | null = null;
  #hasClosed = false;

  constructor(link: PipelineLink) {
    this.#link = link;
  }

  /** Requests that wait for their reply. */
  get size(): number {
    return this.#queue.length + (this.#setWatches === null ? 0 : 1);
  }

  /** Bytes of requests that wait for their turn. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** The one in front need not wait for anything but room for its reply. */
  get canAdvance(): boolean {
    const head = this.#queue[0];
    if (head === undefined || head.isHeld || this.#setWatches !== null) return false;
    return head.packet !== null || head.reply !== null;
  }

  /** Something was handed to the service that may have an effect. */
  get hasInFlight(): boolean {
    return this.#inFlight > 0;
  }

  /** Since when the oldest request waits for the node to serve. */
  get heldSince(): number | null {
    return this.#heldSince;
  }

  /** The client asked to close its session; that it is gone then is no news. */
  get hasClosed(): boolean {
    return this.#hasClosed;
  }

  /** Takes a packet, which is valid until the call returns. */
  accept(xid: number, op: number, packet: Uint8Array): void {
    if (this.#hasClosed) return;
    const link = this.#link;
    const canServe = link.canServe;
    if (op === ZkOp.ping && !canServe) {
      // Out of turn, which clients allow for pings: they must know that somebody is here.
      link.respond({ xid, op, startedAt: link.clock.now() }, null, () => ZkError.ok);
      return;
    }
    const pending = new Pending(xid, op, link.clock.now());
    if (canServe && this.#isIdle && isRead(op)) {
      this.#run(pending, packet);
      return;
    }
    this.#queue.push(pending);
    if (isSlow(op)) this.#slowCount += 1;
    link.changeOutstanding(1);
    if (canServe) {
      this.#begin(pending, packet);
      this.advance();
    } else {
      this.#hold(pending, packet);
    }
  }

  /** The node serves: what was held is begun, in its order. */
  release(): void {
    if (this.#heldCount === 0) return;
    this.#heldCount = 0;
    this.#heldSince = null;
    for (const pending of [...this.#queue]) {
      // One was refused at once, for what nobody can be told: none behind it may take effect.
      if (!this.#link.isOpen) return;
      if (!pending.isHeld || pending.packet === null) continue;
      const { packet } = pending;
      pending.isHeld = false;
      this.#dropPacket(pending);
      this.#begin(pending, packet);
    }
    this.advance();
  }

  /** Answers and carries out what can be, from the front. */
  advance(): void {
    const link = this.#link;
    while (link.isOpen && this.canAdvance) {
      const [head] = this.#queue;
      const { isBlocked } = link;
      if (head === undefined || (isBlocked && this.#inFlight === 0)) return;
      if (head.packet !== null && !isRead(head.op)) {
        this.#beginWaiting();
      } else if (head.packet !== null) {
        const { packet } = head;
        this.#shift();
        this.#dropPacket(head);
        this.#run(head, packet);
      } else if (head.reply !== null) {
        const { reply, txnid } = head;
        this.#shift();
        link.respond(head, txnid, reply);
        if (head.op === ZkOp.closeSession) link.finish("the client closed its session");
        else if (!isKnown(head.op)) link.finish("an unknown operation");
      } else {
        return;
      }
      if (isBlocked) link.pressed();
    }
  }

  /** The connection is closed: nothing is answered any more. */
  abandon(): void {
    this.#link.changeOutstanding(-this.#queue.length);
    this.#queue.length = 0;
    this.#waitingBytes = 0;
    this.#waitingWrites = 0;
    this.#slowCount = 0;
    this.#setWatches = null;
    this.#heldSince = null;
  }

  get #isIdle(): boolean {
    return this.#queue.length === 0 && this.#setWatches === null && !this.#link.isBlocked;
  }

  /** Whether its reply is written before this turn ends. */
  #isDue(pending: Pending): boolean {
    return this.#queue[0] === pending && this.#setWatches === null && !this.#link.isBlocked;
  }

  #shift(): void {
    const head = this.#queue.shift();
    if (head !== undefined && isSlow(head.op)) this.#slowCount -= 1;
    this.#link.changeOutstanding(-1);
  }

  #hold(pending: Pending, packet: Uint8Array): void {
    this.#keepPacket(pending, packet);
    pending.isHeld = true;
    this.#heldCount += 1;
    this.#heldSince ??= pending.startedAt;
  }

  #keepPacket(pending: Pending, packet: Uint8Array): void {
    pending.packet = packet.slice();
    this.#waitingBytes += packet.length;
  }

  #dropPacket(pending: Pending): void {
    if (pending.packet === null) return;
    this.#waitingBytes -= pending.packet.length;
    pending.packet = null;
  }

  /** Something in front of it may be carried out only after it would be applied. */
  #mustWait(pending: Pending): boolean {
    if (this.#waitingWrites > 0 || this.#setWatches !== null) return true;
    if (this.#slowCount === 0) return false;
    let isBehindSync = false;
    for (const other of this.#queue) {
      if (other === pending) return false;
      if (isLate(other, isBehindSync)) return true;
      isBehindSync ||= isOpenSync(other);
    }
    return false;
  }

  /** The first that waits is in front: it is begun, and what follows up to what takes its time. */
  #beginWaiting(): void {
    let isBehindSync = false;
    for (const pending of [...this.#queue]) {
      if (!this.#link.isOpen || pending.isHeld || isLate(pending, isBehindSync)) return;
      const { packet, op } = pending;
      if (packet !== null && !isRead(op)) {
        this.#waitingWrites -= 1;
        this.#dropPacket(pending);
        this.#carryOut(pending, packet);
      }
      isBehindSync ||= isOpenSync(pending);
    }
  }

  /** It is in the queue; what can be done ahead of its turn is done. */
  #begin(pending: Pending, packet: Uint8Array): void {
    const { op } = pending;
    if (isKnown(op) && !isRead(op) && this.#mustWait(pending)) {
      if (op === ZkOp.closeSession) this.#hasClosed = true;
      this.#waitingWrites += 1;
      this.#keepPacket(pending, packet);
    } else {
      this.#carryOut(pending, packet);
    }
  }

  #carryOut(pending: Pending, packet: Uint8Array): void {
    const { op } = pending;
    if (!isKnown(op)) {
      pending.reply = () => ZkError.unimplemented;
      this.#hasClosed = true;
    } else if (op === ZkOp.closeSession) {
      this.#hasClosed = true;
      if (this.#link.isReadOnly) pending.reply = () => ZkError.ok;
      else this.#submit(pending, closeOf(this.#link.session), false);
    } else if (this.#link.isReadOnly && isRefusedReadOnly(op)) {
      pending.reply = () => ZkError.notReadOnly;
    } else if (op === ZkOp.sync || isWrite(op)) {
      try {
        this.#beginAhead(pending, new JuteReader(packet.subarray(HEADER_BYTES)));
      } catch (error) {
        const err = errorOf(error);
        pending.reply = () => err;
      }
    } else {
      this.#keepPacket(pending, packet);
    }
  }

  #beginAhead(pending: Pending, reader: JuteReader): void {
    if (pending.op !== ZkOp.sync) {
      const request =
        pending.op === ZkOp.setAcl ? readSetAcl(reader) : readWrite(pending.op, reader);
      this.#submit(pending, request, true);
      return;
    }
    const { path } = PathRequest.read(reader);
    this.#link.service.catchUp((error) => {
      pending.reply = (writer) => {
        if (error !== null) return refusalOf(error, ZkOp.sync);
        writer.text(path);
        return ZkError.ok;
      };
      this.#settled();
    });
  }

  #submit(pending: Pending, request: WriteRequest, hasCaller: boolean): void {
    const { service, caller } = this.#link;
    const content = hasCaller ? withCaller(caller, request.content) : request.content;
    this.#inFlight += 1;
    const complete = (outcome: RequestOutcome): void => {
      this.#inFlight -= 1;
      pending.reply = replyOf(request, outcome, this.#isDue(pending));
      pending.txnid = outcome.ok ? outcome.txnid : null;
      this.#settled();
    };
    service.submit(request.op, request.key, content, complete, this.#inFlight);
  }

  #settled(): void {
    if (!this.#link.isOpen) return;
    this.advance();
    this.#link.wake();
  }

  #run(request: Answered, packet: Uint8Array): void {
    const reader = new JuteReader(packet.subarray(HEADER_BYTES));
    const link = this.#link;
    if (isSetWatches(request.op)) {
      this.#runSetWatches(request, reader);
      return;
    }
    link.respond(request, null, (writer) => {
      try {
        return runRead(request.op, reader, link, writer);
      } catch (error) {
        return errorOf(error);
      }
    });
  }

  #runSetWatches(request: Answered, reader: JuteReader): void {
    try {
      const run = new SetWatchesRun(request.op, reader, this.#link);
      this.#setWatches = { run, request };
    } catch (error) {
      const err = errorOf(error);
      this.#link.respond(request, null, () => err);
      return;
    }
    this.#stepSetWatches();
  }

  /** In pieces: tens of thousands of paths fit a packet, and others wait for the event loop. */
  #stepSetWatches(): void {
    const link = this.#link;
    if (this.#setWatches === null || !link.isOpen) return;
    const { run, request } = this.#setWatches;
    if (!run.step(SET_WATCHES_PATHS_PER_TURN)) {
      link.clock.defer(() => this.#stepSetWatches());
      return;
    }
    if (!link.isOpen) return;
    this.#setWatches = null;
    link.respond(request, null, () => ZkError.ok);
    link.wake();
  }
}

function closeOf(session: bigint): WriteRequest {
  return {
    op: OpCode.closeSession,
    key: "",
    content: encodeCloseSession(session),
    answer: () => undefined,
    // That it is gone already is what the client wanted.
    refused: (error) =>
      error.code === "ERR_SESSION_EXPIRED" ? ZkError.ok : refusalOf(error, ZkOp.closeSession),
  };
}

function replyOf(
  request: WriteRequest,
  outcome: RequestOutcome,
  isDue: boolean,
): (writer: JuteWriter) => number | null {
  if (!outcome.ok) {
    return (writer) =>
      outcome.error.code === "ERR_SESSION_MOVED" ? null : request.refused(outcome.error, writer);
  }
  // An answer is the state machine's until the turn ends; one that must wait is copied.
  const content = isDue ? outcome.content : outcome.content.slice();
  return (writer) => {
    request.answer(content, writer);
    return ZkError.ok;
  };
}

function errorOf(error: unknown): number {
  if (!(error instanceof QuorateError)) throw error;
  return refusalOf(error, ZkOp.error) ?? ZkError.systemError;
}
