import type { Clock, Timer } from "@quorate/protocol";

/** The host's time and event loop. */
export function createClock(): Clock {
  return {
    now: () => performance.now(),
    wallTime: () => Date.now(),
    setTimer(ms, callback): Timer {
      const handle = setTimeout(callback, ms);
      return {
        cancel() {
          clearTimeout(handle);
        },
      };
    },
    // Runs after the arrivals of this turn have been read, before the loop waits for new ones.
    defer(callback) {
      setImmediate(callback);
    },
  };
}
