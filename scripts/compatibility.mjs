// Writes the known differences to ZooKeeper (packages/bench/src/differential/known-differences.ts)
// into docs/compatibility.md, for `pnpm document`. A test of bench compares them.
import { join } from "node:path";
import { markdownTable, writeGeneratedBlock } from "./lib/generated-block.mjs";
import { root } from "./lib/tools.mjs";

export const COMPATIBILITY_DOCUMENT = "docs/compatibility.md";

/** Both blocks of the document, by name. */
export function compatibilityBlocks(knownDifferences, notCompared) {
  return {
    "known differences": markdownTable(
      ["difference", "ZooKeeper 3.8, and here", "why"],
      knownDifferences.map(({ name, what, reason }) => [name, what, reason]),
    ),
    "not compared": markdownTable(
      ["what", "why"],
      notCompared.map(({ what, reason }) => [what, reason]),
    ),
  };
}

if (process.argv[1] === import.meta.filename) {
  const table = await import("../packages/bench/src/differential/known-differences.ts");
  const blocks = compatibilityBlocks(table.knownDifferences, table.notCompared);
  for (const [name, content] of Object.entries(blocks)) {
    writeGeneratedBlock(join(root, COMPATIBILITY_DOCUMENT), name, content);
  }
}
