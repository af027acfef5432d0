import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { loadComposition } from "./load-composition.js";
import { rangeOf } from "./mutants/last-fell.js";
import { mutants } from "./mutants/mutants.js";
import { runMutants } from "./mutants/run-mutants.js";
import { print, printError } from "./print.js";
import { formatLine, formatResult, HEADER } from "./report.js";
import { runSeed } from "./run-seed.js";
import { runSeeds } from "./run-seeds.js";
import { runSuite } from "./suite.js";

const USAGE = `usage: pnpm sim --seed N [--trace]            replay one run
       pnpm sim --seeds A..B [--jobs N]        run many, on all cores
       pnpm sim --mutants [--only NAME] [--seeds A..B]   show that planted bugs are found
       pnpm sim --suite                        all that must hold before a merge
       --composition FILE                      another server under test`;

function parseRange(text: string): { readonly from: number; readonly to: number } {
  const match = /^(\d{1,9})\.\.(\d{1,9})$/.exec(text);
  const from = Number(match?.[1]);
  const to = Number(match?.[2]);
  if (match === null || to < from) throw new RangeError(`not a range of seeds: ${text}\n${USAGE}`);
  return { from, to };
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: "string" },
      seeds: { type: "string" },
      trace: { type: "boolean", default: false },
      jobs: { type: "string", default: String(cpus().length) },
      mutants: { type: "boolean", default: false },
      suite: { type: "boolean", default: false },
      only: { type: "string" },
      composition: { type: "string" },
    },
  });
  const jobs = Math.max(1, Number(values.jobs) || 1);
  const source = values.composition;
  if (values.suite) return runSuite(jobs);
  if (values.mutants) {
    const range = values.seeds === undefined ? null : parseRange(values.seeds);
    const chosen = mutants.filter(({ name }) => values.only === undefined || name === values.only);
    return runMutants(chosen, { jobs, composition: source, rangeOf: (m) => range ?? rangeOf(m) });
  }
  if (values.seeds !== undefined) {
    return runSeeds({ ...parseRange(values.seeds), jobs, composition: source });
  }
  if (values.seed === undefined || !/^\d{1,9}$/.test(values.seed)) {
    printError(USAGE);
    return 64;
  }
  return replay(Number(values.seed), values.trace, source);
}

async function replay(
  seed: number,
  withEvents: boolean,
  source: string | undefined,
): Promise<number> {
  const composition = await loadComposition(source);
  print(HEADER);
  const result = await runSeed({
    seed,
    composition,
    withEvents,
    onLine: (line) => print(formatLine(line)),
  });
  print(formatResult(result));
  return result.violation === null ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  printError(error instanceof Error ? error.message : String(error));
  process.exitCode = 70;
}
