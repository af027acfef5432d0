import { QuorateError, type Timer, type Txnid } from "@quorate/protocol";
import type { Ambient } from "./ambient.js";
import { bytesOf, outcomeUnknown, type Answer, type Call } from "./call.js";
import { Connector } from "./connector.js";
import { Link } from "./link.js";
import {
  OUTSTANDING_BYTES_MAX,
  OUTSTANDING_MAX,
  REFUSALS_MAX,
  RETRY_MS,
  RETRY_MS_MAX,
  SWEEP_MS,
} from "./limits.js";
import type { ClientSocket, OpenSocket } from "./socket.js";

export interface CallOptions {
  readonly isWrite: boolean;
  readonly linearizable: boolean;
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
  readonly #calls = new Set<Call>();
  #bytes = 0;
  /** Not sent, in order. */
  #waiting: Call[] = [];
  #link: Link | null = null;
  #sweeper: Timer | null = null;
  #retry: Timer | null = null;
  #refusals = 0;
  /** Set to leave a server that does not take requests on, once its answers are in. */
  #isLeaving = false;
  #hasSeenState = false;
  #isClosed = false;

  constructor(servers: readonly string[], openSocket: OpenSocket, ambient: Ambient) {
    this.#ambient = ambient;
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
      };
      this.#calls.add(call);
      this.#bytes += bytesOf(call);
      if (options.signal !== undefined) this.#watchSignal(call, options.signal);
      this.#waiting.push(call);
      this.#pump();
      this.#startSweeping();
    });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#connector.stop();
    this.#sweeper?.cancel();
    this.#retry?.cancel();
    this.#link?.close("the client was closed");
    for (const call of this.#calls) {
      this.#settle(call, new QuorateError("ERR_CLIENT_CLOSED", "the client was closed"));
    }
  }

  #refusal(signal: AbortSignal | undefined, bytes: number): QuorateError | null {
    if (this.#isClosed) return new QuorateError("ERR_CLIENT_CLOSED", "the client was closed");
    if (signal?.aborted === true) return aborted(signal);
    if (this.#calls.size >= OUTSTANDING_MAX || this.#bytes + bytes > OUTSTANDING_BYTES_MAX) {
      return new QuorateError("ERR_CLIENT_BUSY", "too many requests wait for their answer", {
        retryable: true,
      });
    }
    return null;
  }

  #pump(): void {
    if (this.#waiting.length === 0 || this.#isClosed) return;
    if (this.#link === null) {
      this.#connector.start();
      return;
    }
    if (this.#isLeaving || this.#retry !== null) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const call of waiting) if (!call.settled) this.#link.send(call);
  }

  #onOpen(socket: ClientSocket, server: string): void {
    this.#refusals = 0;
    this.#isLeaving = false;
    const link = new Link(socket, { server, isCaughtUp: !this.#hasSeenState }, this.#ambient, {
      onAnswer: (call, txnid, content) => this.#onAnswer(call, txnid, content),
      onRefused: (call, error) => this.#onRefused(call, error),
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
        this.#isLeaving = true;
      } else {
        if (this.#refusals >= REFUSALS_MAX && error.code !== "ERR_SERVER_BUSY") {
          this.#isLeaving = true;
        }
        this.#retryLater();
      }
    } else {
      this.#settle(call, error);
    }
    this.#leaveIfDone();
  }

  #onDown(inFlight: readonly Call[], reason: QuorateError): void {
    this.#link = null;
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

  #leaveIfDone(): void {
    if (!this.#isLeaving || this.#link === null || this.#link.inFlightCount > 0) return;
    this.#link.close(`${this.#link.server} takes no requests on`);
  }

  #startSweeping(): void {
    this.#sweeper ??= this.#ambient.clock.setTimer(SWEEP_MS, () => {
      this.#sweeper = null;
      this.#sweep();
      if (this.#calls.size > 0 && !this.#isClosed) this.#startSweeping();
    });
  }

  #sweep(): void {
    const now = this.#ambient.clock.now();
    this.#link?.sweep(now);
    for (const call of this.#calls) {
      if (now >= call.deadline) this.#settle(call, this.#timeoutOf(call));
    }
    this.#waiting = this.#waiting.filter((call) => !call.settled);
  }

  #timeoutOf(call: Call): QuorateError {
    if (call.sent && call.isWrite) return outcomeUnknown("no answer in time");
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
    this.#calls.delete(call);
    this.#bytes -= bytesOf(call);
  }
}

function aborted(signal: AbortSignal): QuorateError {
  return new QuorateError("ERR_CLIENT_ABORTED", "the call was aborted", { cause: signal.reason });
}
