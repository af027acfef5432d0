// Brings the command up to date and measures what watchers cost processes of it.
import { root, serverCommand } from "./lib/tools.mjs";
import { bundleCommand } from "./lib/bundle.mjs";

await bundleCommand(root);
const { watchersMain } = await import("../packages/bench/src/index.ts");
process.exitCode = await watchersMain(process.argv.slice(2), serverCommand());
