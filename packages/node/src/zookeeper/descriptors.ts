import { readdirSync, readFileSync } from "node:fs";

/** Of this process, under ZooKeeper's names; nothing where the system does not tell. */
export function fileDescriptors(): [name: string, value: number][] {
  try {
    // The look itself has one open.
    const open = readdirSync("/proc/self/fd").length - 1;
    const limits = readFileSync("/proc/self/limits", "utf8");
    const [, max] = /^Max open files +(\d+)/m.exec(limits) ?? [];
    const rows: [string, number][] = [["open_file_descriptor_count", open]];
    return max === undefined ? rows : [...rows, ["max_file_descriptor_count", Number(max)]];
  } catch {
    return [];
  }
}
