// Brings the command up to date and runs the chaos of packages/bench against it.
import { root, serverCommand } from "./lib/tools.mjs";
import { bundleCommand } from "./lib/bundle.mjs";

await bundleCommand(root);
const { chaosMain } = await import("../packages/bench/src/index.ts");
process.exitCode = await chaosMain(process.argv.slice(2), serverCommand());
