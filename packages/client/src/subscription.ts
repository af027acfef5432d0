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
  /** Servers in a row that no longer held what follows, and the best offer among them. */
  #compactedCount = 0;
  #compacted: QuorateError | null = null;
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
    if (after !== null && upTo > after) this.#compactedCount = 0;
    // The first mark on a new connection repeats where it resumed.
    const isNews = !this.#hasBegun || after === null || upTo > after;
    this.#hasBegun = true;
    this.#after = upTo;
    if (isNews) this.stream.push(upTo, events);
    else this.#taken = upTo;
  }

  /** Whether another server is worth asking; otherwise {@link compactedError} tells the best. */
  compacted(error: QuorateError, serverCount: number): boolean {
    this.#compactedCount += 1;
    const best = this.#compacted;
    if (best === null || oldestOf(error) < oldestOf(best)) this.#compacted = error;
    return this.#compactedCount < serverCount;
  }

  get compactedError(): QuorateError | null {
    return this.#compacted;
  }
}

function oldestOf({ details }: QuorateError): Txnid {
  const { oldest } = details;
  return typeof oldest === "string" ? parseTxnid(oldest) : ((1n << 64n) as Txnid);
}
