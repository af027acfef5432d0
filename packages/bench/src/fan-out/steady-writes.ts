import type { QuorateClient } from "@quorate/client";

export interface SteadyWrites {
  /** Writes per second. */
  readonly rate: number;
  readonly seconds: number;
  /** Of each write. */
  readonly bytes: number;
}

/** Writes that are asked for together, so that the rate is kept on a busy machine. */
const TICK_MS = 50;

/** Sets one node again and again; @returns how many times, all of them acknowledged. */
export async function writeSteadily(
  client: QuorateClient,
  path: string,
  { rate, seconds, bytes }: SteadyWrites,
): Promise<number> {
  const data = new Uint8Array(bytes).fill(120);
  const goal = rate * seconds;
  const from = performance.now();
  const open = new Set<Promise<unknown>>();
  for (let asked = 0; asked < goal;) {
    const due = Math.min(goal, Math.ceil(((performance.now() - from) / 1000) * rate));
    for (; asked < due; asked += 1) {
      const write = client.set(path, data);
      open.add(write);
      void write.finally(() => open.delete(write));
    }
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  await Promise.all(open);
  return goal;
}
