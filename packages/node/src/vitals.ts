import { monitorEventLoopDelay, type IntervalHistogram } from "node:perf_hooks";
import type { Clock, Meter } from "@quorate/protocol";

/** What is told covers the last one to two spans. */
export const VITALS_SPAN_MS = 10_000;
/** Commits kept of one span: the newest; earlier ones are counted only. */
const SAMPLES_MAX = 2000;
/** Between two looks at the event loop. The delays below are what came on top of it. */
const RESOLUTION_MS = 20;
const NANOSECONDS = 1e6;

/** How disk and event loop fared of late; milliseconds. */
export interface VitalsDocument {
  /** Transactions of the log with their sync, as its thread measured them. Null without any. */
  readonly logCommitMs: {
    readonly count: number;
    readonly p50: number;
    readonly p99: number;
    readonly max: number;
  } | null;
  /** How long the event loop did not come round. */
  readonly loopDelayMs: { readonly p99: number; readonly max: number };
}

interface LoopDelay {
  readonly p99: number;
  readonly max: number;
}

/** Watches the meter's commits and the event loop for the status document. */
export class Vitals {
  readonly meter: Meter;
  readonly #clock: Pick<Clock, "setTimer">;
  readonly #loop: IntervalHistogram;
  #commits = new Samples();
  #earlierCommits = new Samples();
  #earlierLoop: LoopDelay = { p99: 0, max: 0 };
  #timer: { cancel(): void };

  /** Everything measured goes on to `inner`. */
  constructor(inner: Meter, clock: Pick<Clock, "setTimer">) {
    this.#clock = clock;
    this.#loop = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    this.#loop.enable();
    this.meter = {
      count: (name, by) => inner.count(name, by),
      gauge: (name, value) => inner.gauge(name, value),
      observe: (name, value) => {
        if (name === "log_commit_ms") this.#commits.add(value);
        inner.observe(name, value);
      },
    };
    this.#timer = clock.setTimer(VITALS_SPAN_MS, () => this.#turn());
  }

  document(): VitalsDocument {
    const { values: earlier, count } = this.#earlierCommits;
    const commits = [...earlier, ...this.#commits.values].sort((a, b) => a - b);
    const now = this.#loopDelay();
    return {
      logCommitMs:
        commits.length === 0
          ? null
          : {
              count: count + this.#commits.count,
              p50: rounded(quantile(commits, 0.5)),
              p99: rounded(quantile(commits, 0.99)),
              max: rounded(commits.at(-1) ?? 0),
            },
      loopDelayMs: {
        p99: rounded(Math.max(now.p99, this.#earlierLoop.p99)),
        max: rounded(Math.max(now.max, this.#earlierLoop.max)),
      },
    };
  }

  close(): Promise<void> {
    this.#timer.cancel();
    this.#loop.disable();
    return Promise.resolve();
  }

  #turn(): void {
    this.#timer = this.#clock.setTimer(VITALS_SPAN_MS, () => this.#turn());
    this.#earlierCommits = this.#commits;
    this.#commits = new Samples();
    this.#earlierLoop = this.#loopDelay();
    this.#loop.reset();
  }

  #loopDelay(): LoopDelay {
    const above = (nanoseconds: number): number =>
      Math.max(0, nanoseconds / NANOSECONDS - RESOLUTION_MS);
    // Before the first look it says 0.
    return { p99: above(this.#loop.percentile(99)), max: above(this.#loop.max) };
  }
}

class Samples {
  readonly values: number[] = [];
  count = 0;

  add(value: number): void {
    this.values[this.count % SAMPLES_MAX] = value;
    this.count += 1;
  }
}

/** Of ascending values. */
function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * q) - 1)] ?? 0;
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
