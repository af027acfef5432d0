import { lookup, V4MAPPED } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import type { Clock } from "@quorate/protocol";

/** How long an answer of DNS is used without asking again: an address that moved is found soon. */
const CACHE_MS = 1000;
/** Names asked for at the same time; one more is not asked. */
const LOOKUPS_MAX = 256;
/** Datagrams that wait for the first answer about one name. One more takes the oldest's place. */
const WAITING_MAX = 256;

type Callback = (address: string | null) => void;

/**
 * Resolves names for a datagram socket, with one question per name at a time.
 *
 * Liveness: what is known is used until something else is, however old it is. A name service that
 * is slow or gone holds up no datagram to a peer that has not moved.
 */
export class Resolver {
  readonly #clock: Clock;
  readonly #family: 4 | 6;
  readonly #lookup: LookupFunction;
  readonly #known = new Map<string, { readonly address: string; freshUntil: number }>();
  /** By the name that is being asked for. Several peers may live under one name. */
  readonly #waiting = new Map<string, Callback[]>();

  constructor(clock: Clock, family: 4 | 6, find: LookupFunction = lookup) {
    this.#clock = clock;
    this.#family = family;
    this.#lookup = find;
  }

  /** Calls back at once when it knows an address, else later; null when there is none. */
  resolve(host: string, callback: Callback): void {
    const literal = isIP(host);
    if (literal !== 0) {
      callback(literal === 4 && this.#family === 6 ? `::ffff:${host}` : host);
      return;
    }
    const known = this.#known.get(host);
    if (known === undefined) {
      this.#wait(host, callback);
      return;
    }
    if (known.freshUntil <= this.#clock.now() && !this.#waiting.has(host)) this.#ask(host);
    callback(known.address);
  }

  #wait(host: string, callback: Callback): void {
    const waiting = this.#waiting.get(host) ?? this.#ask(host);
    if (waiting === null) {
      callback(null);
      return;
    }
    waiting.push(callback);
    if (waiting.length > WAITING_MAX) waiting.shift()?.(null);
  }

  /** Who will wait for the answer; null when too much is asked already. */
  #ask(host: string): Callback[] | null {
    if (this.#waiting.size >= LOOKUPS_MAX) return null;
    const waiting: Callback[] = [];
    this.#waiting.set(host, waiting);
    const hints = this.#family === 6 ? V4MAPPED : 0;
    this.#lookup(host, { family: this.#family, hints }, (error, found) => {
      this.#waiting.delete(host);
      // A list comes only to those who ask for all.
      const answer = error === null && typeof found === "string" ? found : null;
      const address = answer ?? this.#known.get(host)?.address ?? null;
      if (address !== null) {
        this.#known.set(host, { address, freshUntil: this.#clock.now() + CACHE_MS });
      }
      for (const callback of waiting) callback(address);
    });
    return waiting;
  }
}
