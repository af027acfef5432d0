import { Coverage } from "./coverage.js";
import { print, printError } from "./print.js";
import { formatResult, replayCommand } from "./report.js";
import type { RunResult } from "./run-seed.js";
import { runPool } from "./worker-pool.js";

const COVERAGE_EVERY = 200;
const BAR_WIDTH = 30;

export interface SeedsOptions {
  readonly from: number;
  readonly to: number;
  readonly jobs: number;
  readonly composition: string | undefined;
}

/** Runs many seeds; the exit code is 1 on a violation and 2 when something was never exercised. */
export async function runSeeds(options: SeedsOptions): Promise<number> {
  const total = options.to - options.from + 1;
  const startMs = performance.now();
  const violating: RunResult[] = [];
  let done = 0;
  let undecided = 0;
  let block = new Coverage();
  let hasZero = false;
  await runPool({
    ...options,
    onResult: (result) => {
      done += 1;
      undecided += result.undecided;
      for (const [name, count] of result.coverage) block.add(name, count);
      if (result.violation !== null) violating.push(result);
      showProgress(done, total, startMs);
      if (done % COVERAGE_EVERY === 0) {
        hasZero = printCoverage(block, COVERAGE_EVERY) || hasZero;
        block = new Coverage();
      }
      return violating.length === 0;
    },
  });
  const rest = done % COVERAGE_EVERY;
  if (rest > 0 && total >= COVERAGE_EVERY) printRows(block, rest);
  const minutes = (performance.now() - startMs) / 60_000;
  print(
    `${done} seeds in ${(minutes * 60).toFixed(1)} s, ${Math.round(done / minutes)} seeds/minute` +
      (undecided === 0 ? "" : `, ${undecided} histories undecided`),
  );
  const first = violating.sort((a, b) => a.seed - b.seed)[0];
  if (first !== undefined) {
    printError(formatResult(first));
    printError(`replay: ${replayCommand(first.seed)}`);
    return 1;
  }
  return hasZero ? 2 : 0;
}

/** True when something that must occur did not. */
function printCoverage(coverage: Coverage, seeds: number): boolean {
  printRows(coverage, seeds);
  const zeros = coverage.zeros();
  if (zeros.length > 0) printError(`never exercised: ${zeros.join("; ")}`);
  return zeros.length > 0;
}

/** Fewer runs than a block owe nothing, but may be looked at. */
function printRows(coverage: Coverage, seeds: number): void {
  print(`coverage of ${seeds} seeds:`);
  for (const [name, count] of coverage.rows()) print(`  ${name.padEnd(36)} ${count}`);
}

function showProgress(done: number, total: number, startMs: number): void {
  if (!process.stdout.isTTY) return;
  const filled = Math.round((done / total) * BAR_WIDTH);
  const bar = "#".repeat(filled).padEnd(BAR_WIDTH, ".");
  const rate = Math.round(done / ((performance.now() - startMs) / 60_000));
  process.stdout.write(`\r[${bar}] ${done}/${total} ${rate}/min `);
  if (done === total) process.stdout.write("\n");
}
