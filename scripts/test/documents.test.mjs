import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { checkDocuments } from "../lib/document-checks.mjs";
import { generatedBlock, markdownTable, withGeneratedBlock } from "../lib/generated-block.mjs";
import { scenarioIdsIn } from "../lib/scenario-cases.mjs";
import { moduleGraph } from "../module-graph.mjs";
import { checkScenarios, scenarioDocument, scenarioEvidence } from "../scenarios.mjs";

const roots = [];

afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true });
});

function rootWith(files) {
  const root = mkdtempSync(join(tmpdir(), "quorate-documents-"));
  roots.push(root);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

const violationsOf = (files) => checkDocuments(rootWith(files), Object.keys(files)).violations;

test.each([
  ["G12", ["G12"]],
  ["keeps the wait (G1, G30), not F13", ["G1", "G30"]],
  ["ZOOKEEPER-3023, 3911: in order", ["ZOOKEEPER-3023", "ZOOKEEPER-3911"]],
  ["Zab text, issues 1 and 3", ["Zab text, issue 1", "Zab text, issue 3"]],
  ["G123 and e1:2", []],
])("a title %j names %j", (title, ids) => {
  expect([...scenarioIdsIn(title)]).toEqual(ids);
});

test("titles of tests, transcripts and mutants are evidence; comments and strings are not", () => {
  const files = {
    "packages/a/test/a.test.ts": '// G9\nconst x = "G8";\ntest("late (G1)", () => { x; });\n',
    "packages/a/testdata/b.txt": "# a lesser vote (G12)\nrest G7\n",
    "packages/simulator/src/mutants/all.ts":
      'export const mutants = [{\n  // G28\n  name: "counts pipes",\n}];\n',
  };
  const root = rootWith(files);
  const found = scenarioEvidence(root, Object.keys(files));
  expect(found.map(({ title, ids }) => [title, ...ids])).toEqual([
    ["late (G1)", "G1"],
    ["a lesser vote (G12)", "G12"],
    ["mutant: counts pipes", "G28"],
  ]);
});

test("a scenario page may miss a test, but not name one that is no more", () => {
  const path = "packages/a/test/a.test.ts";
  const root = rootWith({ [path]: 'test("late (G1)", () => {});\n' });
  const document = scenarioDocument(root, [path]);
  const own = (text) => {
    const { violations, warnings } = checkScenarios(root, text, [path]);
    return [violations.filter((line) => line.startsWith("docs/")).length, warnings.length];
  };
  expect(own(document)).toEqual([0, 0]);
  expect(own("")).toEqual([0, 1]);
  expect(own(document.replace("late (G1)", "gone (G1)"))).toEqual([1, 1]);
});

test("a drawing that is not that of the manifests is a violation", () => {
  const files = {
    "packages/protocol/package.json": '{ "name": "@quorate/protocol" }',
    "packages/codec/package.json":
      '{ "dependencies": { "@quorate/protocol": "workspace:*", "msgpackr": "^2" } }',
  };
  const graph = moduleGraph(rootWith(files));
  expect(graph).toContain("`msgpackr`");
  const page = (content) => ({
    ...files,
    "docs/architecture.md": withGeneratedBlock(
      "<!-- generated: module graph --><!-- end of generated -->",
      "module graph",
      content,
    ),
  });
  expect(violationsOf(page(graph))).toEqual([]);
  expect(violationsOf(page(graph.replace("codec", "cdoec")))).toHaveLength(1);
  expect(violationsOf({ ...files, "docs/architecture.md": "# Nothing\n" })).toHaveLength(1);
});

test.each([
  ["a link to a file that is not there", "[x](other.md)"],
  ["a link to a heading that is not there", "# A title\n\n[x](#another-title)"],
  ["a path that is not there", "see `packages/a/src/none.ts`"],
  ["a test that is not there", "- `some title` (packages/a/test/a.test.ts)"],
])("%s is a violation", (_, text) => {
  const there = { "packages/a/test/a.test.ts": 'test("title", () => {});\n' };
  expect(violationsOf({ ...there, "docs/a.md": text })).toHaveLength(1);
});

test("links, paths, titles and what stands in code are left alone when they are right", () => {
  const text =
    "# A title\n\n[x](#a-title) [y](https://example.org) `packages/a/test/a.test.ts`\n\n" +
    "- `title` (packages/a/test/a.test.ts)\n\n```text\n[x](none.md)\n```\n";
  const there = { "packages/a/test/a.test.ts": 'test("title", () => {});\n' };
  expect(violationsOf({ ...there, "docs/a.md": text })).toEqual([]);
});

test("a symbol of the map must be in its file", () => {
  const file = "packages/a/src/a.ts";
  const row = (symbol) => `| old | \`${symbol}\` | \`${file}\` | |\n`;
  const files = (symbol) => ({
    [file]: "export class Leader {}\n",
    "docs/original-map.md": row(symbol),
  });
  expect(violationsOf(files("Leader"))).toEqual([]);
  expect(violationsOf(files("Lead"))).toHaveLength(1);
});

test("a checker of an invariant must be one of the simulator's", () => {
  const files = (name) => ({
    "packages/simulator/src/checkers/a.ts": 'report("noHole", "text");\n',
    "docs/invariants.md": `Checkers: \`${name}\`.\n`,
  });
  expect(violationsOf(files("noHole"))).toEqual([]);
  expect(violationsOf(files("noHoles"))).toHaveLength(1);
});

test("a block keeps its marks, and a table its columns", () => {
  const page = "a\n\n<!-- generated: x -->\nold\n<!-- end of generated -->\n\nb\n";
  const written = withGeneratedBlock(page, "x", "new");
  expect(generatedBlock(written, "x")).toBe("new");
  expect(written.startsWith("a\n")).toBe(true);
  expect(written.endsWith("b\n")).toBe(true);
  expect(() => withGeneratedBlock(page, "y", "new")).toThrow(/no block/);
  expect(markdownTable(["a", "b"], [["long cell", "x"]])).toBe(
    "| a         | b   |\n| --------- | --- |\n| long cell | x   |",
  );
});
