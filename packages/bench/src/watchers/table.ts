import { spreadOf, type Spread } from "../load/summary.js";
import type { WatchersRun } from "./measure.js";

/** One topology, over all its runs. */
export interface WatchersSummary {
  readonly watchers: string;
  readonly runs: readonly WatchersRun[];
}

type Column = readonly [title: string, of: (run: WatchersRun) => number | null];

const COLUMNS: readonly Column[] = [
  ["writes/s", (run) => run.writesPerSecond],
  ["p50 ms", (run) => run.latencyMs.median],
  ["p99 ms", (run) => run.latencyMs.p99],
  ["leader us", (run) => run.cpuMicrosPerWrite.leader],
  ["direct us", (run) => run.cpuMicrosPerWrite.direct],
  ["behind us", (run) => run.cpuMicrosPerWrite.behind],
  ["equal ms", (run) => run.caughtUpMs],
  ["lag p50", (run) => run.lagMs.median],
  ["lag p99", (run) => run.lagMs.p99],
];

/** For people: medians, and the range in brackets where there is one. */
export function tableOf(summaries: readonly WatchersSummary[]): string {
  const head = ["watchers", ...COLUMNS.map(([title]) => title)];
  const rows = summaries.map(({ watchers, runs }) => [
    watchers,
    ...COLUMNS.map(([, of]) => textOf(runs.map(of))),
  ]);
  const widths = head.map((title, i) =>
    Math.max(title.length, ...rows.map((row) => (row[i] ?? "").length)),
  );
  const lineOf = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join("  ");
  const errors = summaries.flatMap(({ watchers, runs }) => problemsOf(watchers, runs));
  return `${[head, ...rows].map(lineOf).concat(errors).join("\n")}\n`;
}

/** What makes a measurement worthless or doubtful, in words. */
export function problemsOf(watchers: string, runs: readonly WatchersRun[]): string[] {
  return runs.flatMap(({ missed, errors }) => [
    ...(missed === 0 ? [] : [`watchers ${watchers}: the stream differs by ${missed} events`]),
    ...Object.entries(errors).map(([code, count]) => `watchers ${watchers}: ${count} ${code}`),
  ]);
}

function textOf(values: readonly (number | null)[]): string {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return "-";
  const { median, min, max }: Spread = spreadOf(known);
  return min === max ? String(median) : `${median} [${min}..${max}]`;
}
