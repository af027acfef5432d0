import { expect, it } from "vitest";
import {
  LoadRunner,
  Pacer,
  Recorder,
  type Kind,
  type LoadConnection,
  type LoadSink,
} from "../src/index.js";

it("tells what is due from the rate and the time alone", () => {
  const pacer = new Pacer(2500, 1000);
  expect(pacer.dueAt(999)).toBe(0);
  expect(pacer.dueAt(1000)).toBe(2);
  expect(pacer.dueAt(1001)).toBe(5);
  expect(pacer.dueAt(1999.5)).toBe(2500);
  const intended = [0, 1, 2, 3, 4, 5].map((i) => pacer.intendedAt(i));
  expect(intended).toEqual([1000, 1000, 1001, 1001, 1001, 1002]);
});

it("intends a request not later than when it is due, and not earlier", () => {
  for (const rate of [1, 7, 100, 999, 1000, 1001, 40_000]) {
    const pacer = new Pacer(rate, 0);
    for (let i = 0; i < 300; i += 1) {
      const at = pacer.intendedAt(i);
      expect(pacer.dueAt(at)).toBeGreaterThan(i);
      expect(pacer.dueAt(at - 1)).toBeLessThanOrEqual(i);
    }
  }
});

it("counts what is answered within the time, and times what was meant to begin within it", () => {
  const recorder = new Recorder(1000, 2000);
  recorder.answered(0, 990, 1010, null); // Begun before: done, not timed.
  recorder.answered(0, 1500, 1600, null);
  recorder.answered(1, 1990, 2090, null); // Answered behind: timed, not done.
  recorder.answered(0, 1500, 1501, "throttled");
  recorder.answered(0, 2500, 2501, null);
  const report = recorder.report({ endedAt: 2000, unsent: 0, unanswered: 0, connects: 1 });
  expect(report.done).toBe(2);
  expect(report.doneByKind).toEqual({ set: 2, get: 0, create: 0, delete: 0 });
  expect(report.errors).toEqual({ throttled: 1 });
  expect(report.latencyMs.count).toBe(2);
  expect(report.latencyMs.max).toBeCloseTo(100, 0);
  expect(report.refusedLatencyMs.count).toBe(1);
});

/** A server that answers at once, but for a while in which it answers nothing. */
class StallingConnection implements LoadConnection {
  readonly isOpen = true;
  readonly #sink: LoadSink;
  readonly #startedAt = performance.now();
  #waiting: [Kind, number, number][] = [];

  constructor(sink: LoadSink) {
    this.#sink = sink;
  }

  get inFlight(): number {
    return this.#waiting.length;
  }

  send(kind: Kind, key: number, startedAt: number): void {
    this.#waiting.push([kind, key, startedAt]);
    if (this.#waiting.length === 1) setTimeout(() => this.#answer(), 1);
  }

  flush(): void {
    // Nothing is kept back.
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #answer(): void {
    const elapsed = performance.now() - this.#startedAt;
    if (elapsed > STALL_FROM_MS && elapsed < STALL_TO_MS) {
      setTimeout(() => this.#answer(), STALL_TO_MS - elapsed);
      return;
    }
    const at = performance.now();
    const answered = this.#waiting;
    this.#waiting = [];
    for (const [kind, key, from] of answered) this.#sink.answered(0, kind, key, from, at, null);
  }
}

const STALL_FROM_MS = 200;
const STALL_TO_MS = 500;

async function latencyWith(ratePerSecond: number | null, outstanding: number) {
  const runner = new LoadRunner({
    workload: "set",
    keys: 10,
    keyChoice: "in-turn",
    seed: 1,
    outstanding,
    ratePerSecond,
    requests: null,
    warmUpMs: 0,
    measureMs: 1000,
  });
  runner.attach(new StallingConnection(runner));
  return (await runner.run()).latencyMs;
}

it("an open loop counts the wait of all that was meant to begin in a stall", async () => {
  // One at a time may be on its way: the others are not even sent while the server stalls.
  const open = await latencyWith(200, 1);
  expect(open.count).toBeGreaterThan(150);
  // A third of the requests were meant to begin within the stall, and waited for half of it.
  expect(open.p90).toBeGreaterThan(150);
  expect(open.p50).toBeLessThan(150);
});

it("a closed loop cannot see it: it asked for one and waited", async () => {
  const closed = await latencyWith(null, 1);
  expect(closed.p90).toBeLessThan(50);
  expect(closed.max).toBeGreaterThan(250);
});
