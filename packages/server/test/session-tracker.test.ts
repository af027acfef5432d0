import { describe, expect, test } from "vitest";
import { EXPIRY_RETRY_MS } from "../src/sessions/limits.js";
import { SessionTracker, type SessionEffect } from "../src/sessions/session-tracker.js";

const OPTIONS = { tickMs: 100, delayMs: 500, stepMsMax: 500 };

function trackerOf(options: Partial<typeof OPTIONS & { inFlightMax: number }> = {}) {
  const tracker = new SessionTracker({ ...OPTIONS, ...options });
  let now = 1000;
  const tick = (ms = 100): readonly SessionEffect[] => {
    now += ms;
    return tracker.step({ kind: "ticked", now });
  };
  tracker.step({ kind: "ticked", now });
  return {
    tracker,
    tick,
    create: (id: bigint, timeoutMs: number) => tracker.step({ kind: "created", id, timeoutMs }),
    touch: (...ids: bigint[]) => tracker.step({ kind: "touched", ids }),
    closed: (id: bigint) => tracker.step({ kind: "closed", id }),
    round: () => tracker.step({ kind: "roundCompleted" }),
    /** Ticks until something is to be done, at most so often. */
    until: (ticks: number): readonly SessionEffect[] => {
      for (let i = 0; i < ticks; i += 1) {
        const effects = tick();
        if (effects.length > 0) return effects;
      }
      return [];
    },
  };
}
const ROUND = { kind: "beginRound" } as const;
const close = (id: bigint) => ({ kind: "proposeClose", id }) as const;

describe("a session expires", () => {
  test("after its timeout, then a round, then another look", () => {
    const { create, tick, round } = trackerOf();
    create(1n, 1000);
    // 1000 ms and what a sign of life may take on its way.
    for (let i = 0; i < 14; i += 1) expect(tick()).toEqual([]);
    expect(tick()).toEqual([ROUND]);
    // However long the round takes, without it nothing happens.
    for (let i = 0; i < 100; i += 1) expect(tick()).toEqual([]);
    expect(round()).toEqual([]);
    expect(tick()).toEqual([close(1n)]);
  });

  test("not when it was heard of before the round, in it, or until the look behind it", () => {
    for (const when of ["before", "in", "behind"]) {
      const { create, touch, until, round, tick } = trackerOf();
      create(1n, 1000);
      if (when === "before") {
        expect(until(10)).toEqual([]);
        touch(1n);
        expect(until(14)).toEqual([]);
        continue;
      }
      expect(until(15)).toEqual([ROUND]);
      if (when === "in") touch(1n);
      round();
      if (when === "behind") touch(1n);
      expect(tick()).toEqual([]);
      // Its whole timeout once more, at least.
      expect(until(13)).toEqual([]);
      expect(until(2)).toEqual([ROUND]);
    }
  });

  test("after another round when it was heard of in the first and fell silent again", () => {
    const { create, touch, until, round, tick } = trackerOf();
    create(1n, 1000);
    expect(until(15)).toEqual([ROUND]);
    touch(1n);
    // The round takes until its new deadline is over, of which it says nothing.
    expect(until(20)).toEqual([]);
    round();
    expect(tick()).toEqual([ROUND]);
    round();
    expect(tick()).toEqual([close(1n)]);
  });

  test("not by a clock that jumped: nobody could be heard meanwhile", () => {
    const { create, tick, until } = trackerOf();
    create(1n, 1000);
    expect(tick(60_000)).toEqual([]);
    expect(until(9)).toEqual([]);
    expect(until(1)).toEqual([ROUND]);
  });

  test("again after its close was refused or lost, judged anew", () => {
    const { tracker, create, until, round, tick, touch } = trackerOf();
    create(1n, 1000);
    until(15);
    round();
    expect(tick()).toEqual([close(1n)]);
    expect(tracker.isClosing(1n)).toBe(true);
    tracker.closeRefused(1n);
    expect(tracker.isClosing(1n)).toBe(false);
    expect(tick()).toEqual([ROUND]);
    round();
    expect(tick()).toEqual([close(1n)]);
    // What was proposed and does not come back.
    expect(until(EXPIRY_RETRY_MS / 100 - 1)).toEqual([]);
    expect(until(1)).toEqual([ROUND]);
    touch(1n);
    round();
    expect(until(14)).toEqual([]);
  });

  test("and is forgotten with its transaction, whoever closed it", () => {
    const { tracker, create, closed, until } = trackerOf();
    create(1n, 1000);
    create(2n, 1000);
    closed(1n);
    expect(tracker.size).toBe(1);
    expect(until(15)).toEqual([ROUND]);
    closed(2n);
    expect(tracker.size).toBe(0);
    tracker.step({ kind: "roundCompleted" });
    expect(until(100)).toEqual([]);
  });
});

test("a session that was closed and made again under its id has its own timeout", () => {
  const { create, closed, until } = trackerOf();
  create(1n, 1000);
  closed(1n);
  create(1n, 3000);
  expect(until(34)).toEqual([]);
  expect(until(1)).toEqual([ROUND]);
});

