import type { QuorateError } from "@quorate/protocol";

/**
 * One reader's view of a value that changes: the present value first, then the newest one each
 * time it asks. What changed several times meanwhile is seen once, so nothing is ever queued.
 */
export class StateStream<T> implements AsyncIterableIterator<T> {
  #newest: { readonly value: T } | null;
  #isOver = false;
  #error: QuorateError | null = null;
  #waiter: (() => void) | null = null;
  readonly #onReturn: (stream: StateStream<T>) => void;

  constructor(present: T, onReturn: (stream: StateStream<T>) => void) {
    this.#newest = { value: present };
    this.#onReturn = onReturn;
  }

  push(value: T): void {
    this.#newest = { value };
    this.#wake();
  }

  /** Ends after the newest value; with an error by throwing it. */
  end(error: QuorateError | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#error = error;
    this.#wake();
  }

  async next(): Promise<IteratorResult<T>> {
    while (this.#newest === null && !this.#isOver) {
      await new Promise<void>((resolve) => (this.#waiter = resolve));
    }
    const newest = this.#newest;
    this.#newest = null;
    if (newest !== null) return { done: false, value: newest.value };
    const error = this.#error;
    this.#error = null;
    if (error !== null) throw error;
    return { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<T>> {
    this.#newest = null;
    this.end(null);
    this.#onReturn(this);
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #wake(): void {
    this.#waiter?.();
    this.#waiter = null;
  }
}
