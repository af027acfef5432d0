import { QuorateError, type CommittedEvent, type Txnid } from "@quorate/protocol";
import { SUBSCRIPTIONS_MAX } from "./limits.js";
import type { Link } from "./link.js";
import { NOT_TAKEN_ON, aborted } from "./refusals.js";
import { Subscription } from "./subscription.js";

export interface SubscribeCallOptions {
  readonly prefix: string;
  readonly from: Txnid | null;
  readonly bookmarks: boolean;
  /** For it to begin; afterwards it is resumed for ever. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

export interface SubscriptionsHost {
  readonly link: Link | null;
  readonly serverCount: number;
  now(): number;
  /** One is to be sent, if there is a connection. */
  pump(): void;
  /** This server takes it on later, perhaps; and whether to turn to another one. */
  turnedAway(isBehind: boolean, isClosed: boolean): void;
  leave(): void;
}

/** The subscriptions of one client, across all connections that carry them. */
export class Subscriptions {
  readonly #host: SubscriptionsHost;
  readonly #all = new Set<Subscription>();

  constructor(host: SubscriptionsHost) {
    this.#host = host;
  }

  get size(): number {
    return this.#all.size;
  }

  /** Ends with its error through the iterator, whatever happens. `ending`: why nothing is begun. */
  open(
    options: SubscribeCallOptions,
    ending: QuorateError | null,
  ): AsyncIterableIterator<CommittedEvent, undefined> {
    const { prefix, from, bookmarks, timeoutMs, signal } = options;
    const deadline = this.#host.now() + timeoutMs;
    const subscription = new Subscription(
      { prefix, after: from, bookmarks, deadline },
      {
        onTaken: (one) => this.#onTaken(one),
        onReturn: (one) => this.#drop(one),
      },
    );
    const { stream } = subscription;
    const refused = ending ?? this.#refusal(signal);
    if (refused !== null) {
      stream.end(refused);
      return stream;
    }
    this.#all.add(subscription);
    if (signal !== undefined) this.#endOnAbort(subscription, signal);
    this.#host.pump();
    return stream;
  }

  send(link: Link): void {
    for (const subscription of this.#all) {
      // What it received before is still in its buffer, which one window bounds.
      if (subscription.isSent || !subscription.stream.isEmpty) continue;
      subscription.isSent = true;
      link.subscribe(subscription);
    }
  }

  /** The connection is lost. */
  unsent(): void {
    for (const subscription of this.#all) subscription.isSent = false;
  }

  /** One ended on this connection; it goes on elsewhere unless that helps nothing. */
  ended(subscription: Subscription, error: QuorateError): void {
    if (!this.#all.has(subscription)) return;
    if (error.code === "ERR_CLIENT_COMPACTED" || error.code === "ERR_ARG_TXNID") {
      const end = subscription.without(error, this.#host.serverCount);
      if (end !== null) {
        this.#end(subscription, end);
        return;
      }
      this.#host.leave();
    } else if (NOT_TAKEN_ON.has(error.code)) {
      // One that had begun ends so when this server falls behind the others.
      this.#host.turnedAway(subscription.hasBegun, error.code === "ERR_SERVER_CLOSED");
    } else {
      this.#end(subscription, error);
      return;
    }
    subscription.isSent = false;
  }

  sweep(now: number, lateError: () => QuorateError): void {
    for (const subscription of this.#all) {
      if (subscription.hasBegun || now < subscription.deadline) continue;
      this.#end(subscription, lateError());
    }
  }

  endAll(error: QuorateError): void {
    for (const subscription of this.#all) this.#end(subscription, error);
  }

  #refusal(signal: AbortSignal | undefined): QuorateError | null {
    if (signal?.aborted === true) return aborted(signal);
    if (this.#all.size < SUBSCRIPTIONS_MAX) return null;
    return new QuorateError("ERR_CLIENT_BUSY", "this client has too many subscriptions");
  }

  #onTaken(subscription: Subscription): void {
    this.#host.link?.tellTaken(subscription);
    if (!subscription.isSent) this.#host.pump();
  }

  #endOnAbort(subscription: Subscription, signal: AbortSignal): void {
    const onAbort = (): void => this.#end(subscription, aborted(signal));
    signal.addEventListener("abort", onAbort, { once: true });
    subscription.onGone = () => signal.removeEventListener("abort", onAbort);
  }

  #end(subscription: Subscription, error: QuorateError): void {
    this.#drop(subscription);
    subscription.stream.end(error);
  }

  #drop(subscription: Subscription): void {
    this.#all.delete(subscription);
    subscription.onGone();
    this.#host.link?.unsubscribe(subscription);
  }
}
