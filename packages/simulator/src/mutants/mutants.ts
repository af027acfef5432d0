import type { Mutant } from "./mutant.js";

/** Each must be found by a checker; a test shows that it still is. */
export const mutants: readonly Mutant[] = [];
