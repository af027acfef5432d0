import { BACKLOG_MS_MAX, BACKLOG_REQUESTS_MIN, BACKLOG_WINDOW_MS } from "@quorate/protocol";
import { describe, expect, test } from "vitest";
import { Admission } from "../src/admission.js";

/** Arrivals and answers at fixed rates, a millisecond at a time. */
class Line {
  readonly #admission = new Admission();
  now = 0;
  waiting = 0;
  waitingMost = 0;
  refused = 0;

  run(ms: number, rates: { readonly asked: number; readonly answered: number }): this {
    let asked = 0;
    let answered = 0;
    for (let i = 0; i < ms; i += 1) {
      this.now += 1;
      answered += rates.answered / 1000;
      for (; answered >= 1 && this.waiting > 0; answered -= 1) {
        this.waiting -= 1;
        this.#admission.answered(this.now);
      }
      answered = Math.min(answered, 1);
      for (asked += rates.asked / 1000; asked >= 1; asked -= 1) this.ask();
      this.waitingMost = Math.max(this.waitingMost, this.waiting);
    }
    return this;
  }

  ask(): boolean {
    const isAdmitted = this.#admission.admits(this.now, this.waiting);
    if (isAdmitted) this.waiting += 1;
    else this.refused += 1;
    return isAdmitted;
  }
}

const RATE = 8_000;
const overload = { asked: RATE * 3, answered: RATE };

describe("whether a request is let in", () => {
  test("always, while as many are answered as are asked for", () => {
    const line = new Line().run(10_000, { asked: RATE, answered: RATE });
    expect(line.refused).toBe(0);
  });

  test("refuses what cannot be answered, and keeps no more than two windows' work", () => {
    const line = new Line().run(2_000, overload);
    line.waitingMost = 0;
    line.refused = 0;
    line.run(5_000, overload);
    expect(line.waitingMost).toBeLessThanOrEqual((RATE * 2 * BACKLOG_WINDOW_MS) / 1000);
    // What is answered is let in, no less: nothing idles for it.
    expect(line.waiting).toBeGreaterThanOrEqual(BACKLOG_REQUESTS_MIN / 2);
    expect(line.refused).toBeGreaterThan(RATE * 2 * 4.9);
    expect(line.refused).toBeLessThan(RATE * 2 * 5.1);
  });

  test("lets in what comes at once, however much, when it does not last", () => {
    const line = new Line();
    for (let i = 0; i < BACKLOG_REQUESTS_MIN * 10; i += 1) line.ask();
    line.run(BACKLOG_MS_MAX - 1, { asked: 1000, answered: RATE });
    expect(line.refused).toBe(0);
    line.run(BACKLOG_MS_MAX, { asked: 1000, answered: RATE });
    expect(line.refused).toBeGreaterThan(0);
  });

  test("lets everything in again once half of the room is free", () => {
    const line = new Line().run(3_000, overload);
    line.run(400, { asked: 0, answered: RATE });
    line.refused = 0;
    for (let i = 0; i < BACKLOG_REQUESTS_MIN * 3; i += 1) line.ask();
    expect(line.refused).toBe(0);
  });

  test("never keeps few from waiting, whatever is answered", () => {
    const line = new Line();
    for (let i = 0; i < BACKLOG_REQUESTS_MIN; i += 1) line.ask();
    line.run(10_000, { asked: 0, answered: 0 });
    expect(line.ask()).toBe(true);
    line.now += BACKLOG_MS_MAX;
    expect(line.ask()).toBe(false);
    line.run(1, { asked: 0, answered: 1000 });
    expect([line.waiting, line.ask()]).toEqual([BACKLOG_REQUESTS_MIN, false]);
    line.run(1, { asked: 0, answered: 1000 });
    expect(line.ask()).toBe(true);
  });
});
