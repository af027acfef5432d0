import type { LoadOrder, LoadReport, TreeOrder } from "@quorate/load";
import type { WireProtocol } from "../contenders/contender.js";

/** What the process of the load can be sent for, as JSON. */
export interface Errands {
  /** Makes the nodes of a load. */
  readonly prepare: { readonly order: TreeOrder; readonly result: null };
  readonly load: { readonly order: LoadOrder; readonly result: LoadResult };
  /** Tries all servers until a write is acknowledged. */
  readonly "first-write": { readonly order: FirstWriteOrder; readonly result: number };
  /** Writes on, while servers are killed. */
  readonly gap: { readonly order: GapOrder; readonly result: null };
  /** A few writes a second, each told by itself. */
  readonly probe: { readonly order: ProbeOrder; readonly result: readonly Probe[] };
  readonly watches: { readonly order: WatchesOrder; readonly result: readonly number[] };
}

export type ErrandName = keyof Errands;

export type Errand = {
  readonly [N in ErrandName]: {
    readonly name: N;
    readonly protocol: WireProtocol;
    readonly order: Errands[N]["order"];
  };
}[ErrandName];

export interface LoadResult extends LoadReport {
  /** Of the load itself, within the measured time. */
  readonly cpuSeconds: number;
}

export interface FirstWriteOrder {
  readonly servers: readonly string[];
  readonly path: string;
  readonly timeoutMs: number;
}

export interface GapOrder {
  readonly servers: readonly string[];
  readonly connections: number;
  readonly valueBytes: number;
  readonly root: string;
  readonly keys: number;
}

export interface ProbeOrder {
  readonly servers: readonly string[];
  readonly connections: number;
  readonly ratePerSecond: number;
  /** If it is not told to stop before. */
  readonly forMsMax: number;
  readonly root: string;
  readonly keys: number;
  readonly valueBytes: number;
}

/** One write: when it was meant to start, in microseconds of the system's clock, and how long. */
export interface Probe {
  readonly startedAt: number;
  readonly ms: number;
  readonly error: string | null;
}

export interface WatchesOrder {
  readonly servers: readonly string[];
  readonly watches: number;
  readonly repeats: number;
  readonly path: string;
}

/** What comes from the process of the load, besides its result. */
export type Notice =
  | { readonly kind: "window"; readonly edge: "begin" | "end" }
  /** A gap was measured, in milliseconds; the next fault may come. */
  | { readonly kind: "gap"; readonly ms: number }
  /** It is at work: what it waits for may happen. */
  | { readonly kind: "steady" };

export type Message =
  | Notice
  | { readonly kind: "result"; readonly result: unknown }
  | { readonly kind: "failed"; readonly text: string };

/** What goes to it: a fault comes now; or it was the last one, and its errand is done. */
export interface ErrandMessage {
  readonly kind: "fault" | "stop";
}
