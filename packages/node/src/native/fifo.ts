/** Places that were left, at least, before those that are still taken are moved together. */
const LEFT_MIN = 64;

/**
 * First in, first out. Taking the first costs the same however many wait: `Array.shift` moves all
 * of them each time, which makes working many off quadratic.
 */
export class Fifo<Item> {
  #items: (Item | undefined)[] = [];
  #at = 0;

  get isEmpty(): boolean {
    return this.#at === this.#items.length;
  }

  get first(): Item | undefined {
    return this.#items[this.#at];
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  removeFirst(): void {
    if (this.isEmpty) return;
    // What it holds is not kept until the next move.
    this.#items[this.#at] = undefined;
    this.#at += 1;
    if (this.isEmpty) this.#items = [];
    else if (this.#at < LEFT_MIN || this.#at * 2 < this.#items.length) return;
    else this.#items = this.#items.slice(this.#at);
    this.#at = 0;
  }
}
