import type { Clock } from "@quorate/protocol";
import { createClient, type ClientOptions, type QuorateClient } from "../src/index.js";

/** Real turns, and time that runs when told to: timers run at once when it does. */
export class TestClock implements Pick<Clock, "now" | "setTimer" | "defer"> {
  #now = 0;
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>();

  now = (): number => this.#now;
  defer = (callback: () => void): void => void setImmediate(callback);

  setTimer(ms: number, callback: () => void): { cancel(): void } {
    const timer = { at: this.#now + ms, callback };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#now = Math.max(this.#now, due.at);
      this.#timers.delete(due);
      due.callback();
    }
    this.#now = end;
  }
}

export function openClient(
  options: ClientOptions,
): QuorateClient & Disposable & { clock: TestClock } {
  const clock = new TestClock();
  const client = createClient(options, { ambient: { clock, random: () => 0 } });
  return { ...client, clock, [Symbol.dispose]: () => client.close() };
}
