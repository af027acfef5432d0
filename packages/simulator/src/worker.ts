import { loadComposition } from "./load-composition.js";
import { missingEdits } from "./mutants/mutant.js";
import { runSeed } from "./run-seed.js";

/** A child process of the runner: gets seeds by message, answers with results. */
const [source, ...mutatedFiles] = process.argv.slice(2);
const composition = await loadComposition(source === "" ? undefined : source);
const missing = missingEdits(mutatedFiles);
if (missing.length > 0) throw new Error(`not applied: no run loads ${missing.join(", ")}`);

process.on("message", (seed: number) => {
  void runSeed({ seed, composition }).then((result) => process.send?.(result));
});
process.send?.("ready");
