// Brings the command up to date and compares it with ZooKeeper and etcd, or with another checkout.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeGeneratedBlock } from "./lib/generated-block.mjs";
import { root, serverCommand } from "./lib/tools.mjs";
import { bundleCommand } from "./lib/bundle.mjs";

const DOCUMENT = "docs/benchmarks.md";

await bundleCommand(root);
const { benchMain, CHARTS } = await import("../packages/bench/src/index.ts");

function publish({ markdown, charts }) {
  const folder = join(root, "docs", CHARTS);
  mkdirSync(folder, { recursive: true });
  for (const [name, svg] of Object.entries(charts)) writeFileSync(join(folder, name), svg);
  writeGeneratedBlock(join(root, DOCUMENT), "comparison", markdown);
}

process.exitCode = await benchMain(process.argv.slice(2), serverCommand(), publish);
