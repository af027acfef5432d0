import { rangeOf } from "./mutants/last-fell.js";
import { mutants } from "./mutants/mutants.js";
import { runMutants } from "./mutants/run-mutants.js";
import { print, printError } from "./print.js";
import { regressions } from "./regressions.js";
import { formatResult, replayCommand } from "./report.js";
import type { RunResult } from "./run-seed.js";
import { runSeeds } from "./run-seeds.js";
import { runPool } from "./worker-pool.js";

const SEEDS = { from: 1, to: 200 } as const;
const DETERMINISM_SEED = 7;

/** All that must hold before a merge, in the order of cost; the exit code of the first failure. */
export async function runSuite(jobs: number): Promise<number> {
  const steps: readonly (readonly [string, () => Promise<number>])[] = [
    ["the same seed twice gives the same run", runTwice],
    ["seeds that once failed", runRegressions],
    [
      "the simulator still finds every mutant",
      () => runMutants(mutants, { ...base(jobs), rangeOf }),
    ],
    ["seeds with coverage", () => runSeeds({ ...SEEDS, ...base(jobs) })],
  ];
  for (const [title, step] of steps) {
    print(`== ${title}`);
    const code = await step();
    if (code !== 0) return code;
  }
  return 0;
}

function base(jobs: number): { readonly jobs: number; readonly composition: undefined } {
  return { jobs, composition: undefined };
}

/** In two processes: nothing of the first run may reach the second. */
async function runTwice(): Promise<number> {
  const first = await runOne(DETERMINISM_SEED);
  const second = await runOne(DETERMINISM_SEED);
  print(`seed ${DETERMINISM_SEED}: trace ${first.hash} and ${second.hash}`);
  if (first.hash === second.hash) return 0;
  printError("the same seed gave two different runs");
  return 1;
}

async function runRegressions(): Promise<number> {
  for (const seed of new Set(regressions.map((regression) => regression.seed))) {
    const result = await runOne(seed);
    print(formatResult(result));
    if (result.violation === null) continue;
    printError(`replay: ${replayCommand(seed)}`);
    return 1;
  }
  return 0;
}

async function runOne(seed: number): Promise<RunResult> {
  const results: RunResult[] = [];
  await runPool({
    from: seed,
    to: seed,
    ...base(1),
    onResult: (result) => {
      results.push(result);
      return true;
    },
  });
  const [result] = results;
  if (result === undefined) throw new Error(`seed ${seed} gave no result`);
  return result;
}
