import { spreadOf, type Spread } from "../../load/summary.js";
import type { Measurement } from "../measurement.js";
import { metrics, type MetricKey, type Row } from "../rows.js";

/** One figure of one row, of all contenders. */
export interface Line {
  readonly row: Row;
  readonly metric: MetricKey;
  /** In the order of the contenders; null for what was not measured. */
  readonly spreads: readonly (Spread | null)[];
  /** The first contender against each, above 1 when it is better; null where there is none. */
  readonly ratios: readonly (number | null)[];
}

/** Every figure of the given metrics, of every row that was measured. */
export function linesOf(
  rows: readonly Row[],
  contenders: readonly string[],
  measurements: readonly Measurement[],
  metricsOf: (row: Row) => readonly MetricKey[],
): Line[] {
  const lines = rows.flatMap((row) =>
    metricsOf(row).map((metric): Line => {
      const spreads = contenders.map((contender) => {
        const values = measurements
          .filter((one) => one.row === row.id && one.contender === contender)
          .flatMap((one) => one.values[metric] ?? []);
        return values.length === 0 ? null : spreadOf(values);
      });
      const [first = null] = spreads;
      return { row, metric, spreads, ratios: spreads.map((other) => ratio(metric, first, other)) };
    }),
  );
  return lines.filter(({ spreads }) => spreads.some((spread) => spread !== null));
}

/** Above 1: the first is better. Null when one of them is not known, or is nothing. */
export function ratio(
  metric: MetricKey,
  first: Spread | null,
  other: Spread | null,
): number | null {
  if (first === null || other === null) return null;
  const { better } = metrics[metric];
  if (better === "neither") return null;
  const [over, under] =
    better === "higher" ? [first.median, other.median] : [other.median, first.median];
  return under === 0 ? null : over / under;
}

/** What must be read beside the figures: errors, and notes. */
export function remarksOf(measurements: readonly Measurement[]): string[] {
  const remarks = new Map<string, number[]>();
  for (const { row, contender, round, errors, notes } of measurements) {
    const counted = Object.entries(errors).map(([name, count]) => `${count} times ${name}`);
    const texts = [...notes, ...(counted.length === 0 ? [] : [`errors: ${counted.join(", ")}`])];
    for (const text of texts) {
      const key = `${row}, ${contender}: ${text}`;
      remarks.set(key, [...(remarks.get(key) ?? []), round]);
    }
  }
  return [...remarks].map(([text, rounds]) => `${text} (round ${rounds.join(", ")})`);
}
