import { lookup, V4MAPPED } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import type { Clock } from "@quorate/protocol";

/** How long an answer of DNS is used. Short: an address that moved is found on the next ballot. */
const CACHE_MS = 1000;
/** Names asked for at the same time; one more is not asked. */
const LOOKUPS_MAX = 256;

/** Resolves names for a datagram socket, with a brief cache and one question per name at a time. */
export class Resolver {
  readonly #clock: Clock;
  readonly #family: 4 | 6;
  readonly #lookup: LookupFunction;
  readonly #cache = new Map<string, { readonly address: string; readonly until: number }>();
  readonly #waiting = new Map<string, (address: string | null) => void>();

  constructor(clock: Clock, family: 4 | 6, find: LookupFunction = lookup) {
    this.#clock = clock;
    this.#family = family;
    this.#lookup = find;
  }

  /**
   * Calls back at once when it knows, else later; null when there is no such name. A newer call
   * for a name replaces the waiting one: of two ballots only the newer matters.
   */
  resolve(host: string, callback: (address: string | null) => void): void {
    const literal = isIP(host);
    if (literal !== 0) {
      callback(literal === 4 && this.#family === 6 ? `::ffff:${host}` : host);
      return;
    }
    const known = this.#cache.get(host);
    if (known !== undefined && known.until > this.#clock.now()) {
      callback(known.address);
      return;
    }
    if (!this.#waiting.has(host)) {
      if (this.#waiting.size >= LOOKUPS_MAX) {
        callback(null);
        return;
      }
      this.#ask(host);
    }
    this.#waiting.set(host, callback);
  }

  #ask(host: string): void {
    const hints = this.#family === 6 ? V4MAPPED : 0;
    this.#lookup(host, { family: this.#family, hints }, (error, found) => {
      // A list comes only to those who ask for all.
      const address = error === null && typeof found === "string" ? found : null;
      const callback = this.#waiting.get(host);
      this.#waiting.delete(host);
      if (address !== null) {
        this.#cache.set(host, { address, until: this.#clock.now() + CACHE_MS });
      } else {
        this.#cache.delete(host);
      }
      callback?.(address);
    });
  }
}
