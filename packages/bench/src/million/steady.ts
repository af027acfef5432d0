import { setTimeout as pause } from "node:timers/promises";
import { ZkError, ZkOp } from "@quorate/zookeeper";
import { distributionOf, type Distribution } from "../distribution.js";
import { seededRandom } from "@quorate/load";
import type { PipelinedClient } from "./pipelined-client.js";
import type { Window } from "./target.js";
import { dataOf, pathOf, type TreeShape } from "./tree.js";

export interface SteadyOptions extends TreeShape {
  /** Sets per second, of nodes drawn at random. */
  readonly rate: number;
  readonly seconds: number;
}

/** One set: when it was due, ms since 1970, and how long after that its answer came. */
export interface Sample {
  readonly at: number;
  readonly ms: number;
  readonly isDone: boolean;
}

const SEED = 20_000;

/**
 * Sets that come at their times, whether or not those before are answered; the time of each counts
 * from when it was due, so that a server which stands still is seen by all that wait for it.
 */
export async function setSteadily(
  clients: readonly PipelinedClient[],
  { count, bytes, rate, seconds }: SteadyOptions,
): Promise<readonly Sample[]> {
  const data = dataOf(bytes);
  const random = seededRandom(SEED);
  const samples: Sample[] = [];
  const open = new Set<Promise<void>>();
  const from = performance.now();
  const set = async (i: number): Promise<void> => {
    const due = from + (i * 1000) / rate;
    const path = pathOf(Math.floor(random() * count));
    const err = await clients[i % clients.length]?.ask(ZkOp.setData, { path, data, version: -1 });
    const at = performance.timeOrigin + due;
    samples.push({ at, ms: performance.now() - due, isDone: err === ZkError.ok });
  };
  for (let asked = 0; asked < rate * seconds;) {
    const due = Math.min(rate * seconds, ((performance.now() - from) * rate) / 1000);
    for (; asked < due; asked += 1) {
      const one = set(asked);
      open.add(one);
      const forget = (): boolean => open.delete(one);
      one.then(forget, forget);
    }
    await pause(1);
  }
  await Promise.all(open);
  return samples;
}

export interface SteadyLatency {
  readonly without: Distribution;
  /** Of what was due while a server wrote a checkpoint. */
  readonly during: Distribution;
  /** Sets that were refused, or whose connection was lost. */
  readonly failed: number;
  readonly checkpoints: number;
  /** Of the longest one. */
  readonly checkpointMs: number;
}

export function latencyOf(samples: readonly Sample[], windows: readonly Window[]): SteadyLatency {
  const isWithin = ({ at }: Sample): boolean =>
    windows.some(({ from, to }) => at >= from && at <= to);
  const ms = (some: readonly Sample[]): Distribution => distributionOf(some.map((one) => one.ms));
  return {
    without: ms(samples.filter((sample) => !isWithin(sample))),
    during: ms(samples.filter(isWithin)),
    failed: samples.filter(({ isDone }) => !isDone).length,
    checkpoints: windows.length,
    checkpointMs: Math.round(Math.max(0, ...windows.map(({ from, to }) => to - from))),
  };
}
