/** Additions after which the map is renewed, at least: renewing then costs as much as they did. */
const ADDITIONS_MIN = 256;

/**
 * A map whose entries come and go all the time, as requests do.
 *
 * V8 hangs each table of a Map on the one before, for iterators that may still be on it. Once a
 * table has been promoted to old space, dead or not, it keeps the next one alive and has it
 * promoted too, and so on, each with all the entries that it held when it was full: everything
 * that ever was in the map stays until a full collection (docs/benchmarks.md). Here the map is
 * replaced by a copy before long, which ends such a chain.
 *
 * While it is iterated, deleting is safe. Whoever adds meanwhile may go on over the copy's
 * original: what was added may be missed, and what is deleted afterwards be given out all the same.
 */
export class ChurnMap<K, V> {
  #map = new Map<K, V>();
  #additions = 0;

  get size(): number {
    return this.#map.size;
  }

  get(key: K): V | undefined {
    return this.#map.get(key);
  }

  has(key: K): boolean {
    return this.#map.has(key);
  }

  set(key: K, value: V): void {
    if (this.#additions >= ADDITIONS_MIN && this.#additions >= this.#map.size) {
      this.#map = new Map(this.#map);
      this.#additions = 0;
    }
    this.#map.set(key, value);
    this.#additions += 1;
  }

  delete(key: K): boolean {
    return this.#map.delete(key);
  }

  clear(): void {
    this.#map = new Map();
    this.#additions = 0;
  }

  /** In the order in which they were added. */
  keys(): MapIterator<K> {
    return this.#map.keys();
  }

  values(): MapIterator<V> {
    return this.#map.values();
  }

  [Symbol.iterator](): MapIterator<[K, V]> {
    return this.#map[Symbol.iterator]();
  }
}
