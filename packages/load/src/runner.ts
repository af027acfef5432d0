import { setTimeout as pause } from "node:timers/promises";
import type { LoadConnection, LoadSink } from "./connection.js";
import type { Kind, LoadOrder } from "./order.js";
import { BEAT_MS, Pacer } from "./pacer.js";
import { Plan } from "./plan.js";
import { Recorder, type LoadReport } from "./recorder.js";

/** After the measured time: what is in flight is answered, or it is told. */
const DRAIN_MS = 5_000;
const DRAIN_POLL_MS = 5;
const PROGRESS_MS = 500;

export interface RunHooks {
  /** How long connections may take to find a server. */
  readonly openMs?: number;
  /** Ends the load early; what was measured is reported as if the time had been up. */
  readonly signal?: AbortSignal;
  /** The measured time begins, and ends. Whatever costs time there is measured too. */
  readonly onWindow?: (edge: "begin" | "end") => void;
  readonly onProgress?: (answered: number, elapsedMs: number) => void;
}

export type RunOrder = Pick<
  LoadOrder,
  | "workload"
  | "keys"
  | "keyChoice"
  | "seed"
  | "outstanding"
  | "ratePerSecond"
  | "requests"
  | "warmUpMs"
  | "measureMs"
>;

/** Drives connections of any protocol through an order, and measures. */
export class LoadRunner implements LoadSink {
  /** Nodes that the load created and did not delete. */
  readonly plan: Plan;
  readonly #order: RunOrder;
  readonly #connections: LoadConnection[] = [];
  #recorder: Recorder | null = null;
  #pacer: Pacer | null = null;
  #issued = 0;
  #answered = 0;
  #connects = 0;
  #turn = 0;
  #isRunning = false;
  /** All that may be asked for has been answered. */
  #onFinished: (() => void) | null = null;

  constructor(order: RunOrder) {
    this.#order = order;
    this.plan = new Plan(order);
  }

  /** Takes connections whose `index` is their place; they report to this. */
  attach(connection: LoadConnection): void {
    this.#connections.push(connection);
  }

  get #inFlight(): number {
    return this.#connections.reduce((sum, { inFlight }) => sum + inFlight, 0);
  }

  async run(hooks: RunHooks = {}): Promise<LoadReport> {
    const { warmUpMs, measureMs, ratePerSecond } = this.#order;
    const startedAt = performance.now();
    const from = startedAt + warmUpMs;
    const to = from + measureMs;
    const recorder = new Recorder(from, to);
    this.#recorder = recorder;
    const finished = new AbortController();
    this.#onFinished = () => finished.abort();
    const { signal = finished.signal } = hooks;
    const ends = AbortSignal.any([signal, finished.signal]);
    if (ratePerSecond !== null) this.#pacer = new Pacer(ratePerSecond, startedAt);
    this.#isRunning = true;
    const progress = setInterval(
      () => hooks.onProgress?.(this.#answered, performance.now() - startedAt),
      PROGRESS_MS,
    );
    try {
      this.#begin();
      await this.#until(from, ends);
      hooks.onWindow?.("begin");
      await this.#until(to, ends);
      hooks.onWindow?.("end");
    } finally {
      clearInterval(progress);
      this.#isRunning = false;
    }
    const endedAt = Math.min(to, performance.now());
    await this.#drain();
    const unsent = Math.max(0, (this.#pacer?.dueAt(endedAt) ?? 0) - this.#issued);
    return recorder.report({
      endedAt,
      unsent,
      unanswered: this.#inFlight,
      connects: this.#connects,
    });
  }

  opened(index: number): void {
    this.#connects += 1;
    if (!this.#isRunning || this.#pacer !== null) return;
    this.#fill(index);
  }

  answered(
    index: number,
    kind: Kind,
    key: number,
    startedAt: number,
    at: number,
    error: string | null,
  ): void {
    this.#answered += 1;
    this.plan.answered(kind, key, error);
    this.#recorder?.answered(kind, startedAt, at, error);
    if (this.#answered === this.#order.requests) this.#onFinished?.();
    const connection = this.#connections[index];
    if (!this.#isRunning || connection?.isOpen !== true) return;
    if (this.#pacer === null) this.#send(connection, at);
    else if (this.#issued < this.#pacer.dueAt(at)) this.#sendDue(connection, this.#pacer);
  }

  #begin(): void {
    if (this.#pacer === null) {
      for (const index of this.#connections.keys()) this.#fill(index);
      return;
    }
    const beat = (): void => {
      if (!this.#isRunning) return;
      this.#pump();
      setTimeout(beat, BEAT_MS);
    };
    beat();
  }

  /** A closed loop: as many as may be outstanding. */
  #fill(index: number): void {
    const connection = this.#connections[index];
    if (connection?.isOpen !== true) return;
    const now = performance.now();
    for (let i = connection.inFlight; i < this.#order.outstanding; i += 1) {
      this.#send(connection, now);
    }
    connection.flush();
  }

  /** An open loop: all that is due, for as long as there is a connection with room. */
  #pump(): void {
    const pacer = this.#pacer;
    if (pacer === null) return;
    const due = pacer.dueAt(performance.now());
    const count = this.#connections.length;
    let without = 0;
    while (this.#issued < due && without < count) {
      const connection = this.#connections[this.#turn];
      this.#turn = (this.#turn + 1) % count;
      if (connection?.isOpen !== true || connection.inFlight >= this.#order.outstanding) {
        without += 1;
        continue;
      }
      without = 0;
      this.#sendDue(connection, pacer);
    }
    for (const connection of this.#connections) connection.flush();
  }

  #sendDue(connection: LoadConnection, pacer: Pacer): void {
    const intendedAt = pacer.intendedAt(this.#issued);
    this.#issued += 1;
    this.#send(connection, intendedAt);
  }

  #send(connection: LoadConnection, startedAt: number): void {
    if (this.#pacer === null) {
      if (this.#issued === this.#order.requests) return;
      this.#issued += 1;
    }
    this.plan.advance();
    connection.send(this.plan.kind, this.plan.key, startedAt);
  }

  async #until(at: number, signal: AbortSignal): Promise<void> {
    try {
      await pause(Math.max(0, at - performance.now()), undefined, { signal });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #drain(): Promise<void> {
    const deadline = performance.now() + DRAIN_MS;
    while (this.#inFlight > 0 && performance.now() < deadline) await pause(DRAIN_POLL_MS);
  }
}
