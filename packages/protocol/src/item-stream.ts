import { QuorateError } from "./errors.js";

export interface ItemStreamOptions {
  /** Items that wait for the consumer. One more ends the stream: ERR_CLIENT_TOO_SLOW. */
  readonly itemsMax: number;
  /** Called once, however it ends. */
  onEnd(): void;
}

interface Waiter<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(error: QuorateError): void;
}

/** The consumer's end of something that happens: gives out all of it, then how it ended. */
export class ItemStream<T> implements AsyncIterableIterator<T, undefined> {
  readonly #options: ItemStreamOptions;
  #items: T[] = [];
  #waiters: Waiter<T>[] = [];
  #error: QuorateError | null = null;
  #hasEnded = false;

  constructor(options: ItemStreamOptions) {
    this.#options = options;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  push(item: T): void {
    if (this.#hasEnded) return;
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) waiter.resolve({ done: false, value: item });
    else if (this.#items.length < this.#options.itemsMax) this.#items.push(item);
    else this.end(new QuorateError("ERR_CLIENT_TOO_SLOW", "too much waits to be taken"));
  }

  /** Nothing follows. Null ends it without an error. */
  end(error: QuorateError | null): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#error = error;
    const [first, ...others] = this.#waiters;
    this.#waiters = [];
    if (first !== undefined) this.#finish(first);
    for (const waiter of others) this.#finish(waiter);
    this.#options.onEnd();
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#items.length > 0) {
      return Promise.resolve({ done: false, value: this.#items.shift() as T });
    }
    return new Promise((resolve, reject) => {
      if (this.#hasEnded) this.#finish({ resolve, reject });
      else this.#waiters.push({ resolve, reject });
    });
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#items = [];
    this.end(null);
    this.#error = null;
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Its error is told once. */
  #finish({ resolve, reject }: Waiter<T>): void {
    const error = this.#error;
    this.#error = null;
    if (error === null) resolve({ done: true, value: undefined });
    else reject(error);
  }
}
