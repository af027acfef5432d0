// Brings the command up to date and measures a large tree in processes of it.
import { root, serverCommand } from "./lib/tools.mjs";
import { bundleCommand } from "./lib/bundle.mjs";

await bundleCommand(root);
const { millionMain } = await import("../packages/bench/src/index.ts");
process.exitCode = await millionMain(process.argv.slice(2), serverCommand());
