/** Time and turns. The only way in which drivers learn of either. */
export interface Clock {
  /** Monotonic milliseconds from an arbitrary start. Never goes back. */
  now(): number;
  /** Milliseconds since 1970, as the host believes. May jump; never used for an order. */
  wallTime(): number;
  /** Calls back once after at least `ms`. Never synchronously. */
  setTimer(ms: number, callback: () => void): Timer;
  /** Calls back once, after what runs now and the arrivals already read. Never synchronously. */
  defer(callback: () => void): void;
}

export interface Timer {
  /** Idempotent; after it the callback does not run. */
  cancel(): void;
}
