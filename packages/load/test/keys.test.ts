import { describe, expect, it } from "vitest";
import { keyChooser, seededRandom, ZIPF_EXPONENT, zipfian } from "../src/index.js";

function sharesOf(count: number, next: () => number, draws: number): number[] {
  const seen = new Array<number>(count).fill(0);
  for (let i = 0; i < draws; i += 1) {
    const at = next();
    seen[at] = (seen[at] ?? 0) + 1;
  }
  return seen.map((one) => one / draws);
}

describe("zipfian ranks", () => {
  it("come in proportion to 1 / rank^0.99", () => {
    const count = 1000;
    const shares = sharesOf(count, zipfian(count, seededRandom(1)), 400_000);
    const zeta = Array.from({ length: count }, (_, i) => (i + 1) ** -ZIPF_EXPONENT);
    const sum = zeta.reduce((total, one) => total + one, 0);
    // The first two are drawn exactly, the others by an approximation of a few percent.
    expect(shares[0]).toBeCloseTo(1 / sum, 2);
    expect(shares[1]).toBeCloseTo((zeta[1] ?? 0) / sum, 2);
    const shareBelow = (rank: number, of: readonly number[]): number =>
      of.slice(0, rank).reduce((total, one) => total + one, 0);
    for (const rank of [10, 100, 500]) {
      const expected = shareBelow(rank, zeta) / sum;
      expect(Math.abs(shareBelow(rank, shares) - expected)).toBeLessThan(0.03);
    }
  });

  it("stay within one, two and very many", () => {
    for (const count of [1, 2, 3, 1_000_000]) {
      const next = zipfian(count, seededRandom(2));
      for (let i = 0; i < 10_000; i += 1) {
        const rank = next();
        expect(Number.isInteger(rank) && rank >= 0 && rank < count).toBe(true);
      }
    }
  });
});

describe("a chooser of keys", () => {
  it("takes each in turn", () => {
    const next = keyChooser("in-turn", 3, seededRandom(1));
    expect([next(), next(), next(), next()]).toEqual([0, 1, 2, 0]);
  });

  it("takes all alike", () => {
    const shares = sharesOf(10, keyChooser("uniform", 10, seededRandom(3)), 100_000);
    for (const share of shares) expect(share).toBeCloseTo(0.1, 2);
  });

  it("spreads the most wanted keys: each key has one rank", () => {
    const keys = 1000;
    const shares = sharesOf(keys, keyChooser("zipfian", keys, seededRandom(4)), 400_000);
    const ranked = shares.map((share, key) => ({ share, key })).sort((a, b) => b.share - a.share);
    expect(ranked[0]?.share).toBeGreaterThan(0.1);
    const [first, second] = ranked;
    expect(Math.abs((first?.key ?? 0) - (second?.key ?? 0))).toBeGreaterThan(1);
    expect(shares.filter((share) => share > 0).length).toBeGreaterThan(keys * 0.95);
  });
});
