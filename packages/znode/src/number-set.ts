const INITIAL_WORDS = 8;
const BITS_LOG = 5;

/** Small numbers, a bit for each up to the largest: a million of them are 125 KB and no entries. */
export class NumberSet {
  #words = new Int32Array(INITIAL_WORDS);

  has(number: number): boolean {
    const at = number >>> BITS_LOG;
    return at < this.#words.length && ((this.#words[at] ?? 0) & (1 << number)) !== 0;
  }

  add(number: number): void {
    const at = number >>> BITS_LOG;
    if (at >= this.#words.length) this.#grow(at);
    this.#words[at] = (this.#words[at] ?? 0) | (1 << number);
  }

  /** Whether it was there. */
  delete(number: number): boolean {
    if (!this.has(number)) return false;
    const at = number >>> BITS_LOG;
    this.#words[at] = (this.#words[at] ?? 0) & ~(1 << number);
    return true;
  }

  /** In their order. Numbers may come and go meanwhile; one that comes may be left out. */
  *values(): Generator<number, undefined> {
    for (let at = 0; at < this.#words.length; at += 1) {
      for (let notYet = -1; ;) {
        const word = (this.#words[at] ?? 0) & notYet;
        if (word === 0) break;
        const bit = 31 - Math.clz32(word & -word);
        notYet = -2 << bit;
        yield (at << BITS_LOG) + bit;
      }
    }
  }

  #grow(at: number): void {
    const words = new Int32Array(Math.max(at + 1, this.#words.length * 2));
    words.set(this.#words);
    this.#words = words;
  }
}
