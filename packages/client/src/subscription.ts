import {
  CommittedStream,
  parseTxnid,
  type CommittedEvent,
  type QuorateError,
  type Txnid,
} from "@quorate/protocol";

export interface SubscriptionOptions {
  readonly prefix: string;
  /** Null: from now on. */
  readonly after: Txnid | null;
  readonly bookmarks: boolean;
  /** On the client's clock: until then it must have begun. */
  readonly deadline: number;
}

export interface SubscriptionEvents {
  /** The application has dealt with everything up to `subscription.taken`. */
  onTaken(subscription: Subscription): void;
  onReturn(subscription: Subscription): void;
}

/**
 * One subscription of the application, across all connections that carry it. Where it resumes is
 * what was received, not what the application has dealt with: the rest waits in the stream.
 */
export class Subscription {
  readonly prefix: string;
  readonly deadline: number;
  readonly stream: CommittedStream;
  #after: Txnid | null;
  #taken: Txnid | null = null;
  #hasBegun = false;
  /** Servers in a row that do not hold what follows, and the best offer among them. */
  #withoutCount = 0;
  #best: QuorateError | null = null;
  /** It is on the open connection. */
  isSent = false;
  /** Called once, however it ends. */
  onGone: () => void = () => undefined;

  constructor(options: SubscriptionOptions, events: SubscriptionEvents) {
    this.prefix = options.prefix;
    this.deadline = options.deadline;
    this.#after = options.after;
    this.stream = new CommittedStream({
      bookmarks: options.bookmarks,
      onTaken: (upTo) => {
        this.#taken = upTo;
        events.onTaken(this);
      },
      onReturn: () => events.onReturn(this),
    });
  }

  /** Everything up to it was received. */
  get after(): Txnid | null {
    return this.#after;
  }

  get taken(): Txnid | null {
    return this.#taken;
  }

  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  receive(upTo: Txnid, events: readonly CommittedEvent[]): void {
    const after = this.#after;
    if (after !== null && upTo > after) {
      this.#withoutCount = 0;
      this.#best = null;
    }
    // The first mark on a new connection repeats where it resumed.
    const isNews = !this.#hasBegun || after === null || upTo > after;
    this.#hasBegun = true;
    this.#after = upTo;
    if (isNews) this.stream.push(upTo, events);
    else this.#taken = upTo;
  }

  /**
   * A server does not hold what follows: compacted away, or never heard of. Null when another one
   * is worth asking, else the error to end with.
   */
  without(error: QuorateError, serverCount: number): QuorateError | null {
    this.#withoutCount += 1;
    const best = this.#best;
    if (best === null || oldestOf(error) < oldestOf(best)) this.#best = error;
    return this.#withoutCount < serverCount ? null : this.#best;
  }
}

function oldestOf({ details }: QuorateError): Txnid {
  const { oldest } = details;
  return typeof oldest === "string" ? parseTxnid(oldest) : ((1n << 64n) as Txnid);
}
