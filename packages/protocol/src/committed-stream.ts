import type { CommittedEvent } from "./committed-event.js";
import type { QuorateError } from "./errors.js";
import type { Txnid } from "./txnid.js";

export interface CommittedStreamOptions {
  /** Whether bookmarks are items, too: events without operations. */
  readonly bookmarks: boolean;
  /** The consumer has dealt with everything up to here: it asked for what comes next. */
  onTaken(upTo: Txnid): void;
  /** The consumer wants no more. */
  onReturn(): void;
}

interface Item {
  readonly event: CommittedEvent;
  /** What is taken with it. */
  readonly upTo: Txnid;
}

interface Waiter {
  resolve(result: IteratorResult<CommittedEvent, undefined>): void;
  reject(error: QuorateError): void;
}

/**
 * The consumer's end of a subscription: an async iterator of one consumer. What was received is
 * given out before the error with which the subscription ended. Its buffer is bounded by the window
 * of whoever pushes, which is told what was taken.
 */
export class CommittedStream implements AsyncIterableIterator<CommittedEvent, undefined> {
  readonly #options: CommittedStreamOptions;
  #items: Item[] = [];
  #itemsAt = 0;
  #waiters: Waiter[] = [];
  /** Given out; taken when the next is asked for. */
  #given: Txnid | null = null;
  #error: QuorateError | null = null;
  #isDone = false;

  constructor(options: CommittedStreamOptions) {
    this.#options = options;
  }

  /** Whether the consumer has been given everything. */
  get isEmpty(): boolean {
    return this.#itemsAt === this.#items.length;
  }

  /** Everything that matched up to `upTo` and was not pushed before. */
  push(upTo: Txnid, events: readonly CommittedEvent[]): void {
    if (this.#isDone) return;
    const lastIndex = events.length - 1;
    for (const [index, event] of events.entries()) {
      this.#items.push({ event, upTo: index === lastIndex ? upTo : event.txnid });
    }
    if (events.length === 0) this.#bookmark(upTo);
    while (this.#waiters.length > 0) {
      const item = this.#shift();
      if (item === undefined) break;
      this.#waiters.shift()?.resolve({ done: false, value: item.event });
    }
  }

  /** Nothing follows. Null ends it without an error. */
  end(error: QuorateError | null): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#error = error;
    const [first, ...others] = this.#waiters;
    this.#waiters = [];
    if (first === undefined) return;
    this.#error = null;
    if (error === null) first.resolve({ done: true, value: undefined });
    else first.reject(error);
    for (const { resolve } of others) resolve({ done: true, value: undefined });
  }

  next(): Promise<IteratorResult<CommittedEvent, undefined>> {
    this.#takeGiven();
    const item = this.#shift();
    if (item !== undefined) return Promise.resolve({ done: false, value: item.event });
    if (!this.#isDone) {
      return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
    }
    const error = this.#error;
    this.#error = null;
    return error === null
      ? Promise.resolve({ done: true, value: undefined })
      : Promise.reject(error);
  }

  return(): Promise<IteratorResult<CommittedEvent, undefined>> {
    this.#items = [];
    this.#itemsAt = 0;
    if (!this.#isDone) this.#options.onReturn();
    this.end(null);
    this.#error = null;
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #bookmark(upTo: Txnid): void {
    if (this.#options.bookmarks) {
      this.#items.push({ event: { txnid: upTo, operations: [] }, upTo });
    } else if (this.isEmpty && this.#given === null) {
      this.#options.onTaken(upTo);
    } else {
      // It is taken with what stands before it.
      const last = this.#items.at(-1);
      if (last !== undefined) this.#items[this.#items.length - 1] = { event: last.event, upTo };
      else this.#given = upTo;
    }
  }

  #shift(): Item | undefined {
    const item = this.#items[this.#itemsAt];
    if (item === undefined) return undefined;
    this.#itemsAt += 1;
    if (this.#itemsAt === this.#items.length) {
      this.#items = [];
      this.#itemsAt = 0;
    }
    this.#given = item.upTo;
    return item;
  }

  #takeGiven(): void {
    const given = this.#given;
    this.#given = null;
    if (given !== null && !this.#isDone) this.#options.onTaken(given);
  }
}
