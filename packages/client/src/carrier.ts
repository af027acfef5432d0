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
import { greet } from "./greet.js";
import { Link } from "./link.js";
import type { Standing } from "./standing.js";
import { aborted, NOT_TAKEN_ON, NOT_TAKEN_UP } from "./refusals.js";
import {
  Subscriptions,
  type SubscribeCallOptions,
  type SubscriptionsHost,
} from "./subscriptions.js";
import {
  KEPT_MS,
  LEAVE_MS_MAX,
  MENTION_MS,
  OUTSTANDING_BYTES_MAX,
  OUTSTANDING_MAX,
  REFUSALS_MAX,
  RETRY_MS,
  RETRY_MS_MAX,
  SWEEP_MS,
} from "./limits.js";
import type { ClientSocket, OpenSocket } from "./socket.js";
import { TurnedAway } from "./turned-away.js";

export interface CallOptions {
  readonly isWrite: boolean;
  readonly linearizable: boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

export interface CarrierEvents {
  onConnected(): void;
  onSuspended(): void;
  /** The session is over, and everything has ended with this error. */
  onLost(error: QuorateError): void;
}

export interface Request {
  readonly op: number;
  readonly key: string;
  readonly content: Uint8Array;
}

/** Told in the very turn in which the server's word arrives. */
export interface Outcome {
  resolve(answer: Answer): void;
  reject(error: QuorateError): void;
}

/**
 * The calls of one client and the one connection that carries them. Calls that did not leave wait
 * for the next connection. When a connection is lost, reads in flight are asked again; writes in
 * flight are not, for nobody knows their outcome. Writes of a session keep their order: see
 * {@link TurnedAway}.
 */
export class Carrier {
  readonly #standing: Standing;
  readonly #events: CarrierEvents;
  readonly #ambient: Ambient;
  readonly #connector: Connector;
  readonly #calls = new ChurnMap<Call, Call>();
  readonly #subscriptions: Subscriptions;
  readonly #turnedAway = new TurnedAway();
  #bytes = 0;
  #lastOrder = 0;
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
  /** The open connection knows who this client is. */
  #isGreeted = false;
  #greeting: { cancel(): void } | null = null;
  #life: Timer | null = null;
  /** Why nothing is taken on any more. */
  #ending: QuorateError | null = null;

