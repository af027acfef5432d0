import { readdirSync, readFileSync } from "node:fs";

/** As it was when the process started: once none is left, it cannot be read any more. */
const max = descriptorsMax();

/** Of this process, under ZooKeeper's names; nothing where the system does not tell. */
export function fileDescriptors(): [name: string, value: number][] {
  if (max === null) return [];
  return [
    ["open_file_descriptor_count", openDescriptors(max)],
    ["max_file_descriptor_count", max],
  ];
}

function openDescriptors(all: number): number {
  try {
    // The look itself has one open.
    return readdirSync("/proc/self/fd").length - 1;
  } catch {
    return all;
  }
}

function descriptorsMax(): number | null {
  try {
    const limits = readFileSync("/proc/self/limits", "utf8");
    const [, text] = /^Max open files +(\d+)/m.exec(limits) ?? [];
    return text === undefined ? null : Number(text);
  } catch {
    return null;
  }
}
