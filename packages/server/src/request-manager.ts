import {
  ChurnMap,
  CLIENT_REQUESTS_MIN,
  CONTENT_BYTES_MAX,
  isCustomOpCode,
  isInternalOpCode,
  isKeyTooLong,
  isLeaderOpCode,
  isSessionOpCode,
  OP_CODE_MAX,
  PENDING_REQUEST_BYTES_MAX,
  PENDING_REQUESTS_MAX,
  QuorateError,
} from "@quorate/protocol";
import type {
  Clock,
  Random,
  RequestHandle,
  RequestMgr,
  RequestMsg,
  RequestOutcome,
  Timer,
} from "@quorate/protocol";
import { Admission } from "./admission.js";

const REQUEST_BYTES = 32;

/** Requests wait this long for a role that serves; then they are refused, retryable. */
export const REQUEST_WAIT_MS = 1000;

interface Pending {
  readonly handle: RequestHandle;
  readonly since: number;
  isHandedOn: boolean;
  /** The host's handler answers it when it likes, beside the order of all others. */
  readonly isHandlers: boolean;
  /** It is no part of the backlog that others are judged by. */
  readonly isBeside: boolean;
}

export interface RequestManagerDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** Whether a custom operation is logged, as the tree's are. Default: none is. */
  readonly isReplicated?: (op: number) => boolean;
}

/**
 * The requests of this node's own clients, from arrival to their one outcome.
 *
 * Request numbers start at random: an entry of an earlier life of this node, committed now, must
 * not complete a request of this one. A request that was handed on and not answered when the
 * leader is lost has an unknown outcome and is never handed on again.
 */
