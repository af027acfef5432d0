import { setTimeout as pause } from "node:timers/promises";
import { Kind, Plan, type LoadConnection, type LoadSink } from "@quorate/load";
import type { WireProtocol } from "../contenders/contender.js";
import type { ErrandMessage, GapOrder, Notice } from "./errands.js";
import { openWriter } from "./writers.js";

/** After the first write that was begun behind a fault: another stall would show by then. */
const STEADY_MS = 1_500;
const RETRY_MS = 5;

/** The longest time without an acknowledged write around faults; pure, for its tests. */
export class GapMeter {
  #lastAt: number;
  #longest = 0;
  #faultAt: number | null = null;
  #firstAfterAt: number | null = null;

  constructor(now: number) {
    this.#lastAt = now;
  }

  fault(now: number): void {
    this.#faultAt = now;
    this.#firstAfterAt = null;
    this.#longest = 0;
    // A gap begins when writes could have been acknowledged and were not.
    this.#lastAt = now;
  }

  /** @returns the gap, once writes begun behind the fault have been answered for a while. */
  acknowledged(startedAt: number, at: number): number | null {
    if (this.#faultAt === null) return null;
    this.#longest = Math.max(this.#longest, at - this.#lastAt);
    this.#lastAt = at;
    if (this.#firstAfterAt === null && startedAt > this.#faultAt) this.#firstAfterAt = at;
    if (this.#firstAfterAt === null || at - this.#firstAfterAt < STEADY_MS) return null;
    this.#faultAt = null;
    return this.#longest;
  }
}

/** One write at a time on each connection, until it is told to stop. Tells each gap. */
export async function writeThroughFaults(
  protocol: WireProtocol,
  order: GapOrder,
  tell: (notice: Notice) => void,
): Promise<null> {
  const meter = new GapMeter(performance.now());
  const plan = new Plan({ workload: "set", keys: order.keys, keyChoice: "in-turn", seed: 1 });
  const connections: LoadConnection[] = [];
  let isStopped = false;
  const write = (index: number): void => {
    const connection = connections[index];
    if (connection?.isOpen !== true || connection.inFlight > 0 || isStopped) return;
    plan.advance();
    connection.send(Kind.set, plan.key, performance.now());
    connection.flush();
  };
  const sink: LoadSink = {
    opened: write,
    answered: (index, _kind, _key, startedAt, at, error) => {
      if (error !== null) {
        void pause(RETRY_MS).then(() => write(index));
        return;
      }
      const gap = meter.acknowledged(startedAt, at);
      if (gap !== null) tell({ kind: "gap", ms: gap });
      write(index);
    },
  };
  for (let index = 0; index < order.connections; index += 1) {
    connections.push(await openWriter(protocol, order, index, sink, 1));
    write(index);
  }
  const stopped = new Promise<void>((resolve) => {
    process.on("message", ({ kind }: ErrandMessage) => {
      if (kind === "fault") meter.fault(performance.now());
      else resolve();
    });
  });
  tell({ kind: "steady" });
  await stopped;
  isStopped = true;
  await Promise.all(connections.map((connection) => connection.close()));
  return null;
}
