import { spreadOf, type Spread } from "../load/summary.js";
import type { MillionRun, Start } from "./run.js";
import type { TargetName } from "./target.js";

export type MillionRuns = Readonly<Partial<Record<TargetName, readonly MillionRun[]>>>;

interface Row {
  readonly name: string;
  /** All figures of one run. */
  valuesOf(run: MillionRun): readonly number[];
}

const ms = (starts: readonly Start[]): number[] => starts.map((start) => start.ms);
const cpu = (starts: readonly Start[]): number[] => starts.map((start) => start.cpuSeconds);

const ROWS: readonly Row[] = [
  { name: "load s", valuesOf: (run) => [run.loadSeconds] },
  { name: "resident MiB, idle after it", valuesOf: (run) => run.residentMiB },
  { name: "live heap, bytes/node", valuesOf: (run) => run.liveBytesPerNode ?? [] },
  { name: "resident MiB, after writes", valuesOf: (run) => run.residentAfterMiB },
  { name: "resident MiB, peak", valuesOf: (run) => run.residentMaxMiB },
  { name: "one node serves again, ms", valuesOf: (run) => ms(run.oneNode) },
  { name: "  its CPU s", valuesOf: (run) => cpu(run.oneNode) },
  { name: "all nodes to a write, ms", valuesOf: (run) => ms(run.ensemble) },
  { name: "  their CPU s together", valuesOf: (run) => cpu(run.ensemble) },
  { name: "an empty node serves, ms", valuesOf: (run) => ms(run.emptyNode) },
  { name: "  its CPU s", valuesOf: (run) => cpu(run.emptyNode) },
  { name: "p50 ms, no checkpoint", valuesOf: ({ steady }) => [steady.without.median] },
  { name: "p99 ms, no checkpoint", valuesOf: ({ steady }) => [steady.without.p99] },
  { name: "p99 ms, with a checkpoint", valuesOf: ({ steady }) => [steady.during.p99] },
  { name: "max ms, with a checkpoint", valuesOf: ({ steady }) => [steady.during.max] },
  { name: "sets that failed", valuesOf: ({ steady }) => [steady.failed] },
  { name: "checkpoints", valuesOf: ({ steady }) => [steady.checkpoints] },
  { name: "the longest, ms", valuesOf: ({ steady }) => [steady.checkpointMs] },
];

/** A column for each target, and what the first takes of the second. */
export function tableOf(runs: MillionRuns): string {
  const { quorate, zookeeper } = runs;
  const columns = [quorate, zookeeper].filter((some) => some !== undefined);
  const names = (["quorate", "zookeeper"] as const).filter((name) => runs[name] !== undefined);
  const isBoth = names.length === 2;
  const lines = [line("", [...names, ...(isBoth ? ["ratio"] : [])])];
  for (const { name, valuesOf } of ROWS) {
    const spreads = columns.map((some) => {
      const values = some.flatMap(valuesOf);
      return values.length === 0 ? null : spreadOf(values);
    });
    const [ours, theirs] = spreads;
    const ratio = ours && theirs && theirs.median > 0 ? ours.median / theirs.median : null;
    lines.push(
      line(name, [
        ...spreads.map((spread) => (spread === null ? "-" : textOf(spread))),
        ...(isBoth ? [ratio === null ? "-" : ratio.toFixed(2)] : []),
      ]),
    );
  }
  return lines.join("");
}

function textOf({ median, min, max }: Spread): string {
  return min === max ? String(median) : `${median} [${min}..${max}]`;
}

function line(name: string, cells: readonly string[]): string {
  return `${name.padEnd(29)}${cells.map((cell) => cell.padEnd(24)).join("")}`.trimEnd() + "\n";
}
