import type { Clock, Random, Timer } from "@quorate/protocol";

interface Task {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** Time that moves only when told to. Equal times run in the order in which they were set. */
export class VirtualClock implements Clock {
  #now = 0;
  #order = 0;
  #tasks: Task[] = [];

  now(): number {
    return this.#now;
  }

  wallTime(): number {
    return this.#now;
  }

  setTimer(ms: number, callback: () => void): Timer {
    const task = { at: this.#now + ms, order: (this.#order += 1), run: callback };
    this.#tasks.push(task);
    return { cancel: () => (this.#tasks = this.#tasks.filter((other) => other !== task)) };
  }

  defer(callback: () => void): void {
    this.setTimer(0, callback);
  }

  /** Runs what is due up to `ms` from now, draining promises after each step. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      this.#tasks.sort((a, b) => a.at - b.at || a.order - b.order);
      const next = this.#tasks[0];
      if (next === undefined || next.at > end) break;
      this.#tasks.shift();
      this.#now = next.at;
      next.run();
      await drainPromises();
    }
    this.#now = end;
    await drainPromises();
  }
}

/** Lets every promise that can settle do so. */
export async function drainPromises(): Promise<void> {
  for (let turn = 0; turn < 8; turn += 1) await Promise.resolve();
}

/** Seeded, so that one number reproduces a run (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next32 = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return {
    next: () => next32() / 2 ** 32,
    nextUint64: () => (BigInt(next32()) << 32n) | BigInt(next32()),
  };
}
