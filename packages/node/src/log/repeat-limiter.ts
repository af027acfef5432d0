/** Times that one message may be printed within a window. */
export const REPEATS_MAX = 10;
export const REPEAT_WINDOW_MS = 10_000;
/** Different messages watched at once; the one seen longest ago is forgotten. */
const MESSAGES_MAX = 500;

interface Seen {
  windowStart: number;
  printed: number;
  suppressed: number;
}

export type Verdict =
  | { readonly print: false }
  /** `suppressed`: how many of the same were swallowed since the last one that was printed. */
  | { readonly print: true; readonly suppressed: number };

/**
 * A peer that is down for a night must not fill the disk with one line. Messages are constant
 * sentences, so message and component name a kind of line.
 */
export class RepeatLimiter {
  readonly #seen = new Map<string, Seen>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  judge(key: string): Verdict {
    const now = this.#now();
    const seen = this.#seen.get(key);
    if (seen === undefined) {
      this.#add(key, { windowStart: now, printed: 1, suppressed: 0 });
      return { print: true, suppressed: 0 };
    }
    if (now - seen.windowStart >= REPEAT_WINDOW_MS) {
      const { suppressed } = seen;
      this.#seen.delete(key);
      this.#add(key, { windowStart: now, printed: 1, suppressed: 0 });
      return { print: true, suppressed };
    }
    if (seen.printed >= REPEATS_MAX) {
      seen.suppressed += 1;
      return { print: false };
    }
    seen.printed += 1;
    return { print: true, suppressed: 0 };
  }

  /** What was swallowed and not yet told, for the end of the log. */
  drain(): readonly { readonly key: string; readonly suppressed: number }[] {
    const left = [...this.#seen]
      .filter(([, seen]) => seen.suppressed > 0)
      .map(([key, seen]) => ({ key, suppressed: seen.suppressed }));
    this.#seen.clear();
    return left;
  }

  #add(key: string, seen: Seen): void {
    this.#seen.set(key, seen);
    if (this.#seen.size <= MESSAGES_MAX) return;
    for (const oldest of this.#seen.keys()) {
      this.#seen.delete(oldest);
      return;
    }
  }
}
