import { EventHeap, type SimEvent } from "./event-heap.js";
import { canDrainSynchronously, drainMicrotasks } from "./microtasks.js";
import { Trace } from "./trace.js";

/** More events than this in one virtual instant are an endless loop, not a busy moment. */
const EVENTS_PER_INSTANT_MAX = 200_000;
/** Events in one slice of the real event loop, so that the test runner's own timers live. */
const EVENTS_PER_SLICE = 20_000;

export interface ScheduledEvent {
  /** Idempotent. */
  cancel(): void;
}

/**
 * The only source of time in a run. Events happen earliest first, ties in the order in which they
 * were scheduled, and all promises settle between two events: an `await` can reorder nothing.
 */
export class Scheduler {
  readonly trace: Trace;
  readonly #heap = new EventHeap();
  #nowUs = 0;
  #sequence = 0;
  #executed = 0;
  #inInstant = 0;
  #stopped = false;

  constructor(trace: Trace = new Trace()) {
    this.trace = trace;
  }

  /** Virtual milliseconds since the start of the run. */
  get nowMs(): number {
    return this.#nowUs / 1000;
  }

  get nowUs(): number {
    return this.#nowUs;
  }

  get executed(): number {
    return this.#executed;
  }

  get pending(): number {
    return this.#heap.size;
  }

  /** Calls back after `delayMs` (0 or more) of virtual time; never synchronously. */
  after(delayMs: number, label: string, run: () => void): ScheduledEvent {
    const event: SimEvent = {
      atUs: this.#nowUs + Math.max(0, Math.round(delayMs * 1000)),
      sequence: this.#sequence,
      label,
      run,
    };
    this.#sequence += 1;
    this.#heap.push(event);
    return { cancel: () => void (event.run = null) };
  }

  /** Resolves after `delayMs` of virtual time; for scripts outside the nodes. */
  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(delayMs, "sleep", resolve);
    });
  }

  /** Ends the current run after the event that calls this. */
  stop(): void {
    this.#stopped = true;
  }

  /** Runs until `untilMs`, the last event, or `stop`. Rejects with what an event threw. */
  run(untilMs: number): Promise<void> {
    this.#stopped = false;
    const untilUs = Math.round(untilMs * 1000);
    return new Promise((resolve, reject) => {
      const slice = (): void => {
        try {
          if (this.#runSlice(untilUs)) resolve();
          else setImmediate(slice);
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      setImmediate(() => {
        if (canDrainSynchronously()) slice();
        else this.#runByTurns(untilUs).then(resolve, reject);
      });
    });
  }

  /** True when the run is over. */
  #runSlice(untilUs: number): boolean {
    drainMicrotasks();
    for (let i = 0; i < EVENTS_PER_SLICE; i += 1) {
      if (!this.#step(untilUs)) return true;
      drainMicrotasks();
    }
    return false;
  }

  async #runByTurns(untilUs: number): Promise<void> {
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    await turn();
    while (this.#step(untilUs)) await turn();
  }

  #step(untilUs: number): boolean {
    if (this.#stopped) return false;
    let event = this.#heap.peek();
    while (event !== undefined && event.run === null) {
      this.#heap.pop();
      event = this.#heap.peek();
    }
    if (event === undefined || event.atUs > untilUs) {
      this.#nowUs = Math.max(this.#nowUs, untilUs);
      return false;
    }
    this.#heap.pop();
    this.#inInstant = event.atUs === this.#nowUs ? this.#inInstant + 1 : 0;
    if (this.#inInstant > EVENTS_PER_INSTANT_MAX) {
      throw new Error(`time stands still at ${this.nowMs} ms in "${event.label}"`);
    }
    this.#nowUs = event.atUs;
    this.#executed += 1;
    this.trace.event(event.atUs, event.label);
    const run = event.run;
    event.run = null;
    run?.();
    return true;
  }
}
