import type { Spread } from "../../load/summary.js";
import { metrics, type MetricKey, type Row } from "../rows.js";
import { markdownTable } from "./markdown-table.js";
import type { Line } from "./summary.js";

/** Costs of a request, by process: the second table. */
export const costMetrics: readonly MetricKey[] = [
  "cpuServers",
  "cpuLeader",
  "cpuFollower",
  "cpuWatcher",
  "cpuLoad",
  "others",
  "syncsLeader",
  "rssLeader",
  "rssFollower",
];

/** A Markdown table of figures with their ratios; medians, and ranges where there are any. */
export function figuresTable(lines: readonly Line[], contenders: readonly string[]): string {
  if (lines.length === 0) return "";
  const [first = "", ...others] = contenders;
  const head = ["row", "figure", ...contenders, ...others.map((other) => `${first} to ${other}`)];
  const body = lines.map(({ row, metric, spreads, ratios }) => [
    row.title,
    figureName(metric),
    ...spreads.map(spreadText),
    ...ratios.slice(1).map(ratioText),
  ]);
  return markdownTable(head, body, 2);
}

/** A Markdown table with a line for each row and contender. */
export function costsTable(lines: readonly Line[], contenders: readonly string[]): string {
  if (lines.length === 0) return "";
  const shown = costMetrics.filter((metric) => lines.some((line) => line.metric === metric));
  const byRow = new Map<Row, Line[]>();
  for (const line of lines) byRow.set(line.row, [...(byRow.get(line.row) ?? []), line]);
  const body = [...byRow].flatMap(([row, ofRow]) =>
    contenders.flatMap((contender, i) => {
      const cells = shown.map((metric) => {
        const spread = ofRow.find((line) => line.metric === metric)?.spreads[i] ?? null;
        return spread === null ? "-" : numberText(spread.median);
      });
      return cells.every((cell) => cell === "-") ? [] : [[row.title, contender, ...cells]];
    }),
  );
  return markdownTable(["row", "", ...shown.map(figureName)], body, 2);
}

export function figureName(metric: MetricKey): string {
  const { title, unit } = metrics[metric];
  return title.endsWith(unit) ? title : `${title}, ${unit}`;
}

export function spreadText(spread: Spread | null): string {
  if (spread === null) return "-";
  const { median, min, max } = spread;
  if (min === max) return numberText(median);
  return `${numberText(median)} (${numberText(min)} to ${numberText(max)})`;
}

export function ratioText(ratio: number | null): string {
  return ratio === null ? "-" : `${ratio.toPrecision(ratio < 10 ? 2 : 3)} x`;
}

function numberText(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(3)));
}
