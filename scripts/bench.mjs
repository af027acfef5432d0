// Brings the command up to date and compares it with ZooKeeper and etcd, or with another checkout.
import { root, serverCommand } from "./lib/tools.mjs";
import { bundleCommand } from "./lib/bundle.mjs";

await bundleCommand(root);
const { benchMain } = await import("../packages/bench/src/index.ts");
process.exitCode = await benchMain(process.argv.slice(2), serverCommand());
