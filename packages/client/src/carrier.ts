import {
  ChurnMap,
  QuorateError,
  type CommittedEvent,
  type Timer,
  type Txnid,
} from "@quorate/protocol";
import type { Ambient } from "./ambient.js";
import { bytesOf, outcomeUnknown, type Answer, type Call } from "./call.js";
import { Connector } from "./connector.js";
import { Link } from "./link.js";
import { Subscription } from "./subscription.js";
import {
  KEPT_MS,
  LEAVE_MS_MAX,
  OUTSTANDING_BYTES_MAX,
  OUTSTANDING_MAX,
  REFUSALS_MAX,
  RETRY_MS,
  RETRY_MS_MAX,
  SUBSCRIPTIONS_MAX,
  SWEEP_MS,
} from "./limits.js";
import type { ClientSocket, OpenSocket } from "./socket.js";

export interface CallOptions {
  readonly isWrite: boolean;
  readonly linearizable: boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

export interface SubscribeCallOptions {
  readonly prefix: string;
  readonly from: Txnid | null;
  readonly bookmarks: boolean;
  /** For it to begin; afterwards it is resumed for ever. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** Refusals that leave nothing behind: the same request may be sent again, also elsewhere. */
const NOT_TAKEN_ON: ReadonlySet<string> = new Set([
  "ERR_SERVER_NOT_READY",
  "ERR_SERVER_NOT_LEADING",
  "ERR_SERVER_BUSY",
  "ERR_SERVER_CLOSED",
]);

/**
 * The calls of one client and the one connection that carries them. Calls that did not leave wait
 * for the next connection. When a connection is lost, reads in flight are asked again; writes in
 * flight are not, for nobody knows their outcome.
 */
export class Session {
  readonly #ambient: Ambient;
  readonly #connector: Connector;
  readonly #serverCount: number;
  readonly #calls = new ChurnMap<Call, Call>();
  readonly #subscriptions = new Set<Subscription>();
  #bytes = 0;
  /** Not sent, in order. */
  #waiting: Call[] = [];
  #link: Link | null = null;
  #linkedAt = 0;
  #sweeper: Timer | null = null;
  #retry: Timer | null = null;
  #refusals = 0;
  /** Set to leave a server that does not take requests on, once its answers are in. */
  #leavingSince: number | null = null;
  #hasSeenState = false;
  #isClosed = false;

  constructor(servers: readonly string[], openSocket: OpenSocket, ambient: Ambient) {
    this.#ambient = ambient;
    this.#serverCount = servers.length;
    this.#connector = new Connector(servers, openSocket, ambient, {
      onOpen: (socket, server) => this.#onOpen(socket, server),
    });
  }

