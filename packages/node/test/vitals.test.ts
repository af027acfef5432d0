import { describe, expect, it } from "vitest";
import type { Meter } from "@quorate/protocol";
import { Vitals } from "../src/vitals.js";
import { SteppedClock, until } from "./support.js";

function setUp() {
  const passed: unknown[] = [];
  const inner: Meter = {
    count: (...args) => void passed.push(["count", ...args]),
    observe: (...args) => void passed.push(["observe", ...args]),
    gauge: (...args) => void passed.push(["gauge", ...args]),
  };
  const clock = new SteppedClock();
  return { vitals: new Vitals(inner, clock), clock, passed };
}

describe("the vitals of a node", () => {
  it("tell the spread of the log's commits", async () => {
    const { vitals } = setUp();
    expect(vitals.document().logCommitMs).toBeNull();
    for (let i = 1; i <= 200; i += 1) vitals.meter.observe("log_commit_ms", i);
    vitals.meter.observe("something_else", 1e6);
    expect(vitals.document().logCommitMs).toEqual({ count: 200, p50: 100, p99: 198, max: 200 });
    await vitals.close();
  });

  it("keep the newest commits of a span and count all", async () => {
    const { vitals } = setUp();
    for (let i = 0; i < 10; i += 1) vitals.meter.observe("log_commit_ms", 99);
    for (let i = 0; i < 2000; i += 1) vitals.meter.observe("log_commit_ms", 1);
    expect(vitals.document().logCommitMs).toMatchObject({ count: 2010, max: 1 });
    await vitals.close();
  });

  it("forget what is older than two spans", async () => {
    const { vitals, clock } = setUp();
    vitals.meter.observe("log_commit_ms", 9);
    clock.runTimers();
    vitals.meter.observe("log_commit_ms", 1);
    expect(vitals.document().logCommitMs).toMatchObject({ count: 2, max: 9 });
    clock.runTimers();
    expect(vitals.document().logCommitMs).toMatchObject({ count: 1, max: 1 });
    clock.runTimers();
    expect(vitals.document().logCommitMs).toBeNull();
    await vitals.close();
  });

  it("hand on everything that is measured", async () => {
    const { vitals, passed } = setUp();
    vitals.meter.count("a", 2);
    vitals.meter.gauge("b", 3);
    vitals.meter.observe("log_commit_ms", 4);
    expect(passed).toEqual([
      ["count", "a", 2],
      ["gauge", "b", 3],
      ["observe", "log_commit_ms", 4],
    ]);
    await vitals.close();
  });

  it("notice an event loop that stood still, for two spans", async () => {
    const { vitals, clock } = setUp();
    // The first look has been.
    const from = performance.now();
    await until(() => performance.now() - from > 60);
    const stalledAt = performance.now();
    while (performance.now() - stalledAt < 150);
    await until(() => vitals.document().loopDelayMs.max >= 100);
    clock.runTimers();
    expect(vitals.document().loopDelayMs.max).toBeGreaterThanOrEqual(100);
    await vitals.close();
  });
});
