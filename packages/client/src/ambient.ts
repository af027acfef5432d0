import type { Clock } from "@quorate/protocol";

/** Time, turns and chance, as a program or a page has them. */
export interface Ambient {
  readonly clock: Pick<Clock, "now" | "setTimer" | "defer">;
  /** Uniform in [0, 1): where to begin among the servers, and jitter. */
  readonly random: () => number;
}

// In Node it runs when the arrivals of this turn are read; a browser has nothing closer than 0 ms.
const defer: (callback: () => void) => void =
  typeof setImmediate === "function"
    ? (callback) => void setImmediate(callback)
    : (callback) => void setTimeout(callback, 0);

export const realAmbient: Ambient = {
  clock: {
    now: () => performance.now(),
    setTimer(ms, callback) {
      const timer = setTimeout(callback, ms);
      return { cancel: () => clearTimeout(timer) };
    },
    defer,
  },
  random: () => Math.random(),
};
