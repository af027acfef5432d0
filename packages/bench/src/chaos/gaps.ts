import { setTimeout as pause } from "node:timers/promises";
import type { ProcessEnsemble, WriteLoad } from "@quorate/testkit/processes";

/** A step that takes longer than this hangs. */
const HANG_MS = 30_000;

export async function within<T>(work: Promise<T>, what: string): Promise<T> {
  const abort = new AbortController();
  const late = pause(HANG_MS, undefined, { signal: abort.signal }).then(() => {
    throw new Error(`${what} took longer than ${HANG_MS} ms`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    abort.abort();
    late.catch(() => undefined);
  }
}

/**
 * The longest time without any acknowledged write, over all clients, from the fault until writes
 * that were asked for after it have been acknowledged for a while.
 */
export async function writeGap(
  load: WriteLoad,
  fault: () => void | Promise<unknown>,
  what: string,
): Promise<number> {
  const acknowledged: number[] = [];
  const stop = load.watch(({ at }) => acknowledged.push(at));
  await within(load.more(20), "writes before the fault");
  const faultAt = performance.now();
  const faulted = fault();
  await within(
    load.next(({ from }) => from > faultAt),
    `the first write after ${what}`,
  );
  await faulted;
  await within(load.more(50), `writes after ${what}`);
  stop();
  let gap = 0;
  for (const [i, at] of acknowledged.entries()) {
    if (at > faultAt) gap = Math.max(gap, at - (acknowledged[i - 1] ?? faultAt));
  }
  return gap;
}

export function others(ensemble: ProcessEnsemble, id: number): number[] {
  return ensemble.ids.filter((other) => other !== id);
}