export class RequestManager implements RequestMgr {
  readonly #clock: Clock;
  readonly #isReplicated: (op: number) => boolean;
  readonly #pending = new ChurnMap<bigint, Pending>();
  #pendingBytes = 0;
  #besideCount = 0;
  readonly #admission = new Admission();
  /** One for all, of whom there may be tens of thousands a second: each would record its stack. */
  readonly #busy = new QuorateError("ERR_SERVER_BUSY", "too many requests wait", {
    retryable: true,
  });
  /** Not handed on yet, in arrival order. */
  #waiting: Pending[] = [];
  #receiver: ((request: RequestMsg) => void) | null = null;
  #nextId: bigint;
  #timer: Timer | null = null;
  /** Requests are being handed on: what is answered meanwhile is told in the next turn. */
  #isHandingOn = false;

  constructor(deps: RequestManagerDeps) {
    this.#clock = deps.clock;
    this.#isReplicated = deps.isReplicated ?? (() => false);
    this.#nextId = (deps.random.nextUint64() >> 2n) + 1n;
  }

  get pendingCount(): number {
    return this.#pending.size;
  }

  /** Submits a request; the outcome arrives once, never synchronously from a successful submit. */
  submit(
    op: number,
    key: string,
    content: Uint8Array,
    complete: (outcome: RequestOutcome) => void,
    ofClient?: number,
  ): void {
    const error = checkRequest(op, key, content);
    if (error !== undefined) {
      complete({ ok: false, error });
      return;
    }
    const reqId = this.#nextId;
    this.#nextId += 1n;
    const request: RequestMsg = { kind: "request", reqId, op, key, content };
    const handle = { request, complete, ...(ofClient === undefined ? {} : { ofClient }) };
    if (!this.addPendingRequest(handle)) complete({ ok: false, error: this.#busy });
  }

  onRequest(receiver: ((request: RequestMsg) => void) | null): void {
    this.#receiver = receiver;
    if (receiver === null) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const pending of waiting) this.#handOn(pending, receiver);
  }

  addPendingRequest(handle: RequestHandle): boolean {
    const { request } = handle;
    const now = this.#clock.now();
    const isHandlers = isCustomOpCode(request.op) && !this.#isReplicated(request.op);
    if (!this.#admits(handle, now, isHandlers)) return false;
    const isBeside = isHandlers || isOfFew(handle);
    const pending = { handle, since: now, isHandedOn: false, isHandlers, isBeside };
    if (isBeside) this.#besideCount += 1;
    this.#pending.set(request.reqId, pending);
    this.#pendingBytes += bytesOf(request);
    if (this.#receiver !== null) {
      this.#handOn(pending, this.#receiver);
    } else {
      this.#waiting.push(pending);
      this.#armTimer();
    }
    return true;
  }

  completeRequest(reqId: bigint, outcome: RequestOutcome): void {
    const pending = this.#pending.get(reqId);
    if (pending === undefined) return;
    if (!pending.isHandlers) this.#admission.answered(this.#clock.now());
    this.#settle(reqId, pending, outcome);
  }

  cleanupOnError(error: QuorateError): void {
    for (const [reqId, pending] of [...this.#pending]) {
      if (!pending.isHandedOn) continue;
      const unknown = new QuorateError(
        "ERR_CLIENT_OUTCOME_UNKNOWN",
        "the leader was lost before it answered; the write may or may not take effect",
        { cause: error },
      );
      this.#refuse(reqId, unknown);
    }
  }

  /** The node ends: what was never handed on is refused, the rest is unknown. */
  close(error: QuorateError): void {
    this.#receiver = null;
    this.#timer?.cancel();
    this.#timer = null;
    this.cleanupOnError(error);
    this.#waiting = [];
    for (const reqId of [...this.#pending.keys()]) this.#refuse(reqId, error);
  }

  /**
   * Who comes or goes is let in beyond a backlog: sessions that are not kept only come again. So is
   * a client with few requests, which waits and makes none (ADR 0028). Neither these nor what waits
   * for the host's handler, perhaps for long, are a part of one; the leader bounds the latter.
   */
  #admits(handle: RequestHandle, now: number, isHandlers: boolean): boolean {
    const { request } = handle;
    const { size } = this.#pending;
    if (size >= PENDING_REQUESTS_MAX) return false;
    // Of some 30 bytes each: their number bounds them.
    if (isSessionOpCode(request.op)) return true;
    if (this.#pendingBytes + bytesOf(request) > PENDING_REQUEST_BYTES_MAX) return false;
    if (isHandlers || isOfFew(handle)) return true;
    return this.#admission.admits(now, size - this.#besideCount);
  }

  /**
   * Nobody has answered it, so it says nothing of how much can be answered. It may be answered
   * while another's client is told.
   */
  #refuse(reqId: bigint, error: QuorateError): void {
    const pending = this.#pending.get(reqId);
    if (pending !== undefined) this.#settle(reqId, pending, { ok: false, error });
  }

  #settle(reqId: bigint, pending: Pending, outcome: RequestOutcome): void {
    this.#pending.delete(reqId);
    this.#pendingBytes -= bytesOf(pending.handle.request);
    if (pending.isBeside) this.#besideCount -= 1;
    if (this.#isHandingOn) this.#clock.defer(() => pending.handle.complete(outcome));
    else pending.handle.complete(outcome);
  }

  #handOn(pending: Pending, receiver: (request: RequestMsg) => void): void {
    pending.isHandedOn = true;
    this.#isHandingOn = true;
    try {
      receiver(pending.handle.request);
    } finally {
      this.#isHandingOn = false;
    }
  }

  #armTimer(): void {
    if (this.#timer !== null) return;
    this.#timer = this.#clock.setTimer(REQUEST_WAIT_MS / 10, () => {
      this.#timer = null;
      this.#refuseOld();
    });
  }

  #refuseOld(): void {
    const oldest = this.#clock.now() - REQUEST_WAIT_MS;
    const old = this.#waiting.filter(({ since }) => since <= oldest);
    this.#waiting = this.#waiting.filter(({ since }) => since > oldest);
    for (const { handle } of old) {
      const error = new QuorateError("ERR_SERVER_NOT_READY", "no leader is established", {
        retryable: true,
      });
      this.#refuse(handle.request.reqId, error);
    }
    if (this.#waiting.length > 0) this.#armTimer();
  }
}

/** No less than a pipe counts for it: what waits here may all be in one. */
function bytesOf({ key, content }: RequestMsg): number {
  return REQUEST_BYTES + 3 * key.length + content.length;
}

function isOfFew({ ofClient }: RequestHandle): boolean {
  return ofClient !== undefined && ofClient <= CLIENT_REQUESTS_MIN;
}

function checkRequest(op: number, key: string, content: Uint8Array): QuorateError | undefined {
  const isOurs = isInternalOpCode(op) || isLeaderOpCode(op);
  if (!Number.isInteger(op) || op < 1 || op > OP_CODE_MAX || isOurs) {
    return new QuorateError("ERR_SERVER_UNSUPPORTED", `no operation ${op} for clients`);
  }
  if (isKeyTooLong(key) || content.length > CONTENT_BYTES_MAX) {
    return new QuorateError("ERR_ARG_TOO_LARGE", "the request exceeds a limit", {
      details: { keyLength: key.length, contentBytes: content.length },
    });
  }
  return undefined;
}
