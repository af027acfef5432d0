import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { root as repository } from "../lib/tools.mjs";
import { checkTidy, headingsOf } from "../tidy.mjs";

const roots = [];

afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true });
});

const manifest = {
  name: "@quorate/protocol",
  description: "Words.",
  type: "module",
  license: "Apache-2.0",
  exports: {
    ".": { "@quorate/source": "./src/index.ts", types: "./a.d.ts", default: "./a.js" },
  },
  files: ["dist"],
  scripts: { build: "tsc" },
};

/** The violations of a small tidy repository with `files` laid over it; null removes one. */
function violationsWith(files) {
  const root = mkdtempSync(join(tmpdir(), "quorate-tidy-"));
  roots.push(root);
  const all = {
    "packages/protocol/package.json": JSON.stringify(manifest),
    "packages/protocol/src/errors.ts": 'export const ERROR_CODES = ["ERR_A", "ERR_B"] as const;\n',
    "packages/protocol/src/messages.ts":
      'interface AMsg { readonly kind: "a"; }\ninterface BMsg { readonly kind: "b"; }\n' +
      "export type PeerMsg = AMsg | BMsg;\n",
    "packages/protocol/test/codes.test.ts": 'expectCodes("ERR_A", "ERR_B");\n',
    "docs/errors.md": "# Errors\n\n### ERR_A\n\nWhy.\n\n### ERR_B\n\nWhy.\n",
    "docs/protocol.md": "# Protocol\n\n### `a`\n\nWhat.\n\n### `b` (follower to leader)\n\nWhat.\n",
    ...files,
  };
  for (const [path, text] of Object.entries(all)) {
    if (text === null) continue;
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return checkTidy(root).violations;
}

test("this repository is tidy", () => {
  expect(checkTidy(repository).violations).toEqual([]);
});

test("a small tidy repository has no violation", () => {
  expect(violationsWith({})).toEqual([]);
});

test.each([
  ["a line of 101 columns", `const a = "${"x".repeat(88)}";`],
  ["a path of someone's machine", 'const file = "/home/someone/quorate/a.ts";'],
  ["a path below /tmp", 'const file = "/tmp/quorate";'],
  ["the address of a registry", '// from "https:/' + '/registry.example.org/ws"'],
  ["an open point without a number", "// TODO: later"],
  ["a focused test", 'test.only("a", run);'],
  ["a focused suite", 'describe.only("a", run);'],
])("finds %s", (_what, line) => {
  const violations = violationsWith({ "packages/protocol/src/a.ts": `// First.\n${line}\n` });
  expect(violations).toHaveLength(1);
  expect(violations[0]).toMatch(/^packages\/protocol\/src\/a\.ts:2: /);
});

test("accepts 100 columns, a long address, numbered open points and words that look alike", () => {
  const lines = [
    `const a = "${"x".repeat(87)}";`,
    `// https://example.org/${"x".repeat(100)}`,
    `const golden = "${"0f".repeat(60)}";`,
    "// TODO(#12): a bound for the queue.",
    "// TODO: see ADR 0003.",
    'const path = "/workers/a"; // the only(one)',
  ];
  expect(lines[0]).toHaveLength(100);
  expect(violationsWith({ "packages/protocol/src/a.ts": lines.join("\n") })).toEqual([]);
});

test("finds the address of a registry in the lock file", () => {
  const text = "resolution: {tarball: https://mirror.example.org/ws.tgz}\n";
  expect(violationsWith({ "pnpm-lock.yaml": text })).toHaveLength(1);
});

test("leaves recorded data alone", () => {
  const text = "TODO /home/someone/a\n";
  expect(violationsWith({ "packages/protocol/test/testdata/a.txt": text })).toEqual([]);
});

test("finds a source file that is too long, and allows a test more", () => {
  const text = "// line\n".repeat(501);
  const violations = violationsWith({
    "packages/protocol/src/a.ts": text,
    "packages/protocol/test/a.test.ts": text,
  });
  expect(violations).toEqual(["packages/protocol/src/a.ts: 501 lines, at most 500"]);
});

test.each(["camelCase.ts", "utils.ts", "Upper.ts"])("finds the file name %s", (name) => {
  expect(violationsWith({ [`packages/protocol/src/${name}`]: "" })).toHaveLength(1);
});

test("finds an error code without explanation, and an explanation without code", () => {
  const page = "# Errors\n\n### ERR_A\n\n### ERR_C\n\nWhy.\n";
  expect(violationsWith({ "docs/errors.md": page })).toEqual([
    "docs/errors.md: no heading for ERR_B",
    "docs/errors.md: ERR_A is not explained",
    "docs/errors.md: ERR_C is no error code",
  ]);
});

test("finds an error code that no test names", () => {
  const text = 'expectCodes("ERR_A", "ERR_BEYOND");\n';
  expect(violationsWith({ "packages/protocol/test/codes.test.ts": text })).toEqual([
    "packages/protocol/src/errors.ts: no test names ERR_B",
  ]);
});

test("finds that the page of error codes is missing", () => {
  expect(violationsWith({ "docs/errors.md": null })).toEqual(["docs/errors.md: missing"]);
});

test("finds a message that docs/protocol.md does not explain, once that page exists", () => {
  const page = "# Protocol\n\n### `a`\n\n### abc\n\nWhat.\n";
  expect(violationsWith({ "docs/protocol.md": page })).toEqual([
    "docs/protocol.md: a is not explained",
    "docs/protocol.md: no heading for message b",
  ]);
  expect(violationsWith({ "docs/protocol.md": null })).toEqual([]);
});

test.each([
  ["description", ""],
  ["license", "MIT"],
  ["type", "commonjs"],
  ["exports", {}],
  ["exports", { ".": { types: "./a.d.ts", "@quorate/source": "./a.ts", default: "./a.js" } }],
  ["files", []],
  ["scripts", {}],
])("finds a package whose %s is %j", (field, value) => {
  const text = JSON.stringify({ ...manifest, [field]: value });
  expect(violationsWith({ "packages/protocol/package.json": text })).toHaveLength(1);
});

test("takes no heading from a code fence", () => {
  expect(headingsOf("# A\n\n```sh\n# not a heading\n```\n")).toEqual([
    { title: "A", hasProse: false },
  ]);
});
