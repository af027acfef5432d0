import { ESLint } from "eslint";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "../lib/tools.mjs";

// The bans of the configuration are tried on planted text. They need no types, and a text that is
// no file has none, so the typed rules and the project are left out.
const eslint = new ESLint({
  cwd: root,
  overrideConfig: [
    {
      files: ["**/*.ts"],
      languageOptions: { parserOptions: { project: null } },
    },
  ],
  ruleFilter: ({ ruleId }) => !ruleId.startsWith("@typescript-eslint/"),
});

async function rulesBroken(path, text) {
  const [result] = await eslint.lintText(text, { filePath: join(root, "packages", path) });
  return result.messages.map((message) => message.ruleId ?? message.message);
}

const ambient = [
  ["the clock", "export const now = () => Date.now();", "no-restricted-globals"],
  ["a new date", "export const now = () => new Date();", "no-restricted-globals"],
  ["a timer", "setTimeout(() => undefined, 1);", "no-restricted-globals"],
  ["an interval", "setInterval(() => undefined, 1);", "no-restricted-globals"],
  ["an immediate", "setImmediate(() => undefined);", "no-restricted-globals"],
  ["a microtask", "queueMicrotask(() => undefined);", "no-restricted-globals"],
  ["chance", "export const roll = () => Math.random();", "no-restricted-properties"],
  ["the process", "export const home = process.env.HOME;", "no-restricted-globals"],
  ["the way around", "export const now = globalThis.Date.now();", "no-restricted-globals"],
  ["a module of Node", 'import "node:fs";', "no-restricted-imports"],
  ["a bare module of Node", 'import "fs";', "no-restricted-imports"],
  ["a dynamic import", 'export const a = () => import("node:fs");', "no-restricted-syntax"],
];

test.each(ambient)("%s is refused in L0, L1 and server", async (_what, text, rule) => {
  for (const name of ["protocol", "codec", "election", "server"]) {
    expect(await rulesBroken(`${name}/src/planted.ts`, text)).toEqual([rule]);
  }
});

test.each(ambient)("%s is free in tests and adapters", async (_what, text) => {
  expect(await rulesBroken("election/test/planted.test.ts", text)).toEqual([]);
  expect(await rulesBroken("transport/src/planted.ts", text)).toEqual([]);
});

test("the console is for the command line alone", async () => {
  const text = 'console.log("a");';
  expect(await rulesBroken("cli/src/planted.ts", text)).toEqual([]);
  expect(await rulesBroken("node/src/planted.ts", text)).toEqual(["no-console"]);
  expect(await rulesBroken("sync/src/planted.ts", text)).toContain("no-restricted-globals");
});

test.each([
  ["an enum", "export enum Role { leader }", "no-restricted-syntax"],
  ["a default export", "export default 1;", "no-restricted-syntax"],
  ["an empty catch", "try { JSON.parse(''); } catch { }", "no-restricted-syntax"],
])("%s is refused everywhere", async (_what, text, rule) => {
  for (const path of ["sync/src/planted.ts", "node/src/planted.ts", "sync/test/planted.test.ts"]) {
    expect(await rulesBroken(path, text)).toContain(rule);
  }
});

test("a function of more than 70 lines is refused in src, not in tests", async () => {
  const ofLines = (count) => `export function long() {\n${"  call();\n".repeat(count - 2)}}\n`;
  expect(await rulesBroken("node/src/planted.ts", ofLines(70))).toEqual([]);
  expect(await rulesBroken("node/src/planted.ts", ofLines(71))).toEqual(["max-lines-per-function"]);
  expect(await rulesBroken("node/test/planted.test.ts", ofLines(71))).toEqual([]);
});
