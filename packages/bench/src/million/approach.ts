import type { Window } from "./target.js";

/** So many sets were done at that time, ms since 1970. */
export interface Mark {
  readonly at: number;
  readonly sets: number;
}

/**
 * How many sets will have been done when the first server begins its next checkpoint. It follows
 * from the bytes of its log, so as many lie between its last two as between the last and the next.
 * Null unless each server has written two.
 * @param marks In the order of time, from before the first of these checkpoints on.
 */
export function nextCheckpoint(
  servers: readonly number[],
  windows: readonly Window[],
  marks: readonly Mark[],
): number | null {
  let next = Infinity;
  for (const server of servers) {
    const starts = windows.filter((one) => one.server === server).map(({ from }) => from);
    const [last, before] = starts.sort((a, b) => b - a);
    if (last === undefined || before === undefined) return null;
    const sets = setsAt(marks, last);
    next = Math.min(next, sets + (sets - setsAt(marks, before)));
  }
  return Number.isFinite(next) ? next : null;
}

function setsAt(marks: readonly Mark[], time: number): number {
  return marks.findLast(({ at }) => at <= time)?.sets ?? 0;
}

/**
 * Whether each server is known to have begun one after that time. Quorate's tell of it when they
 * have ended it, ZooKeeper's when they begin.
 */
export function allWroteOne(
  servers: readonly number[],
  windows: readonly Window[],
  since: number,
): boolean {
  return servers.every((server) =>
    windows.some((one) => one.server === server && one.from >= since),
  );
}
