import type { Clock, Timer } from "@quorate/protocol";

/**
 * One timer for deadlines that move all the time, as every packet moves them. It is armed anew only
 * for an earlier one; when it comes too early it looks again.
 */
export class LazyTimer {
  readonly #clock: Clock;
  readonly #dueAt: () => number;
  readonly #expired: () => void;
  #timer: Timer | null = null;
  #armedFor = Number.POSITIVE_INFINITY;

  /** `dueAt` is the nearest deadline as it is now, infinite for none. */
  constructor(clock: Clock, dueAt: () => number, expired: () => void) {
    this.#clock = clock;
    this.#dueAt = dueAt;
    this.#expired = expired;
  }

  /** There may be an earlier deadline than before. */
  arm(): void {
    const dueAt = this.#dueAt();
    if (dueAt >= this.#armedFor) return;
    this.#timer?.cancel();
    this.#armedFor = dueAt;
    this.#timer = this.#clock.setTimer(Math.max(0, dueAt - this.#clock.now()), () => this.#look());
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#armedFor = Number.POSITIVE_INFINITY;
  }

  #look(): void {
    this.#timer = null;
    this.#armedFor = Number.POSITIVE_INFINITY;
    if (this.#dueAt() <= this.#clock.now()) this.#expired();
    else this.arm();
  }
}
