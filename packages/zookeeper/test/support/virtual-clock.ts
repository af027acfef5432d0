import type { Clock, Timer } from "@quorate/protocol";

interface Waiting {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Time that a test moves. */
export class VirtualClock implements Clock {
  #now = 1_000;
  #order = 0;
  #timers: Waiting[] = [];
  #deferred: (() => void)[] = [];

  now(): number {
    return this.#now;
  }

  wallTime(): number {
    return 1_700_000_000_000 + this.#now;
  }

  setTimer(ms: number, callback: () => void): Timer {
    const waiting = { at: this.#now + ms, order: (this.#order += 1), callback };
    this.#timers.push(waiting);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((one) => one !== waiting);
      },
    };
  }

  defer(callback: () => void): void {
    this.#deferred.push(callback);
  }

  get timerCount(): number {
    return this.#timers.length;
  }

  /** One turn: what was deferred before it. False when there was nothing. */
  turn(): boolean {
    const due = this.#deferred;
    this.#deferred = [];
    for (const callback of due) callback();
    return due.length > 0;
  }

  /** Turns until nothing is deferred. */
  settle(): void {
    for (let turns = 0; this.turn(); turns += 1) {
      if (turns > 10_000) throw new Error("it never settles");
    }
  }

  /** Lets time pass, timer by timer. */
  advance(ms: number): void {
    const end = this.#now + ms;
    this.settle();
    for (;;) {
      const due = this.#timers
        .filter(({ at }) => at <= end)
        .sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((one) => one !== due);
      this.#now = Math.max(this.#now, due.at);
      due.callback();
      this.settle();
    }
    this.#now = end;
  }
}
