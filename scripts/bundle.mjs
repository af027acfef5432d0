// Bundles the command, if it is not up to date: the last part of `pnpm build`.
import { bundleCommand } from "./lib/bundle.mjs";
import { root } from "./lib/tools.mjs";

await bundleCommand(root);
