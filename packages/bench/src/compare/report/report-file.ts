import type { Measurement } from "../measurement.js";
import { rows } from "../rows.js";
import type { BenchReport } from "./document.js";

/** As JSON; rows by their names alone, and what was traced is in the profiles' own report. */
export function printReport({ rows: _, measurements, ...rest }: BenchReport): string {
  const printed = measurements.map(({ traced: _traced, ...one }) => one);
  return `${JSON.stringify({ ...rest, measurements: printed }, null, 2)}\n`;
}

/** @throws for what `printReport` did not print. */
export function parseReport(text: string): BenchReport {
  const parsed = JSON.parse(text) as Partial<BenchReport>;
  const { machine, contenders, rounds, seconds, measurements } = parsed;
  if (
    machine === undefined ||
    contenders === undefined ||
    rounds === undefined ||
    seconds === undefined ||
    measurements === undefined
  ) {
    throw new Error("it is not what --json prints");
  }
  return { machine, contenders, rounds, seconds, measurements, rows: rowsOf(measurements) };
}

/** Pieces of one run. @throws when they compare different things, or on different machines. */
export function combined(pieces: readonly BenchReport[]): BenchReport {
  const [first] = pieces;
  if (first === undefined) throw new Error("no run");
  const of = ({ machine, contenders, rounds, seconds }: BenchReport): string =>
    JSON.stringify([machine, contenders, rounds, seconds]);
  for (const piece of pieces) {
    if (of(piece) !== of(first)) throw new Error(`${of(piece)} is no piece of ${of(first)}`);
  }
  const measurements = pieces.flatMap((piece) => piece.measurements);
  return { ...first, measurements, rows: rowsOf(measurements) };
}

function rowsOf(measurements: readonly Measurement[]): BenchReport["rows"] {
  const measured = new Set(measurements.map(({ row }) => row));
  return rows.filter(({ id }) => measured.has(id));
}
