import { readdirSync, readFileSync } from "node:fs";

/** CPU time of each thread of a process so far, in microseconds, by the system's thread ids. */
export type ThreadCpu = ReadonlyMap<number, number>;

/** Linux only. A thread that ends meanwhile is left out. */
export function threadCpuOf(pid: number): ThreadCpu {
  const times = new Map<number, number>();
  for (const thread of readdirSync(`/proc/${pid}/task`).map(Number)) {
    const micros = microsOf(pid, thread);
    if (micros !== null) times.set(thread, micros);
  }
  return times;
}

function microsOf(pid: number, thread: number): number | null {
  try {
    // Nanoseconds on a processor come first.
    const [nanos] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ");
    return Number(nanos) / 1000;
  } catch {
    // It has ended since its name was read.
    return null;
  }
}

/** What each thread used between two looks. */
export function usedBetween(before: ThreadCpu, after: ThreadCpu): ThreadCpu {
  return new Map(
    [...after].map(([thread, micros]) => [thread, micros - (before.get(thread) ?? 0)]),
  );
}
