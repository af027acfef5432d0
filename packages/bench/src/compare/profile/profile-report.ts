import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { markdownTable } from "../report/markdown-table.js";
import { areaOf, selfTimesOf, type CpuProfile, type ThreadTimes } from "./cpu-profile.js";
import { sourcePlaces } from "./source-places.js";
import type { ThreadCpu } from "./thread-times.js";

const TOP = 15;
const AREAS = 12;

/** Which processes a profile is of, and of which time: microseconds of the system's clock. */
export interface Traced {
  readonly leader: number;
  readonly from: number;
  readonly to: number;
  /** By process, the leader's and the followers'. */
  readonly cpu: ReadonlyMap<number, ThreadCpu>;
}

/** Where the time of the leader and of one follower went, by their profiles in a directory. */
export function profileReport(title: string, directory: string, traced: Traced): string {
  const sections = [`## ${title}\n`];
  const follower = [...traced.cpu.keys()].find((pid) => pid !== traced.leader);
  for (const [role, pid] of [
    ["the leader", traced.leader],
    ["a follower", follower],
  ] as const) {
    if (pid === undefined) continue;
    const cpu = traced.cpu.get(pid) ?? new Map<number, number>();
    const threads = threadsOf(directory, pid, traced);
    sections.push(processText(role, threads, cpu, traced.to - traced.from));
    for (const { thread, times } of threads) {
      if (times.busyMicros > 0) sections.push(threadText(`${role}, ${thread}`, times));
    }
  }
  return sections.join("\n");
}

/** What each thread really had of a processor: a profile counts waiting for one as being busy. */
function processText(
  role: string,
  threads: readonly { readonly thread: string; readonly systemId: number }[],
  cpu: ThreadCpu,
  windowMicros: number,
): string {
  const all = [...cpu.values()].reduce((sum, micros) => sum + micros, 0);
  const named = threads.map(({ thread, systemId }) => [thread, cpu.get(systemId) ?? 0] as const);
  const rest = all - named.reduce((sum, [, micros]) => sum + micros, 0);
  const parts = [...named, ["collector, compiler and the like", rest] as const].map(
    ([thread, micros]) => `${thread} ${seconds(micros)} s`,
  );
  return `CPU of ${role} in ${seconds(windowMicros)} s: ${parts.join(", ")}\n`;
}

function seconds(micros: number): string {
  return (micros / 1e6).toFixed(2);
}

/** Now, on the clock that profiles use. */
export function microsNow(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

function threadsOf(
  directory: string,
  pid: number,
  window: { readonly from: number; readonly to: number },
): { thread: string; systemId: number; times: ThreadTimes }[] {
  const locate = sourcePlaces();
  // PID.THREAD.NAME.SYSTEM_ID.cpuprofile
  return readdirSync(directory)
    .map((file) => ({ file, parts: file.split(".") }))
    .filter(({ parts }) => parts[0] === String(pid) && parts.at(-1) === "cpuprofile")
    .sort((a, b) => Number(a.parts[1]) - Number(b.parts[1]))
    .map(({ file, parts }) => {
      const profile = JSON.parse(readFileSync(join(directory, file), "utf8")) as CpuProfile;
      const times = selfTimesOf(profile, locate, window);
      return { thread: parts[2] ?? "", systemId: Number(parts[3]), times };
    });
}

function threadText(title: string, { totalMicros, busyMicros, functions }: ThreadTimes): string {
  const share = (micros: number): string => `${((micros / busyMicros) * 100).toFixed(1)} %`;
  const areas = new Map<string, number>();
  for (const one of functions) {
    areas.set(areaOf(one), (areas.get(areaOf(one)) ?? 0) + one.micros);
  }
  const byArea = [...areas].sort(([, a], [, b]) => b - a).slice(0, AREAS);
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
