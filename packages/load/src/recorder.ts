import { build, type Histogram } from "hdr-histogram-js";
import { kindNames, type Kind } from "./order.js";

/** Latencies beyond it are counted as this long. */
const LATENCY_MS_MAX = 120_000;
const MICROS = 1000;

/** Where latencies lie, in milliseconds, within a thousandth of each. */
export interface Latency {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** What a load did within the measured time. */
export interface LoadReport {
  readonly seconds: number;
  /** Requests that were carried out: answered within the time, without an error. */
  readonly done: number;
  /** By kind: `set`, `get`, `create`, `delete`. */
  readonly doneByKind: Readonly<Record<string, number>>;
  /** Of those that were begun, or meant to begin, within the time. */
  readonly latencyMs: Latency;
  /** Of those with an error, where there were any. */
  readonly refusedLatencyMs: Latency;
  /** By name, within the measured time. */
  readonly errors: Readonly<Record<string, number>>;
  /** Requests of an open loop that were due and never sent, and of any without an answer. */
  readonly unsent: number;
  readonly unanswered: number;
  readonly connects: number;
}

/** Counts and latencies of the measured time. Times are in milliseconds, of one clock. */
export class Recorder {
  readonly #from: number;
  readonly #to: number;
  readonly #doneByKind = new Float64Array(kindNames.length);
  readonly #latency = histogram();
  readonly #refusedLatency = histogram();
  readonly #errors = new Map<string, number>();

  constructor(from: number, to: number) {
    this.#from = from;
    this.#to = to;
  }

  /** `startedAt` is when it was meant to start. Null: it was carried out. */
  answered(kind: Kind, startedAt: number, at: number, error: string | null): void {
    const isMeant = startedAt >= this.#from && startedAt < this.#to;
    const isAnsweredThen = at >= this.#from && at < this.#to;
    if (error === null) {
      if (isAnsweredThen) this.#doneByKind[kind] = (this.#doneByKind[kind] ?? 0) + 1;
      if (isMeant) this.#latency.recordValue(microsOf(at - startedAt));
      return;
    }
    if (isAnsweredThen) this.#errors.set(error, (this.#errors.get(error) ?? 0) + 1);
    if (isMeant) this.#refusedLatency.recordValue(microsOf(at - startedAt));
  }

  /** `endedAt` is the end of the measured time, or earlier. */
  report({
    endedAt,
    ...rest
  }: Pick<LoadReport, "unsent" | "unanswered" | "connects"> & {
    readonly endedAt: number;
  }): LoadReport {
    const doneByKind = Object.fromEntries(
      kindNames.map((name, kind) => [name, this.#doneByKind[kind] ?? 0] as const),
    );
    return {
      seconds: Math.max(0, endedAt - this.#from) / 1000,
      done: this.#doneByKind.reduce((sum, one) => sum + one, 0),
      doneByKind,
      latencyMs: latencyOf(this.#latency),
      refusedLatencyMs: latencyOf(this.#refusedLatency),
      errors: Object.fromEntries(this.#errors),
      ...rest,
    };
  }
}

function histogram(): Histogram {
  return build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: LATENCY_MS_MAX * MICROS,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 32,
    useWebAssembly: false,
  });
}

function microsOf(ms: number): number {
  return Math.min(LATENCY_MS_MAX * MICROS, Math.max(1, Math.round(ms * MICROS)));
}

function latencyOf(from: Histogram): Latency {
  const ms = (micros: number): number => micros / MICROS;
  const at = (percentile: number): number => ms(from.getValueAtPercentile(percentile));
  const isEmpty = from.totalCount === 0;
  return {
    count: from.totalCount,
    mean: isEmpty ? 0 : ms(from.mean),
    p50: at(50),
    p90: at(90),
    p99: at(99),
    p999: at(99.9),
    max: isEmpty ? 0 : ms(from.maxValue),
  };
}
