import { readFileSync } from "node:fs";

/** Of /proc/PID/stat: CPU time is counted in ticks of this length. */
export const TICK_SECONDS = 0.01;

export interface ProcessCosts {
  readonly cpuSeconds: number;
  readonly residentMiB: number;
  readonly residentMaxMiB: number;
}

/** What a process has used so far, all its threads together; Linux only. */
export function costsOf(pid: number): ProcessCosts {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name is in parentheses and may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const mib = (name: string): number =>
    Math.round(Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0) / 1024);
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) * TICK_SECONDS,
    residentMiB: mib("VmRSS"),
    residentMaxMiB: mib("VmHWM"),
  };
}
