import type { Traced } from "./profile/profile-report.js";
import type { MetricKey } from "./rows.js";

/** What one measurement of a row gave. Some rows give several values of a figure at once. */
export interface Measurement {
  readonly row: string;
  readonly contender: string;
  readonly round: number;
  readonly values: Partial<Record<MetricKey, readonly number[]>>;
  /** By name; without an entry for what did not happen. */
  readonly errors: Readonly<Record<string, number>>;
  /** What a reader must know of it, in a sentence each. */
  readonly notes: readonly string[];
  /** What a profile of it is to be looked at for; absent where nothing is profiled. */
  readonly traced?: Traced;
}

export type Measured = Pick<Measurement, "values" | "errors" | "notes" | "traced">;

/** How it is measured, for all rows. */
export interface Pace {
  readonly warmUpMs: number;
  readonly measureMs: number;
  /** Of `kill-leader` and of `cold-start`, in one round. */
  readonly kills: number;
  readonly starts: number;
  readonly notifications: number;
}
