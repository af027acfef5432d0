import { describe, expect, it } from "vitest";
import { runChaos } from "./support/candidate-chaos.js";

const SEEDS = 120;
const SIZES = [2, 3, 3, 4, 5, 7];
/** Twice the time after which a dead leader is missed, and some ballots. */
const HEALED_MS_MAX = 4000;

describe("under kills, pauses, cuts, loss, delays, replays and clocks of different rates", () => {
  it(`no two lead at once, and they agree soon after (${SEEDS} seeds)`, async () => {
    let leads = 0;
    const faults = new Map<string, number>();
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const members = SIZES[seed % SIZES.length] ?? 3;
      const report = await runChaos({ seed, members, ms: 20_000 });
      expect(report.doubled, `seed ${seed}`).toBeNull();
      expect(report.healedMs, `seed ${seed}`).toBeLessThan(HEALED_MS_MAX);
      leads += report.leads;
      for (const [fault, times] of Object.entries(report.faults)) {
        faults.set(fault, (faults.get(fault) ?? 0) + times);
      }
    }
    for (const [fault, times] of faults) expect(times, fault).toBeGreaterThan(SEEDS);
    // The runs are worth something: leads have begun and ended again and again.
    expect(leads).toBeGreaterThan(SEEDS * 3);
  }, 60_000);

  it("the check sees two leaders when clocks differ by more than is allowed", async () => {
    const doubled: string[] = [];
    for (let seed = 1; seed <= 40 && doubled.length === 0; seed += 1) {
      const report = await runChaos({ seed, members: 3, ms: 20_000, rateMax: 6 });
      if (report.doubled !== null) doubled.push(report.doubled);
    }
    expect(doubled).toHaveLength(1);
  }, 60_000);

  it("one seed is one run", async () => {
    const [first, second] = [
      await runChaos({ seed: 7, members: 5, ms: 20_000 }),
      await runChaos({ seed: 7, members: 5, ms: 20_000 }),
    ];
    expect(second).toEqual(first);
  });
});
