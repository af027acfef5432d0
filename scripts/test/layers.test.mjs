import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { checkLayers } from "../layers.mjs";
import { root as repository } from "../lib/tools.mjs";

const roots = [];

afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true });
});

/** A repository with protocol (L0), sync and broadcast (L1), server (L2), testkit, and `files`. */
function repo(files = {}) {
  const root = mkdtempSync(join(tmpdir(), "quorate-layers-"));
  roots.push(root);
  const manifest = (name, more = {}) => JSON.stringify({ name: `@quorate/${name}`, ...more });
  const below = { "@quorate/protocol": "workspace:*" };
  const all = {
    "packages/protocol/package.json": manifest("protocol"),
    "packages/sync/package.json": manifest("sync", {
      dependencies: below,
      devDependencies: { "@quorate/testkit": "workspace:*" },
    }),
    "packages/broadcast/package.json": manifest("broadcast", { dependencies: below }),
    "packages/server/package.json": manifest("server", {
      dependencies: { ...below, "@quorate/sync": "workspace:*" },
    }),
    "packages/transport/package.json": manifest("transport", { dependencies: { ws: "^8.0.0" } }),
    "packages/testkit/package.json": manifest("testkit", { private: true, dependencies: below }),
    ...files,
  };
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

const source = (path, text) => checkLayers(repo({ [`packages/${path}`]: text }));

test("this repository keeps the layer rule", () => {
  expect(checkLayers(repository)).toEqual([]);
});

test("accepts imports of strictly lower layers, own files, and testkit in tests", () => {
  const root = repo({
    "packages/server/src/index.ts": 'import { a } from "@quorate/sync";\nexport { a };\n',
    "packages/sync/src/index.ts": 'export * from "./stages/gate.js";\n',
    "packages/sync/src/stages/gate.ts": 'import type { Epoch } from "@quorate/protocol";\n',
    "packages/sync/test/gate.test.ts":
      'import "@quorate/testkit";\nimport "@quorate/sync";\nimport "../src/stages/gate.js";\n',
    "packages/testkit/src/index.ts": 'import "@quorate/server";\n',
    "packages/transport/src/index.ts": 'import "node:dgram";\nimport { WebSocket } from "ws";\n',
  });
  expect(checkLayers(root)).toEqual([]);
});

test.each([
  ["a sibling", 'import { Leader } from "@quorate/broadcast";'],
  ["a higher layer", 'import { Server } from "@quorate/server";'],
  ["a higher layer's types", 'import type { Server } from "@quorate/server";'],
  ["a higher layer by re-export", 'export * from "@quorate/server";'],
  ["a higher layer by import()", 'export const late = () => import("@quorate/server");'],
  ["a higher layer by an import type", 'export type S = import("@quorate/server").Server;'],
  ["a private package", 'import { suite } from "@quorate/testkit";'],
  ["what lies past an index", 'import { x } from "@quorate/protocol/src/txnid.js";'],
  ["another package's file", 'import { x } from "../../protocol/src/txnid.js";'],
  ["its own tests", 'import { x } from "../test/fake.js";'],
  ["a computed module", "export const load = (name: string) => import(name);"],
  ["a module of Node in a ports-only package", 'import { readFileSync } from "node:fs";'],
  ["a bare module of Node in a ports-only package", 'export const fs = () => import("fs");'],
  ["a package that it does not declare", 'import fc from "fast-check";'],
  ["an unknown package of the scope", 'import "@quorate/nowhere";'],
])("finds a source that imports %s", (_what, text) => {
  const violations = source("sync/src/planted.ts", `// First line.\n${text}\n`);
  expect(violations).toHaveLength(1);
  expect(violations[0]).toMatch(/^packages\/sync\/src\/planted\.ts:2: /);
});

test("finds a test that imports a higher layer", () => {
  const violations = source("sync/test/planted.test.ts", 'import "@quorate/server";\n');
  expect(violations).toHaveLength(1);
});

test("finds a lower package that is imported without being declared", () => {
  const violations = source("server/src/planted.ts", 'import "@quorate/broadcast";\n');
  expect(violations).toEqual([expect.stringContaining("is not among the package's")]);
});

test("reads no import from a string or a comment", () => {
  const text = `// import "@quorate/server";\nexport const s = 'import "@quorate/server"';\n`;
  expect(source("sync/src/planted.ts", text)).toEqual([]);
});

test("finds a dependency on a higher layer that no import uses", () => {
  const manifest = { name: "@quorate/sync", dependencies: { "@quorate/server": "workspace:*" } };
  const violations = checkLayers(repo({ "packages/sync/package.json": JSON.stringify(manifest) }));
  expect(violations).toContainEqual(expect.stringContaining("dependencies: sync is layer 1"));
  expect(violations).toContainEqual(expect.stringContaining("cyclic dependencies"));
});

test("finds a package without a layer", () => {
  const violations = source("utils/package.json", '{ "name": "@quorate/utils" }');
  expect(violations).toEqual([expect.stringContaining("has no layer")]);
});

test("finds a private package that could be published, and the reverse", () => {
  const root = repo({
    "packages/testkit/package.json": '{ "name": "@quorate/testkit" }',
    "packages/protocol/package.json": '{ "name": "@quorate/protocol", "private": true }',
  });
  expect(checkLayers(root)).toEqual([
    expect.stringContaining("must not be private"),
    expect.stringContaining("must be private"),
  ]);
});
