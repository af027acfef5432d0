// What a document says about the sources must be so: links, paths, symbols, checkers, titles.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { checkScenarios, SCENARIO_DOCUMENT } from "../scenarios.mjs";
import { GRAPH_BLOCK, GRAPH_DOCUMENT, moduleGraph } from "../module-graph.mjs";
import { generatedBlock } from "./generated-block.mjs";

/** Its paragraphs "Checkers: `name`, ..." and "Mutants: ..." name what the simulator has. */
const INVARIANT_DOCUMENT = "docs/invariants.md";
/** Its tables map names to symbols in files: | original | `symbol` | `path` | remark |. */
const MAP_DOCUMENT = "docs/original-map.md";
const CODE_SPAN = /`([^`\n]+)`/g;
const REPOSITORY_PATH = /^(packages|scripts|docs)\/[\w./-]+\.(ts|mts|mjs|json|md|txt|cc)$/;

/** @returns {{ violations: string[], warnings: string[] }} */
export function checkDocuments(root, files) {
  const violations = [];
  const warnings = [];
  for (const path of files) {
    if (!path.endsWith(".md")) continue;
    const text = readFileSync(join(root, path), "utf8");
    violations.push(...checkLinks(root, path, text), ...checkPaths(root, path, text));
    if (path !== SCENARIO_DOCUMENT) violations.push(...checkTitles(root, path, text));
    if (path === INVARIANT_DOCUMENT) violations.push(...checkCheckers(root, path, text, files));
    if (path === MAP_DOCUMENT) violations.push(...checkSymbols(root, path, text));
    if (path === GRAPH_DOCUMENT) violations.push(...checkGraph(root, text));
    if (path === SCENARIO_DOCUMENT) {
      const scenarios = checkScenarios(root, text, files);
      violations.push(...scenarios.violations);
      warnings.push(...scenarios.warnings);
    }
  }
  return { violations, warnings };
}

function checkLinks(root, path, text) {
  const violations = [];
  for (const [, target] of withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target)) continue;
    const [file, anchor] = target.split("#");
    const place = file === "" ? path : normalize(join(dirname(path), file)).replaceAll("\\", "/");
    if (!existsSync(join(root, place))) {
      violations.push(`${path}: a link to ${target}, which does not exist`);
    } else if (anchor !== undefined && place.endsWith(".md")) {
      const anchors = anchorsOf(readFileSync(join(root, place), "utf8"));
      if (!anchors.has(anchor)) violations.push(`${path}: a link to ${target}: no such heading`);
    }
  }
  return violations;
}

function withoutCode(text) {
  return text.replace(/^```[\s\S]*?^```/gm, "").replace(CODE_SPAN, "");
}

/** As GitHub makes them of headings. */
function anchorsOf(text) {
  const headings = text.replace(/^```[\s\S]*?^```/gm, "").matchAll(/^#{1,6} +(.+)$/gm);
  return new Set(
    [...headings].map(([, title]) =>
      title
        .toLowerCase()
        .replace(/[^\w\- ]/g, "")
        .replaceAll(" ", "-"),
    ),
  );
}

function checkPaths(root, path, text) {
  const violations = [];
  for (const [, span] of text.matchAll(CODE_SPAN)) {
    if (REPOSITORY_PATH.test(span) && !existsSync(join(root, span))) {
      violations.push(`${path}: names ${span}, which does not exist`);
    }
  }
  return violations;
}

/** - `title` (path): the file holds a test of that title. */
function checkTitles(root, path, text) {
  const violations = [];
  for (const [, title, file] of text.matchAll(
    /^- `([^`]+)` \((packages\/[^)]+|scripts\/[^)]+)\)/gm,
  )) {
    const place = join(root, file);
    if (!existsSync(place) || !readFileSync(place, "utf8").includes(title)) {
      violations.push(`${path}: no test "${title}" in ${file}`);
    }
  }
  return violations;
}

function checkCheckers(root, path, text, files) {
  const sources = files
    .filter((file) => /^packages\/simulator\/src\/.*\.ts$/.test(file))
    .map((file) => readFileSync(join(root, file), "utf8"))
    .join("\n");
  const paragraphs = text.split("\n\n");
  const named = (title, pattern) =>
    paragraphs
      .filter((paragraph) => paragraph.startsWith(`${title}:`))
      .flatMap((paragraph) => [...paragraph.matchAll(pattern)].map(([, name]) => name))
      .filter((name) => !sources.includes(`"${name}"`));
  return [
    ...named("Checkers", /`([a-z]\w+)`/g).map((name) => `the simulator has no checker ${name}`),
    ...named("Mutants", /`([^`]+)`/g).map((name) => `the simulator has no mutant "${name}"`),
  ].map((violation) => `${path}: ${violation}`);
}

function checkSymbols(root, path, text) {
  const violations = [];
  for (const row of text.split("\n").filter((line) => line.startsWith("|"))) {
    const [, , symbols = "", places = ""] = row.split(/(?<!\\)\|/);
    const files = [...places.matchAll(CODE_SPAN)].map(([, span]) => span);
    if (files.length === 0) continue;
    const sources = files
      .filter((file) => existsSync(join(root, file)))
      .map((file) => readFileSync(join(root, file), "utf8"))
      .join("\n");
    for (const [, span] of symbols.matchAll(CODE_SPAN)) {
      for (const word of span.match(/[A-Za-z_]\w*/g) ?? []) {
        if (!new RegExp(`\\b${word}\\b`).test(sources)) {
          violations.push(`${path}: ${word} is not in ${files.join(", ")}`);
        }
      }
    }
  }
  return violations;
}

function checkGraph(root, text) {
  const block = generatedBlock(text, GRAPH_BLOCK);
  if (block === undefined) return [`${GRAPH_DOCUMENT}: has no module graph`];
  return block === moduleGraph(root)
    ? []
    : [`${GRAPH_DOCUMENT}: its module graph is not that of the manifests; run "pnpm document"`];
}
