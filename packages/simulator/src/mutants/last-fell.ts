import type { Mutant } from "./mutant.js";

/** Seeds given to a mutant before it counts as survived. */
const SEEDS_MAX = 100;

/**
 * The seed at which each mutant fell last: where the search begins. A change of the simulator
 * moves them; then `pnpm sim --mutants --seeds 1..200` tells the new ones.
 */
export const lastFell: ReadonlyMap<string, number> = new Map([["accept before persist", 1]]);

export function rangeOf({ name }: Mutant): { readonly from: number; readonly to: number } {
  const from = lastFell.get(name) ?? 1;
  return { from, to: from + SEEDS_MAX - 1 };
}
