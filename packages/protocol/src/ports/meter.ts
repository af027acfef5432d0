/** Counts and observations; names carry their unit (`fsync_ms`, `peer_sent_bytes`). */
export interface Meter {
  count(name: string, by?: number): void;
  /** Adds one observation to a distribution. */
  observe(name: string, value: number): void;
  /** Sets a level. */
  gauge(name: string, value: number): void;
}

const nothing = (): void => undefined;
export const silentMeter: Meter = { count: nothing, observe: nothing, gauge: nothing };
