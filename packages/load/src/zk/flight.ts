import type { Kind } from "../order.js";

/** Requests that are not answered, oldest first, in memory that is never given back or grown. */
export class Flight {
  readonly #mask: number;
  readonly #kinds: Uint8Array;
  readonly #keys: Int32Array;
  readonly #startedAt: Float64Array;
  #head = 0;
  #count = 0;

  constructor(capacity: number) {
    const size = 2 ** Math.ceil(Math.log2(Math.max(1, capacity)));
    this.#mask = size - 1;
    this.#kinds = new Uint8Array(size);
    this.#keys = new Int32Array(size);
    this.#startedAt = new Float64Array(size);
  }

  get size(): number {
    return this.#count;
  }

  get capacity(): number {
    return this.#mask + 1;
  }

  /** @throws beyond the capacity: whoever asks must count. */
  push(kind: Kind, key: number, startedAt: number): void {
    if (this.#count > this.#mask) throw new Error(`more than ${this.capacity} in flight`);
    const at = (this.#head + this.#count) & this.#mask;
    this.#kinds[at] = kind;
    this.#keys[at] = key;
    this.#startedAt[at] = startedAt;
    this.#count += 1;
  }

  /** Takes the oldest away. @throws when there is none. */
  shift(take: (kind: Kind, key: number, startedAt: number) => void): void {
    if (this.#count === 0) throw new Error("nothing is in flight");
    const at = this.#head;
    this.#head = (at + 1) & this.#mask;
    this.#count -= 1;
    take((this.#kinds[at] ?? 0) as Kind, this.#keys[at] ?? 0, this.#startedAt[at] ?? 0);
  }
}
