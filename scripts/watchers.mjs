// Brings the command up to date and measures what watchers cost processes of it.
import { join } from "node:path";
import { root } from "./lib/tools.mjs";
import { bundleCommand } from "./lib/bundle.mjs";

await bundleCommand(root);
const { watchersMain } = await import("../packages/bench/src/index.ts");
const command = [process.execPath, join(root, "packages/cli/dist/main.js")];
process.exitCode = await watchersMain(process.argv.slice(2), command);
