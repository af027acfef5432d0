// Lists for each named case the tests that show it, found by the ids in their titles.
//
//   node scripts/scenarios.mjs           writes docs/scenarios.md
//   node scripts/scenarios.mjs --print   prints it
//
// `pnpm tidy` fails while the document names a test that is no more, and warns while it misses one.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { projectFiles } from "./lib/files.mjs";
import { scenarioCases, scenarioIdsIn } from "./lib/scenario-cases.mjs";
import { root as repository } from "./lib/tools.mjs";

export const SCENARIO_DOCUMENT = "docs/scenarios.md";

const TEST_FILES = /^packages\/([^/]+\/test\/.*\.test\.ts|testkit\/src\/compliance\/.*\.ts)$/;
const TRANSCRIPTS = /^packages\/[^/]+\/testdata\/.*\.txt$/;
const MUTANTS = /^packages\/simulator\/src\/mutants\/.*\.ts$/;
const CHECKERS = /^packages\/simulator\/src\/.*\.ts$/;

/** Every title in the repository that names a case: `{ path, title, ids }`, in order of path. */
export function scenarioEvidence(root, files = projectFiles(root)) {
  const found = [];
  for (const path of files) {
    const isTranscript = TRANSCRIPTS.test(path);
    if (!isTranscript && !TEST_FILES.test(path) && !MUTANTS.test(path)) continue;
    const text = readFileSync(join(root, path), "utf8");
    if (MUTANTS.test(path)) {
      found.push(...mutants(path, text).map((mutant) => ({ path, ...mutant })));
      continue;
    }
    const titles = isTranscript
      ? [text.split("\n", 1)[0].replace(/^#\s*/, "")]
      : testTitles(path, text);
    for (const title of titles) {
      found.push({ path, title: title.replaceAll("`", "'"), ids: scenarioIdsIn(title) });
    }
  }
  return found.filter(({ ids }) => ids.size > 0);
}

/** First arguments of test, it, describe and their kin, and the names in tables of cases. */
function testTitles(path, text) {
  const titles = [];
  walkTree(path, text, (node) => {
    if (!ts.isCallExpression(node) || node.arguments.length < 2) return;
    const title = node.arguments[0];
    if (!/^(test|it|describe|check)\b/.test(node.expression.getText())) return;
    if (ts.isStringLiteralLike(title)) titles.push(title.text);
    else if (ts.isTemplateExpression(title)) titles.push(title.getText().slice(1, -1));
  });
  return titles;
}

/** A mutant brings back the cases that its name and the comment above it name. */
function mutants(path, text) {
  const found = [];
  walkTree(path, text, (node) => {
    if (!ts.isPropertyAssignment(node) || node.name.getText() !== "name") return;
    if (!ts.isStringLiteralLike(node.initializer)) return;
    const { text: name } = node.initializer;
    found.push({ title: `mutant: ${name}`, ids: scenarioIdsIn(`${node.getFullText()} ${name}`) });
  });
  return found;
}

function walkTree(path, text, visit) {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const each = (node) => {
    visit(node);
    ts.forEachChild(node, each);
  };
  each(source);
}

/** The whole document. */
export function scenarioDocument(root, files = projectFiles(root)) {
  const evidence = scenarioEvidence(root, files);
  const testsOf = (id) => evidence.filter(({ ids }) => ids.has(id));
  const open = scenarioCases.filter(({ id }) => testsOf(id).length === 0);
  const parts = [
    "# Scenarios\n",
    "Cases in which systems like this one lost or confused data, each with the tests that name",
    "it. G1 to G20 are defects of the Go original (`couchbase/gometa`), G21 to G32 were found by",
    "argument against our own design, the others are from ZooKeeper's tracker and from the text of",
    "the Zab paper. `pnpm document` writes this page from the titles of the tests; the cases are",
    "in `scripts/lib/scenario-cases.mjs`. A checker is the simulator's: it judges every run of",
    "every seed, and is named here when it should fall if the case came back. A mutant is such a",
    "case planted in our own code; `pnpm sim --mutants` shows that a checker finds it.\n",
    "## Without a named test yet\n",
    open.length === 0
      ? "None.\n"
      : open.map(({ id, holds }) => `- ${id}: ${holds}.`).join("\n") + "\n",
    "## Cases\n",
    ...scenarioCases.map((entry) => section(entry, testsOf(entry.id))),
  ];
  return parts.join("\n");
}

function section({ id, holds, checkers = [] }, tests) {
  const lines = [`### ${id}\n`, `${holds[0].toUpperCase()}${holds.slice(1)}.\n`];
  for (const { path, title } of tests) lines.push(`- \`${title}\` (${path})`);
  if (checkers.length > 0) {
    lines.push(`- simulator: ${checkers.map((name) => `\`${name}\``).join(", ")}`);
  }
  return `${lines.join("\n")}${tests.length + checkers.length > 0 ? "\n" : ""}`;
}

/** What the document says and is not so, and what it does not say yet. */
export function checkScenarios(root, document, files = projectFiles(root)) {
  const violations = [];
  const warnings = [];
  const named = (text) => text.split("\n").filter((line) => /^- `.*\)$/.test(line));
  const now = new Set(named(scenarioDocument(root, files)));
  const written = new Set(named(document));
  for (const line of written) {
    if (!now.has(line)) violations.push(`${SCENARIO_DOCUMENT}: no such test: ${line.slice(2)}`);
  }
  const missing = [...now].filter((line) => !written.has(line)).length;
  if (missing > 0)
    warnings.push(`${SCENARIO_DOCUMENT}: misses ${missing} tests; run "pnpm document"`);
  const sources = files
    .filter((path) => CHECKERS.test(path))
    .map((path) => readFileSync(join(root, path), "utf8"))
    .join("\n");
  for (const { id, checkers = [] } of scenarioCases) {
    for (const name of checkers) {
      if (!sources.includes(`"${name}"`)) violations.push(`case ${id}: no checker ${name}`);
    }
  }
  return { violations, warnings };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const document = scenarioDocument(repository);
  if (process.argv.includes("--print")) {
    console.log(document);
  } else {
    writeFileSync(join(repository, SCENARIO_DOCUMENT), document);
    const open = /## Without a named test yet\n\n([^#]*)/.exec(document)?.[1] ?? "";
    const count = open.split("\n").filter((line) => line.startsWith("- ")).length;
    console.log(`scenarios: ${scenarioCases.length} cases, ${count} without a named test`);
  }
}
