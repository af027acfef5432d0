import type { LookupFunction } from "node:net";
import type { Clock } from "@quorate/protocol";
import {
  createClient,
  type ClientDeps,
  type ClientOptions,
  type QuorateClient,
} from "../src/index.js";
import { until } from "./fake-endpoint.js";

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

  get timerCount(): number {
    return this.#timers.size;
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
  deps: ClientDeps = {},
): QuorateClient & Disposable & { clock: TestClock } {
  const clock = new TestClock();
  const client = createClient(options, { ...deps, ambient: { clock, random: () => 0 } });
  return Object.assign(client, { clock, [Symbol.dispose]: () => client.close() });
}

/** Lets the client's time pass in steps, a turn or more each, until `condition` holds. */
export async function passUntil(
  { clock }: { readonly clock: TestClock },
  condition: () => boolean,
  stepMs: number,
): Promise<void> {
  await until(() => {
    clock.advance(stepMs);
    return condition();
  });
}

/** A name service with one address, which may move, and how often each name was asked for. */
export class FakeNames {
  readonly asked: string[] = [];
  address = "127.0.0.1";

  readonly lookup: LookupFunction = (name, { all }, callback) => {
    this.asked.push(name);
    const { address } = this;
    setImmediate(() => {
      if (all === true) callback(null, [{ address, family: 4 }]);
      else callback(null, address, 4);
    });
  };
}