  constructor(
    servers: readonly string[],
    openSocket: OpenSocket,
    ambient: Ambient,
    standing: Standing,
    events: CarrierEvents,
  ) {
    this.#standing = standing;
    this.#events = events;
    this.#ambient = ambient;
    this.#subscriptions = new Subscriptions(this.#subscriptionsHost(servers.length));
    this.#connector = new Connector(servers, openSocket, ambient, {
      onOpen: (socket, server) => this.#onOpen(socket, server),
    });
  }

  call(request: Request, options: CallOptions): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.ask("program", request, options, { resolve, reject });
    });
  }

  ask(
    kind: "program" | "standing",
    request: Request,
    options: CallOptions,
    { resolve, reject }: Outcome,
  ): void {
    const refused = this.#refusal(options.signal, bytesOf(request));
    if (refused !== null) {
      reject(refused);
      return;
    }
    // Field by field: spreading the request here cost a fifth of a busy client's time.
    const call: Call = {
      op: request.op,
      key: request.key,
      content: request.content,
      kind,
      isWrite: options.isWrite,
      linearizable: options.linearizable,
      deadline: this.#ambient.clock.now() + options.timeoutMs,
      resolve,
      reject,
      order: (this.#lastOrder += 1),
      settled: false,
      sent: false,
      turnedAwayBy: null,
      id: 0,
    };
    this.#calls.set(call, call);
    this.#bytes += bytesOf(call);
    if (options.signal !== undefined) this.#watchSignal(call, options.signal);
    this.#waiting.push(call);
    this.#pump();
    this.#startSweeping();
  }

  /** Sends it if there is a connection that has heard of what it is about; nobody waits for it. */
  mention(request: Request): void {
    if (this.#link === null || !this.#isGreeted) return;
    const nothing: Outcome = { resolve: () => undefined, reject: () => undefined };
    const options = { isWrite: false, linearizable: false, signal: undefined };
    this.ask("standing", request, { ...options, timeoutMs: MENTION_MS }, nothing);
  }

  /** There may be reason for a connection, or for signs of life. */
  stand(): void {
    if (this.#ending !== null) return;
    this.#pump();
    this.#startLife();
  }

  /** Ends with its error through the iterator, whatever happens. */
  subscribe(options: SubscribeCallOptions): AsyncIterableIterator<CommittedEvent, undefined> {
    const stream = this.#subscriptions.open(options, this.#ending);
    if (this.#subscriptions.size > 0) this.#startSweeping();
    return stream;
  }

  /** Everything ends with this error; what is asked later, too. */
  end(error: QuorateError): void {
    if (this.#ending !== null) return;
    this.#ending = error;
    this.#connector.stop();
    this.#sweeper?.cancel();
    this.#retry?.cancel();
    this.#life?.cancel();
    this.#greeting?.cancel();
    this.#link?.close(error.message);
    for (const call of this.#calls.values()) this.#settle(call, error);
    this.#subscriptions.endAll(error);
    this.#standing.end(error);
  }

  #subscriptionsHost(serverCount: number): SubscriptionsHost {
    const link = (): Link | null => this.#link;
    return {
      get link() {
        return link();
      },
      serverCount,
      now: () => this.#ambient.clock.now(),
      pump: () => this.#pump(),
      turnedAway: (isBehind, isClosed) => {
        this.#refusals += 1;
        if (isBehind || isClosed || this.#refusals >= REFUSALS_MAX) this.#leave();
        else this.#retryLater();
      },
      leave: () => this.#leave(),
    };
  }

  #refusal(signal: AbortSignal | undefined, bytes: number): QuorateError | null {
    if (this.#ending !== null) return this.#ending;
    if (signal?.aborted === true) return aborted(signal);
    if (this.#calls.size >= OUTSTANDING_MAX || this.#bytes + bytes > OUTSTANDING_BYTES_MAX) {
      return new QuorateError("ERR_CLIENT_BUSY", "too many requests wait for their answer", {
        retryable: true,
      });
    }
    return null;
  }

  #pump(): void {
    if (this.#ending !== null) return;
    const isIdle = this.#waiting.length === 0 && this.#subscriptions.size === 0;
    if (isIdle && !this.#standing.needsConnection) return;
    if (this.#link === null) {
      this.#connector.start();
      return;
    }
    if (!this.#isGreeted || this.#leavingSince !== null || this.#retry !== null) return;
    if (this.#turnedAway.mustWait(this.#link)) return;
    for (const call of this.#turnedAway.overtaken(this.#waiting)) {
      this.#settle(call, call.turnedAwayBy ?? this.#lateError());
    }
    const waiting = this.#turnedAway.inOrder(this.#waiting);
    this.#waiting = [];
    for (const call of waiting) if (!call.settled) this.#link.send(call);
    this.#subscriptions.send(this.#link);
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
      onEnded: (subscription, error) => {
        this.#subscriptions.ended(subscription, error);
        this.#leaveIfDone();
      },
      onChange: (change) => this.#standing.told(change),
      onSessionGone: (error) => this.#lose(error),
      onDown: (inFlight, reason) => this.#onDown(inFlight, reason),
    });
    this.#link = link;
    const greetings = this.#standing.greetings();
    if (greetings.length === 0) this.#greeted();
    else {
      this.#greeting = greet(link, this.#standing, greetings, this.#ambient, (error) => {
        this.#greeting = null;
        if (error === null) this.#greeted();
        else this.#notTakenUp(link, error);
      });
    }
  }

  #greeted(): void {
    this.#isGreeted = true;
    this.#events.onConnected();
    this.#startLife();
    this.#pump();
  }

  #notTakenUp(link: Link, error: QuorateError): void {
    if (!NOT_TAKEN_UP.has(error.code)) {
      if (this.#standing.hasSession) {
        this.#lose(error);
        return;
      }
      this.#standing.end(error);
    }
    this.#connector.turnedAway();
    link.close(`${link.server} did not take this client up: ${error.message}`);
  }

  #lose(error: QuorateError): void {
    if (this.#ending !== null) return;
    this.end(error);
    this.#events.onLost(error);
  }

  #startLife(): void {
    const { lifeMs } = this.#standing;
    if (lifeMs === null || this.#ending !== null) return;
    this.#life ??= this.#ambient.clock.setTimer(lifeMs, () => {
      this.#life = null;
      if (this.#isGreeted) this.#link?.tellLife();
      this.#startLife();
    });
  }

  #onAnswer(call: Call, txnid: Txnid, content: Uint8Array): void {
    this.#refusals = 0;
    this.#connector.succeeded();
    if (call.kind === "greeting") {
      call.resolve({ txnid, content });
      return;
    }
    this.#hasSeenState = true;
    this.#turnedAway.answered(call);
    this.#standing.saw(txnid);
    if (!call.settled) {
      this.#forget(call);
      call.resolve({ txnid, content });
    }
    this.#goOn();
  }

  #onRefused(call: Call, error: QuorateError): void {
    if (call.kind === "greeting") {
      call.reject(error);
      return;
    }
    if (!call.settled && NOT_TAKEN_ON.has(error.code)) {
      this.#waiting.push(call);
      if (this.#standing.hasSession) this.#turnedAway.add(call, error);
      this.#refusals += 1;
      if (error.code === "ERR_SERVER_CLOSED" || error.code === "ERR_SESSION_MOVED") {
        // It stops, and says so before it closes the connection: nothing to wait for here.
        this.#leave();
      } else {
        if (this.#refusals >= REFUSALS_MAX && error.code !== "ERR_SERVER_BUSY") {
          this.#leave();
        }
        this.#retryLater();
      }
    } else {
      this.#turnedAway.answered(call);
      this.#settle(call, error);
    }
    this.#goOn();
  }

  /** Something was answered: what waits for that may leave, or the server be left. */
  #goOn(): void {
    if (this.#turnedAway.areWaiting) this.#pump();
    this.#leaveIfDone();
  }

  #onDown(inFlight: readonly Call[], reason: QuorateError): void {
    this.#link = null;
    this.#isGreeted = false;
    this.#greeting?.cancel();
    this.#greeting = null;
    this.#subscriptions.unsent();
    const again: Call[] = [];
    for (const call of inFlight) {
      if (call.settled) continue;
      this.#turnedAway.answered(call);
      if (call.isWrite) this.#settle(call, outcomeUnknown(reason.message, reason));
      else again.push(call);
      call.sent = false;
    }
    this.#waiting = [...again, ...this.#waiting];
    if (this.#ending === null) this.#events.onSuspended();
    this.#pump();
  }

  /** One pause for all that were refused; it grows while nothing succeeds. */
  #retryLater(): void {
    if (this.#retry !== null || this.#ending !== null) return;
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
      if (isNeeded && this.#ending === null) this.#startSweeping();
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
    this.#subscriptions.sweep(now, () => this.#lateError());
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
    if (call.sent) {
      this.#turnedAway.answered(call);
      this.#link?.giveUp(call);
    }
    this.#calls.delete(call);
    this.#bytes -= bytesOf(call);
  }
}
