import { loadComposition } from "./load-composition.js";
import { wasMutantApplied } from "./mutants/mutant.js";
import { runSeed } from "./run-seed.js";

/** A child process of the runner: gets seeds by message, answers with results. */
const [source, mutantName] = process.argv.slice(2);
const composition = await loadComposition(source === "" ? undefined : source);
if (mutantName !== undefined && !wasMutantApplied(mutantName)) {
  throw new Error(`mutant ${mutantName} was not applied: no run loads its file`);
}

process.on("message", (seed: number) => {
  void runSeed({ seed, composition }).then((result) => process.send?.(result));
});
process.send?.("ready");
