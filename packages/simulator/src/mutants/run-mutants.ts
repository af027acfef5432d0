import { print } from "../print.js";
import type { RunResult } from "../run-seed.js";
import { runPool } from "../worker-pool.js";
import type { Mutant } from "./mutant.js";

export interface MutantsOptions {
  readonly from: number;
  readonly to: number;
  readonly jobs: number;
  readonly composition: string | undefined;
}

export interface MutantOutcome {
  readonly mutant: string;
  /** The first result with a violation; null: it survived. */
  readonly fell: RunResult | null;
  readonly seeds: number;
}

/** The arguments of node that plant a mutant in a process run from source. */
export function mutantArguments(mutant: Mutant): readonly string[] {
  const url = new URL("./register.mjs", import.meta.url);
  url.searchParams.set("mutant", JSON.stringify(mutant));
  return ["--import", url.href];
}

export async function runMutant(mutant: Mutant, options: MutantsOptions): Promise<MutantOutcome> {
  let fell: RunResult | null = null;
  let seeds = 0;
  await runPool({
    ...options,
    mutant: {
      files: mutant.edits.map(({ file }) => file),
      execArgv: mutantArguments(mutant),
    },
    onResult: (result) => {
      seeds += 1;
      if (result.violation !== null && (fell === null || result.seed < fell.seed)) fell = result;
      return fell === null;
    },
  });
  return { mutant: mutant.name, fell, seeds };
}

/**
 * Runs seeds against each mutant until a checker falls, several mutants side by side; exit code 1
 * when one survives.
 */
export async function runMutants(
  mutants: readonly Mutant[],
  options: {
    readonly jobs: number;
    readonly composition: string | undefined;
    rangeOf(mutant: Mutant): { readonly from: number; readonly to: number };
  },
): Promise<number> {
  const waiting = [...mutants];
  let survivors = 0;
  const work = async (): Promise<void> => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const { composition, rangeOf } = options;
      const { fell, seeds } = await runMutant(mutant, {
        ...rangeOf(mutant),
        jobs: 1,
        composition,
      });
      const verdict =
        fell === null
          ? `SURVIVED ${seeds} seeds`
          : `fell after ${seeds} seeds: ${fell.violation?.checker ?? ""} (seed ${fell.seed})`;
      if (fell === null) survivors += 1;
      print(`${mutant.name.padEnd(48)} ${verdict}`);
    }
  };
  await Promise.all(Array.from({ length: options.jobs }, work));
  print(`${mutants.length - survivors} of ${mutants.length} mutants found`);
  return survivors === 0 ? 0 : 1;
}
