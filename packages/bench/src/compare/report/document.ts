import { barChart } from "./bar-chart.js";
import { costMetrics, costsTable, figuresTable } from "./table.js";
import { linesOf, remarksOf, type Line } from "./summary.js";
import type { Measurement } from "../measurement.js";
import type { MetricKey, Row } from "../rows.js";

/** A whole run, as it is written down. */
export interface BenchReport {
  readonly machine: { readonly cores: number; readonly node: string };
  readonly contenders: readonly { readonly name: string; readonly description: string }[];
  readonly rows: readonly Row[];
  readonly rounds: number;
  readonly seconds: number;
  readonly measurements: readonly Measurement[];
}

/** What is written into the documents: Markdown, and charts by the names of their files. */
export interface Publication {
  readonly markdown: string;
  readonly charts: Readonly<Record<string, string>>;
}

/** Beside the document. */
export const CHARTS = "benchmarks";

/** The tables and the remarks, as text that is Markdown too. */
export function tablesOf(report: BenchReport): string {
  const names = report.contenders.map(({ name }) => name);
  const remarks = remarksOf(report.measurements).map((remark) => `- ${remark}\n`);
  const tables = [
    figuresTable(figuresOf(report), names),
    costsTable(costsOf(report), names),
    remarks.join(""),
  ];
  return tables.filter((text) => text !== "").join("\n");
}

/** Charts compare with the second contender, as long as there is one. */
export function publicationOf(report: BenchReport): Publication {
  const { machine, contenders, rounds, seconds } = report;
  const described = contenders.map(({ name, description }) => `${name} (${description})`);
  const intro =
    `${rounds} interleaved rounds of ${described.join(", ")}; ${seconds} s for each measurement, ` +
    `${machine.cores} cores for the servers and the load, Node ${machine.node}. Medians, and the ` +
    `range in brackets; a ratio above 1 is better for ${contenders[0]?.name ?? ""}.\n`;
  const [, base] = contenders;
  if (base === undefined) return { markdown: `${intro}\n${tablesOf(report)}`, charts: {} };
  const charts = {
    "rate.svg": chartOf(report, figuresOf(report), "ops", `Requests per second, ${base.name} = 1`),
    "cpu.svg": chartOf(
      report,
      costsOf(report),
      "cpuServers",
      `CPU time of all servers for a request, ${base.name} = 1 (less is better)`,
    ),
  };
  const images =
    `![Requests per second](${CHARTS}/rate.svg)\n\n` +
    `![CPU time for a request](${CHARTS}/cpu.svg)\n`;
  return { markdown: `${intro}\n${images}\n${tablesOf(report)}`, charts };
}

function figuresOf({ rows, contenders, measurements }: BenchReport): Line[] {
  const names = contenders.map(({ name }) => name);
  return linesOf(rows, names, measurements, ({ headline }) => headline);
}

function costsOf({ rows, contenders, measurements }: BenchReport): Line[] {
  const names = contenders.map(({ name }) => name);
  return linesOf(rows, names, measurements, () => costMetrics);
}

function chartOf(
  { contenders }: BenchReport,
  lines: readonly Line[],
  metric: MetricKey,
  title: string,
): string {
  const groups = lines
    .filter((line) => line.metric === metric)
    .map(({ row, spreads }) => {
      const base = spreads[1]?.median ?? 0;
      const values = spreads.map((one) => (one === null || base === 0 ? null : one.median / base));
      return { label: row.title, values };
    });
  return barChart({ title, series: contenders.map(({ name }) => name), groups });
}
