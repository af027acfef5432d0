import { leaderMutants } from "./leader-mutants.js";
import { followerMutants } from "./follower-mutants.js";
import { nodeMutants } from "./node-mutants.js";
import { contractMutants } from "./contract-mutants.js";
import { serviceMutants } from "./service-mutants.js";
import type { Mutant } from "./mutant.js";

/** Each must be found by a checker; a test shows that it still is. */
export const mutants: readonly Mutant[] = [
  ...followerMutants,
  ...leaderMutants,
  ...nodeMutants,
  ...serviceMutants,
  ...contractMutants,
];
