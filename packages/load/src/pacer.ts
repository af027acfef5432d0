/** Arrivals of an open loop come together once in so many milliseconds: a timer's grain. */
export const BEAT_MS = 1;

/**
 * When the requests of an open loop are meant to start: at a fixed rate, all of one beat together.
 * A late beat changes nothing about what was meant, so that whoever measures from there counts the
 * time in which a stalled server, or a stalled generator, let requests wait: no coordinated
 * omission.
 */
export class Pacer {
  readonly #perBeat: number;
  readonly #startedAt: number;

  constructor(ratePerSecond: number, startedAt: number) {
    this.#perBeat = (ratePerSecond * BEAT_MS) / 1000;
    this.#startedAt = startedAt;
  }

  /** Requests that were meant to start by then, from the first. */
  dueAt(now: number): number {
    const beats = Math.floor((now - this.#startedAt) / BEAT_MS);
    return beats < 0 ? 0 : this.#dueAfter(beats + 1);
  }

  /** When request `index`, from 0, was meant to start. */
  intendedAt(index: number): number {
    let beat = Math.max(0, Math.floor(index / this.#perBeat) - 1);
    while (this.#dueAfter(beat + 1) <= index) beat += 1;
    return this.#startedAt + beat * BEAT_MS;
  }

  #dueAfter(beats: number): number {
    // A rate like 0.1 a beat adds up: without it, the tenth beat would still be short of one.
    return Math.floor(beats * this.#perBeat + 1e-9);
  }
}
