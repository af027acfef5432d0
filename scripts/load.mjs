// Brings the command up to date and measures durable writes on processes of it.
import { root, serverCommand } from "./lib/tools.mjs";
import { bundleCommand } from "./lib/bundle.mjs";

await bundleCommand(root);
const { loadMain } = await import("../packages/bench/src/index.ts");
process.exitCode = await loadMain(process.argv.slice(2), serverCommand());
