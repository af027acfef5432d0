/** Upper bounds in milliseconds: from a fast disk's sync to what ends roles. */
const BOUNDS_MS: readonly number[] = [
  0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000,
];

/** A distribution of milliseconds. One observation is a search among few and an increment. */
export class Buckets {
  readonly #counts = new Array<number>(BOUNDS_MS.length + 1).fill(0);
  #sum = 0;

  add(ms: number): void {
    let at = 0;
    while (at < BOUNDS_MS.length && ms > (BOUNDS_MS[at] ?? 0)) at += 1;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#sum += ms;
  }

  /** Cumulative counts by upper bound in seconds, the last of them without a bound. */
  read(): {
    readonly buckets: readonly { readonly le: number | "+Inf"; readonly count: number }[];
    readonly count: number;
    readonly sumSeconds: number;
  } {
    let count = 0;
    const buckets = this.#counts.map((own, at) => {
      count += own;
      const bound = BOUNDS_MS[at];
      return { le: bound === undefined ? ("+Inf" as const) : bound / 1000, count };
    });
    return { buckets, count, sumSeconds: this.#sum / 1000 };
  }
}