  call(op: number, key: string, content: Uint8Array, options: CallOptions): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const refused = this.#refusal(options.signal, bytesOf({ key, content }));
      if (refused !== null) {
        reject(refused);
        return;
      }
      const call: Call = {
        op,
        key,
        content,
        isWrite: options.isWrite,
        linearizable: options.linearizable,
        deadline: this.#ambient.clock.now() + options.timeoutMs,
        resolve,
        reject,
        settled: false,
        sent: false,
        id: 0,
      };
      this.#calls.set(call, call);
      this.#bytes += bytesOf(call);
      if (options.signal !== undefined) this.#watchSignal(call, options.signal);
      this.#waiting.push(call);
      this.#pump();
      this.#startSweeping();
    });
  }

  /** Ends with its error through the iterator, whatever happens. */
  subscribe(options: SubscribeCallOptions): AsyncIterableIterator<CommittedEvent, undefined> {
    const { prefix, from, bookmarks, timeoutMs, signal } = options;
    const deadline = this.#ambient.clock.now() + timeoutMs;
    const subscription = new Subscription(
      { prefix, after: from, bookmarks, deadline },
      {
        onTaken: (one) => this.#onTaken(one),
        onReturn: (one) => this.#drop(one),
      },
    );
    const { stream } = subscription;
    const refused = this.#subscriptionRefusal(signal);
    if (refused !== null) {
      stream.end(refused);
      return stream;
    }
    this.#subscriptions.add(subscription);
    if (signal !== undefined) this.#endOnAbort(subscription, signal);
    this.#pump();
    this.#startSweeping();
    return stream;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#connector.stop();
    this.#sweeper?.cancel();
    this.#retry?.cancel();
    this.#link?.close("the client was closed");
    for (const call of this.#calls.values()) {
      this.#settle(call, closedError());
    }
    for (const subscription of this.#subscriptions) {
      this.#endSubscription(subscription, closedError());
    }
  }

  #subscriptionRefusal(signal: AbortSignal | undefined): QuorateError | null {
    if (this.#isClosed) return closedError();
    if (signal?.aborted === true) return aborted(signal);
    if (this.#subscriptions.size < SUBSCRIPTIONS_MAX) return null;
    return new QuorateError("ERR_CLIENT_BUSY", "this client has too many subscriptions");
  }

  #refusal(signal: AbortSignal | undefined, bytes: number): QuorateError | null {
    if (this.#isClosed) return closedError();
    if (signal?.aborted === true) return aborted(signal);
    if (this.#calls.size >= OUTSTANDING_MAX || this.#bytes + bytes > OUTSTANDING_BYTES_MAX) {
      return new QuorateError("ERR_CLIENT_BUSY", "too many requests wait for their answer", {
        retryable: true,
      });
    }
    return null;
  }

  #pump(): void {
    if (this.#isClosed) return;
    if (this.#waiting.length === 0 && this.#subscriptions.size === 0) return;
    if (this.#link === null) {
      this.#connector.start();
      return;
    }
    if (this.#leavingSince !== null || this.#retry !== null) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const call of waiting) if (!call.settled) this.#link.send(call);
    for (const subscription of this.#subscriptions) {
      // What it received before is still in its buffer, which one window bounds.
      if (subscription.isSent || !subscription.stream.isEmpty) continue;
      subscription.isSent = true;
      this.#link.subscribe(subscription);
    }
  }

  #onOpen(socket: ClientSocket, server: string): void {
    this.#refusals = 0;
    this.#leavingSince = null;
    this.#linkedAt = this.#ambient.clock.now();
    const link = new Link(socket, { server, isCaughtUp: !this.#hasSeenState }, this.#ambient, {
      onAnswer: (call, txnid, content) => this.#onAnswer(call, txnid, content),
      onRefused: (call, error) => this.#onRefused(call, error),
      onReceived: () => {
        this.#hasSeenState = true;
        this.#refusals = 0;
        this.#connector.succeeded();
      },
      onEnded: (subscription, error) => this.#onEnded(subscription, error),
      onDown: (inFlight, reason) => this.#onDown(inFlight, reason),
    });
    this.#link = link;
    this.#pump();
  }

  #onAnswer(call: Call, txnid: Txnid, content: Uint8Array): void {
    this.#hasSeenState = true;
    this.#refusals = 0;
    this.#connector.succeeded();
    if (!call.settled) {
      this.#forget(call);
      call.resolve({ txnid, content });
    }
    this.#leaveIfDone();
  }

  #onRefused(call: Call, error: QuorateError): void {
    if (!call.settled && NOT_TAKEN_ON.has(error.code)) {
      this.#waiting.push(call);
      this.#refusals += 1;
      if (error.code === "ERR_SERVER_CLOSED") {
        // It stops, and says so before it closes the connection: nothing to wait for here.
        this.#leave();
      } else {
        if (this.#refusals >= REFUSALS_MAX && error.code !== "ERR_SERVER_BUSY") {
          this.#leave();
        }
        this.#retryLater();
      }
    } else {
      this.#settle(call, error);
    }
    this.#leaveIfDone();
  }

  /** A subscription ended on this connection; it goes on elsewhere unless that helps nothing. */
  #onEnded(subscription: Subscription, error: QuorateError): void {
    if (!this.#subscriptions.has(subscription)) return;
    if (error.code === "ERR_CLIENT_COMPACTED" || error.code === "ERR_ARG_TXNID") {
      const end = subscription.without(error, this.#serverCount);
      if (end !== null) {
        this.#endSubscription(subscription, end);
        return;
      }
      this.#leave();
    } else if (NOT_TAKEN_ON.has(error.code)) {
      this.#refusals += 1;
      // One that had begun ends so when this server falls behind the others.
      const isBehind = subscription.hasBegun || this.#refusals >= REFUSALS_MAX;
      if (isBehind || error.code === "ERR_SERVER_CLOSED") this.#leave();
      else this.#retryLater();
    } else {
      this.#endSubscription(subscription, error);
      return;
    }
    subscription.isSent = false;
    this.#leaveIfDone();
  }

  #onTaken(subscription: Subscription): void {
    this.#link?.tellTaken(subscription);
    if (!subscription.isSent) this.#pump();
  }

  #endOnAbort(subscription: Subscription, signal: AbortSignal): void {
    const onAbort = (): void => this.#endSubscription(subscription, aborted(signal));
    signal.addEventListener("abort", onAbort, { once: true });
    subscription.onGone = () => signal.removeEventListener("abort", onAbort);
  }

  #endSubscription(subscription: Subscription, error: QuorateError): void {
    this.#drop(subscription);
    subscription.stream.end(error);
  }

  #drop(subscription: Subscription): void {
    this.#subscriptions.delete(subscription);
    subscription.onGone();
    this.#link?.unsubscribe(subscription);
  }

  #onDown(inFlight: readonly Call[], reason: QuorateError): void {
    this.#link = null;
    for (const subscription of this.#subscriptions) subscription.isSent = false;
    const again: Call[] = [];
    for (const call of inFlight) {
      if (call.settled) continue;
      if (call.isWrite) this.#settle(call, outcomeUnknown(reason.message, reason));
      else again.push(call);
      call.sent = false;
    }
    this.#waiting = [...again, ...this.#waiting];
    this.#pump();
  }

  /** One pause for all that were refused; it grows while nothing succeeds. */
  #retryLater(): void {
    if (this.#retry !== null || this.#isClosed) return;
    const pause = Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** Math.min(this.#refusals - 1, 10));
    this.#retry = this.#ambient.clock.setTimer(pause * (0.5 + this.#ambient.random() / 2), () => {
      this.#retry = null;
      this.#pump();
    });
  }

  #leave(): void {
    this.#leavingSince ??= this.#ambient.clock.now();
  }

  /** Once everything that somebody waits for is answered; or after a while: others wait, too. */
  #leaveIfDone(): void {
    if (this.#leavingSince === null || this.#link === null) return;
    const isLate = this.#ambient.clock.now() - this.#leavingSince >= LEAVE_MS_MAX;
    if (this.#link.inFlightCount > 0 && !isLate) return;
    this.#connector.turnedAway();
    this.#link.close(`${this.#link.server} takes no requests on`);
  }

  #startSweeping(): void {
    this.#sweeper ??= this.#ambient.clock.setTimer(SWEEP_MS, () => {
      this.#sweeper = null;
      this.#sweep();
      const isNeeded = this.#calls.size > 0 || this.#subscriptions.size > 0;
      if (isNeeded && !this.#isClosed) this.#startSweeping();
    });
  }

  #sweep(): void {
    const now = this.#ambient.clock.now();
    this.#link?.sweep(now);
    const isKept = this.#link !== null && this.#leavingSince === null;
    if (isKept && now - this.#linkedAt >= KEPT_MS) this.#connector.kept();
    for (const call of this.#calls.values()) {
      if (now >= call.deadline) this.#settle(call, this.#timeoutOf(call));
    }
    this.#waiting = this.#waiting.filter((call) => !call.settled);
    this.#leaveIfDone();
    for (const subscription of this.#subscriptions) {
      if (subscription.hasBegun || now < subscription.deadline) continue;
      this.#endSubscription(subscription, this.#lateError());
    }
  }

  #timeoutOf(call: Call): QuorateError {
    if (call.sent && call.isWrite) return outcomeUnknown("no answer in time");
    return this.#lateError();
  }

  #lateError(): QuorateError {
    if (this.#link === null) return this.#connector.unreachable();
    return new QuorateError("ERR_CLIENT_TIMEOUT", "no answer in time", { retryable: true });
  }

  #watchSignal(call: Call, signal: AbortSignal): void {
    const onAbort = (): void => this.#settle(call, aborted(signal));
    signal.addEventListener("abort", onAbort, { once: true });
    const { resolve, reject } = call;
    call.resolve = (answer) => {
      signal.removeEventListener("abort", onAbort);
      resolve(answer);
    };
    call.reject = (error) => {
      signal.removeEventListener("abort", onAbort);
      reject(error);
    };
  }

  /** Gives up a call; a write that has left ends with its outcome unknown, whatever the reason. */
  #settle(call: Call, error: QuorateError): void {
    if (call.settled) return;
    this.#forget(call);
    const givenUp = call.sent && call.isWrite && error.code !== "ERR_CLIENT_OUTCOME_UNKNOWN";
    call.reject(givenUp ? outcomeUnknown(error.message, error) : error);
  }

  #forget(call: Call): void {
    call.settled = true;
    if (call.sent) this.#link?.giveUp(call);
    this.#calls.delete(call);
    this.#bytes -= bytesOf(call);
  }
}

function closedError(): QuorateError {
  return new QuorateError("ERR_CLIENT_CLOSED", "the client was closed");
}

function aborted(signal: AbortSignal): QuorateError {
  return new QuorateError("ERR_CLIENT_ABORTED", "the call was aborted", { cause: signal.reason });
}
