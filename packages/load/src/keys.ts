import type { KeyChoice } from "./order.js";

/** The exponent that YCSB uses: of 1000 keys the first is asked for in 13 of a hundred cases. */
export const ZIPF_EXPONENT = 0.99;
/** Terms of zeta that are summed one by one; the rest is an integral, off by less than 1e-6. */
const EXACT_TERMS = 100_000;
/** A prime, so prime to every number of keys but its multiples: near ranks lie far apart. */
const SCATTER = 15_485_863;

/** The next key, in [0, keys). */
export function keyChooser(choice: KeyChoice, keys: number, random: () => number): () => number {
  switch (choice) {
    case "in-turn": {
      let next = -1;
      return () => {
        next += 1;
        if (next === keys) next = 0;
        return next;
      };
    }
    case "uniform":
      return () => Math.floor(random() * keys);
    case "zipfian": {
      const rank = zipfian(keys, random);
      // The most wanted keys are spread over the tree, not side by side.
      return () => (rank() * SCATTER) % keys;
    }
  }
}

/**
 * Ranks in [0, count), the share of rank r proportional to 1 / (r + 1)^0.99. One random number and
 * one power each (Gray and others, "Quickly generating billion-record synthetic databases", 1994).
 */
export function zipfian(count: number, random: () => number): () => number {
  const theta = ZIPF_EXPONENT;
  const zetaN = zeta(count, theta);
  const second = 1 + 0.5 ** theta;
  const alpha = 1 / (1 - theta);
  const eta = (1 - (2 / count) ** (1 - theta)) / (1 - zeta(2, theta) / zetaN);
  return () => {
    const u = random();
    const uz = u * zetaN;
    if (uz < 1 || count === 1) return 0;
    if (uz < second || count === 2) return 1;
    return Math.min(count - 1, Math.floor(count * (eta * u - eta + 1) ** alpha));
  };
}

function zeta(count: number, theta: number): number {
  let sum = 0;
  const exact = Math.min(count, EXACT_TERMS);
  for (let i = 1; i <= exact; i += 1) sum += i ** -theta;
  if (count > exact) {
    const integral = (from: number, to: number): number =>
      (to ** (1 - theta) - from ** (1 - theta)) / (1 - theta);
    sum += integral(exact + 0.5, count + 0.5);
  }
  return sum;
}
