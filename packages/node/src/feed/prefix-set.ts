import { KEY_BYTES_MAX, QuorateError } from "@quorate/protocol";

const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * A prefix is the beginning of a path in whole components: `/a` covers `/a` and `/a/b`, not `/ab`.
 * `/` covers every path, and the empty prefix everything, broadcasts under any key included.
 * @throws ERR_ARG_VALUE, ERR_ARG_TOO_LARGE.
 */
export function checkPrefix(prefix: string): void {
  if (prefix.length * 3 > KEY_BYTES_MAX) {
    throw new QuorateError("ERR_ARG_TOO_LARGE", `a prefix has at most ${KEY_BYTES_MAX / 3} units`);
  }
  if (prefix.length > 1 && prefix.endsWith("/")) {
    throw new QuorateError("ERR_ARG_VALUE", "a prefix has no / at its end; /a covers /a and /a/b");
  }
  if (LONE_SURROGATE.test(prefix)) {
    throw new QuorateError("ERR_ARG_VALUE", "a prefix is well-formed Unicode");
  }
}

/**
 * The prefixes that somebody follows now. Finding which of them cover a key costs a look for each
 * distinct length that fits, not for each prefix, and never for each subscriber.
 */
export class PrefixSet {
  readonly #counts = new Map<string, number>();
  /** Distinct prefixes of each length. */
  readonly #byLength = new Map<number, number>();
  #lengths: readonly number[] = [];
  #version = 0;

  /** Another number whenever the distinct prefixes are others. */
  get version(): number {
    return this.#version;
  }

  get size(): number {
    return this.#counts.size;
  }

  add(prefix: string): void {
    const count = this.#counts.get(prefix) ?? 0;
    this.#counts.set(prefix, count + 1);
    if (count === 0) this.#changed(prefix.length, 1);
  }

  remove(prefix: string): void {
    const count = this.#counts.get(prefix) ?? 0;
    if (count > 1) {
      this.#counts.set(prefix, count - 1);
      return;
    }
    this.#counts.delete(prefix);
    this.#changed(prefix.length, -1);
  }

  covering(key: string): string[] {
    const found: string[] = [];
    for (const length of this.#lengths) {
      if (length > key.length) break;
      const isWhole =
        length === key.length ||
        length === 0 ||
        key[length] === "/" ||
        (length === 1 && key[0] === "/");
      if (!isWhole) continue;
      const prefix = key.slice(0, length);
      if (this.#counts.has(prefix)) found.push(prefix);
    }
    return found;
  }

  /** Costs next to nothing unless a length is new or gone: clients may come and go as they like. */
  #changed(length: number, by: 1 | -1): void {
    this.#version += 1;
    const before = this.#byLength.get(length) ?? 0;
    const after = before + by;
    if (after > 0) this.#byLength.set(length, after);
    else this.#byLength.delete(length);
    if (before > 0 && after > 0) return;
    this.#lengths = [...this.#byLength.keys()].sort((a, b) => a - b);
  }
}
