// Brings the command up to date and runs the chaos of packages/bench against it.
import { join } from "node:path";
import { root } from "./lib/tools.mjs";
import { bundleCommand } from "./lib/bundle.mjs";

await bundleCommand(root);
const { chaosMain } = await import("../packages/bench/src/index.ts");
const command = [process.execPath, join(root, "packages/cli/dist/main.js")];
process.exitCode = await chaosMain(process.argv.slice(2), command);
