// Brings the command up to date and compares what ZooKeeper's clients see of two ensembles.
import { root, serverCommand } from "./lib/tools.mjs";
import { bundleCommand } from "./lib/bundle.mjs";

await bundleCommand(root);
const { differentialMain } = await import("../packages/bench/src/index.ts");
process.exitCode = await differentialMain(process.argv.slice(2), serverCommand());
