// Draws the module graph of docs/architecture.md from the package.json files.
//
//   node scripts/module-graph.mjs           writes it into the document
//   node scripts/module-graph.mjs --print   prints it
//
// `pnpm tidy` fails while the document shows another graph than the manifests.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { packageNames } from "./lib/files.mjs";
import { markdownTable, writeGeneratedBlock } from "./lib/generated-block.mjs";
import { layerOf, privatePackages, scope } from "./lib/layer-table.mjs";
import { root as repository } from "./lib/tools.mjs";

export const GRAPH_BLOCK = "module graph";
export const GRAPH_DOCUMENT = "docs/architecture.md";

/** Every package imports it: its edges would hide the others. */
const BASE = "protocol";

/** The graph as mermaid, and the table of what each package needs from outside. */
export function moduleGraph(root) {
  const packages = packageNames(root).map((name) => {
    const path = join(root, "packages", name, "package.json");
    const { dependencies = {} } = JSON.parse(readFileSync(path, "utf8"));
    const needs = Object.keys(dependencies).sort();
    return {
      name,
      place: privatePackages.includes(name) ? "private" : `L${layerOf.get(name)}`,
      ours: needs.filter((need) => need.startsWith(scope)).map((need) => need.slice(scope.length)),
      foreign: needs.filter((need) => !need.startsWith(scope)),
    };
  });
  return `${drawing(packages)}\n\n${table(packages)}`;
}

function drawing(packages) {
  const shipped = packages.filter(({ place }) => place !== "private");
  const places = [...new Set(shipped.map(({ place }) => place))].sort().reverse();
  const lines = ["```mermaid", "flowchart TD"];
  for (const place of places) {
    lines.push(`  subgraph ${place}`, "    direction LR");
    for (const { name, place: own } of shipped) if (own === place) lines.push(`    ${name}`);
    lines.push("  end");
  }
  const strangers = shipped.filter(({ name, ours }) => name !== BASE && !ours.includes(BASE));
  if (strangers.length > 0) throw new Error(`${strangers[0].name} does not import ${BASE}`);
  for (const { name, ours } of shipped) {
    for (const need of ours) if (need !== BASE) lines.push(`  ${name} --> ${need}`);
  }
  return [...lines, "```"].join("\n");
}

function table(packages) {
  const rows = packages.map(({ name, place, ours, foreign }) => [
    `\`${name}\``,
    place,
    ours.length === 0 ? "-" : ours.map((need) => `\`${need}\``).join(", "),
    foreign.length === 0 ? "-" : foreign.map((need) => `\`${need}\``).join(", "),
  ]);
  rows.sort((a, b) => (a[1] === b[1] ? (a[0] < b[0] ? -1 : 1) : a[1] < b[1] ? -1 : 1));
  return markdownTable(["package", "layer", "imports of ours", "third parties"], rows);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const graph = moduleGraph(repository);
  if (process.argv.includes("--print")) {
    console.log(graph);
  } else {
    const isNew = writeGeneratedBlock(join(repository, GRAPH_DOCUMENT), GRAPH_BLOCK, graph);
    console.log(`module graph: ${isNew ? "written to" : "unchanged in"} ${GRAPH_DOCUMENT}`);
  }
}
