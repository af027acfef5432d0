// Brings the command up to date and holds what sessions see of it against their promises.
import { root, serverCommand } from "./lib/tools.mjs";
import { bundleCommand } from "./lib/bundle.mjs";

await bundleCommand(root);
const { sessionsMain } = await import("../packages/bench/src/index.ts");
process.exitCode = await sessionsMain(process.argv.slice(2), serverCommand());
