import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { markdownTable } from "../report/markdown-table.js";
import { areaOf, selfTimesOf, type CpuProfile, type ThreadTimes } from "./cpu-profile.js";
import { sourcePlaces } from "./source-places.js";

const TOP = 15;
const AREAS = 12;

/** Which processes a profile is of, and of which time: microseconds of the system's clock. */
export interface Traced {
  readonly leader: number;
  readonly followers: readonly number[];
  readonly from: number;
  readonly to: number;
}

/** Where the time of the leader and of one follower went, by their profiles in a directory. */
export function profileReport(title: string, directory: string, traced: Traced): string {
  const sections = [`## ${title}\n`];
  const [follower] = traced.followers;
  for (const [role, pid] of [
    ["leader", traced.leader],
    ["a follower", follower],
  ] as const) {
    if (pid === undefined) continue;
    for (const { thread, times } of threadsOf(directory, pid, traced)) {
      if (times.busyMicros > 0) sections.push(threadText(`${role}, ${thread}`, times));
    }
  }
  return sections.join("\n");
}

/** Now, on the clock that profiles use. */
export function microsNow(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

function threadsOf(
  directory: string,
  pid: number,
  window: { readonly from: number; readonly to: number },
): { thread: string; times: ThreadTimes }[] {
  const locate = sourcePlaces();
  // CPU.DATE.TIME.PID.THREAD.NUMBER.cpuprofile
  const name = new RegExp(`^CPU\\.\\d+\\.\\d+\\.${pid}\\.(\\d+)\\.\\d+\\.cpuprofile$`);
  return readdirSync(directory)
    .map((file) => ({ file, thread: Number(name.exec(file)?.[1] ?? -1) }))
    .filter(({ thread }) => thread >= 0)
    .sort((a, b) => a.thread - b.thread)
    .map(({ file, thread }) => {
      const profile = JSON.parse(readFileSync(join(directory, file), "utf8")) as CpuProfile;
      return {
        thread: thread === 0 ? "main thread" : `worker ${thread}`,
        times: selfTimesOf(profile, locate, window),
      };
    });
}

function threadText(title: string, { totalMicros, busyMicros, functions }: ThreadTimes): string {
  const share = (micros: number): string => `${((micros / busyMicros) * 100).toFixed(1)} %`;
  const areas = new Map<string, number>();
  for (const one of functions) {
    areas.set(areaOf(one), (areas.get(areaOf(one)) ?? 0) + one.micros);
  }
  const byArea = [...areas].sort(([, a], [, b]) => b - a).slice(0, AREAS);
  const seconds = (micros: number): string => (micros / 1e6).toFixed(2);
  return [
    `### ${title}: busy ${seconds(busyMicros)} of ${seconds(totalMicros)} s\n`,
    `${byArea.map(([area, micros]) => `${area} ${share(micros)}`).join(", ")}\n`,
    markdownTable(
      ["self", "function", "at"],
      functions.slice(0, TOP).map(({ name, at, micros }) => [share(micros), name, at]),
      3,
    ),
  ].join("\n");
}
