import type { Clock, Timer } from "@quorate/protocol";
import type { Deadline } from "./deadlines.js";

/**
 * One timer for deadlines that move all the time, as every packet moves them. It is armed anew only
 * for an earlier one; when it comes too early it looks again.
 */
export class LazyTimer {
  readonly #clock: Clock;
  readonly #deadline: () => Deadline | null;
  readonly #expired: (reason: string) => void;
  #timer: Timer | null = null;
  #armedFor = Number.POSITIVE_INFINITY;

  /** `deadline` is the nearest as it is now. */
  constructor(clock: Clock, deadline: () => Deadline | null, expired: (reason: string) => void) {
    this.#clock = clock;
    this.#deadline = deadline;
    this.#expired = expired;
  }

  /** There may be an earlier deadline than before. */
  arm(): void {
    const dueAt = this.#deadline()?.at ?? Number.POSITIVE_INFINITY;
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
    const deadline = this.#deadline();
    if (deadline === null) return;
    if (deadline.at <= this.#clock.now()) this.#expired(deadline.reason);
    else this.arm();
  }
}
