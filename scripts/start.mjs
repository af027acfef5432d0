// Bundles the command and runs `quorate start` in this very process.
//
//   pnpm start                        three nodes, data in quorate-data
//   pnpm start --nodes 5 --port 5181  arguments go to `quorate start`
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "./lib/tools.mjs";
import { bundleCommand } from "./lib/bundle.mjs";

const start = Date.now();
if (await bundleCommand(root)) {
  console.log(`bundled the command in ${((Date.now() - start) / 1000).toFixed(1)} s`);
}

// The command starts its nodes by its own path.
const main = join(root, "packages/cli/dist/main.js");
process.argv.splice(1, 1, main, "start");
await import(pathToFileURL(main).href);
