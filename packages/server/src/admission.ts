import { BACKLOG_MS_MAX, BACKLOG_REQUESTS_MIN, BACKLOG_WINDOW_MS } from "@quorate/protocol";

/**
 * Whether one more request should wait, or is better refused at once (ADR 0025).
 *
 * What waits is answered in its order, so that a request waits for as long as it takes to answer
 * those before it. As many as were answered within the last one to two windows are room enough.
 * More may come at once and is taken in; when it stands for BACKLOG_MS_MAX, more is asked than can
 * be answered, and from then on there is room for one whenever one is answered. That ends when half
 * of the room is free.
 */
export class Admission {
  #windowSince = 0;
  #answered = 0;
  #answeredBefore = 0;
  #longSince: number | null = null;

  /** One that waited was answered. */
  answered(now: number): void {
    this.#roll(now);
    this.#answered += 1;
  }

  /** `waiting` are there without it. */
  admits(now: number, waiting: number): boolean {
    if (waiting < BACKLOG_REQUESTS_MIN / 2) {
      this.#longSince = null;
      return true;
    }
    this.#roll(now);
    const room = Math.max(BACKLOG_REQUESTS_MIN, this.#answered + this.#answeredBefore);
    if (waiting < room) {
      if (waiting < room / 2) this.#longSince = null;
      return true;
    }
    this.#longSince ??= now;
    return now - this.#longSince < BACKLOG_MS_MAX;
  }

  #roll(now: number): void {
    const windows = Math.floor((now - this.#windowSince) / BACKLOG_WINDOW_MS);
    if (windows <= 0) return;
    this.#answeredBefore = windows === 1 ? this.#answered : 0;
    this.#answered = 0;
    this.#windowSince += windows * BACKLOG_WINDOW_MS;
  }
}