test("10,000 that expire at once are closed a bounded number at a time", () => {
  const { tracker, create, closed, until, round, tick } = trackerOf({ inFlightMax: 100 });
  for (let id = 1n; id <= 10_000n; id += 1n) create(id, 1000);
  expect(until(15)).toEqual([ROUND]);
  round();
  const first = tick();
  expect(first).toHaveLength(100);
  expect(tick()).toEqual([]);
  const open = first.flatMap((effect) => (effect.kind === "proposeClose" ? [effect.id] : []));
  const seen = new Set<bigint>(open);
  for (let next = open.shift(); next !== undefined; next = open.shift()) {
    for (const effect of closed(next)) {
      if (effect.kind !== "proposeClose") throw new Error("no round is needed");
      expect(seen.has(effect.id)).toBe(false);
      seen.add(effect.id);
      open.push(effect.id);
    }
    expect(open.length).toBeLessThanOrEqual(100);
  }
  expect([seen.size, tracker.size]).toEqual([10_000, 0]);
});

describe("a session whose client comes anew", () => {
  test("leaves behind what was asked for before, by the same node, and in an earlier life", () => {
    const { tracker, create } = trackerOf();
    create(1n, 1000);
    const isLeftBehind = (fid: string, reqId: bigint): boolean =>
      tracker.isLeftBehind(1n, { fid, reqId });
    expect(isLeftBehind("2", 1n)).toBe(false);
    tracker.attached(1n, { fid: "2", reqId: 100n, timeoutMs: 0 });
    expect([99n, 100n, 101n].map((reqId) => isLeftBehind("2", reqId))).toEqual([
      true,
      false,
      false,
    ]);
    expect(isLeftBehind("2", 2n ** 60n)).toBe(true);
    // Whether it may write through another node is the state's to judge.
    expect(isLeftBehind("3", 99n)).toBe(false);
    tracker.attached(1n, { fid: "3", reqId: 7n, timeoutMs: 0 });
    expect([isLeftBehind("3", 6n), isLeftBehind("2", 99n)]).toEqual([true, false]);
  });

  test("is the state's to judge when it is not tracked", () => {
    const { tracker } = trackerOf();
    tracker.attached(9n, { fid: "2", reqId: 5n, timeoutMs: 0 });
    expect(tracker.isLeftBehind(9n, { fid: "2", reqId: 1n })).toBe(false);
  });

  test("gives a sign of life, and one when it is answered", () => {
    const { tracker, create, until } = trackerOf();
    create(1n, 1000);
    until(14);
    tracker.attached(1n, { fid: "2", reqId: 1n, timeoutMs: 0 });
    expect(until(14)).toEqual([]);
    tracker.step({ kind: "moved", id: 1n, timeoutMs: 1000 });
    expect(until(14)).toEqual([]);
    expect(until(1)).toEqual([ROUND]);
  });
});

describe("a session that is taken up with another timeout", () => {
  const moved = (id: bigint, timeoutMs: number) => ({ kind: "moved", id, timeoutMs }) as const;

  test("has that from then on: a longer one, and a shorter one at once", () => {
    const { tracker, create, touch, until } = trackerOf();
    create(1n, 1000);
    tracker.step(moved(1n, 3000));
    expect(until(34)).toEqual([]);
    touch(1n);
    expect(until(34)).toEqual([]);
    expect(until(1)).toEqual([ROUND]);
    const later = trackerOf();
    later.create(1n, 40_000);
    later.tracker.step(moved(1n, 1000));
    expect(later.until(14)).toEqual([]);
    expect(later.until(1)).toEqual([ROUND]);
    later.round();
    expect(later.tick()).toEqual([close(1n)]);
    later.closed(1n);
    // Nothing of it is left in the place of its first deadline.
    expect(later.until(500)).toEqual([]);
  });

  test("is looked at once, however often its timeout changes", () => {
    const { tracker, create, touch, tick, until, round } = trackerOf();
    create(1n, 4000);
    for (let i = 0; i < 50; i += 1) {
      tracker.step(moved(1n, 1000));
      tick();
      tracker.step(moved(1n, 4000));
      tick();
      touch(1n);
    }
    expect(until(60)).toEqual([ROUND]);
    expect(until(10)).toEqual([]);
    round();
    expect(tick()).toEqual([close(1n)]);
    // No second round for what lies in places that do not count.
    expect(until(EXPIRY_RETRY_MS / 100 - 1)).toEqual([]);
  });

  test("and back is looked at once where its two deadlines are one", () => {
    const { tracker, create, until, round, tick } = trackerOf();
    create(1n, 4000);
    tracker.step(moved(1n, 1000));
    tracker.step(moved(1n, 4000));
    expect(until(44)).toEqual([]);
    expect(tick()).toEqual([ROUND]);
    round();
    expect(tick()).toEqual([close(1n)]);
  });

  test("Invariant 10: lives for the longer one already while that is on its way", () => {
    const { tracker, create, touch, until } = trackerOf();
    create(1n, 1000);
    tracker.attached(1n, { fid: "2", reqId: 1n, timeoutMs: 3000 });
    // What was asked for before it, and a sign of life, take nothing away.
    tracker.step(moved(1n, 500));
    touch(1n);
    expect(until(34)).toEqual([]);
    expect(until(1)).toEqual([ROUND]);
  });
});

test("100,000 sessions that stay alive cost a lookup per touch, and one look per timeout", () => {
  const { tracker, create, tick } = trackerOf();
  const ids = Array.from({ length: 100_000 }, (_, i) => (3n << 56n) | BigInt(i));
  for (const id of ids) create(id, 10_000);
  const before = process.cpuUsage();
  for (let second = 0; second < 30; second += 1) {
    if (second % 3 === 0) tracker.step({ kind: "touched", ids });
    for (let i = 0; i < 10; i += 1) expect(tick()).toEqual([]);
  }
  const { user, system } = process.cpuUsage(before);
  // A million touches. Generous: this machine takes a tenth of it.
  expect((user + system) / 1000).toBeLessThan(5000);
});
