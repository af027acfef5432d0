import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { SyncCounter } from "../src/load/sync-counter.js";

const directory = mkdtempSync(join(tmpdir(), "quorate-syncs-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

it.runIf(process.platform === "linux")("counts the syncs of each process by itself", () => {
  const counter = new SyncCounter(join(directory, "counts"));
  const file = JSON.stringify(join(directory, "file"));
  const script = (syncs: number): string =>
    `const fs = require("node:fs"); const fd = fs.openSync(${file}, "w");
     for (let i = 0; i < ${syncs}; i += 1) { fs.fsyncSync(fd); fs.fdatasyncSync(fd); }`;
  for (const [name, syncs] of [
    ["one", 1],
    ["many", 20],
    ["none", 0],
  ] as const) {
    execFileSync(process.execPath, ["-e", script(syncs)], { env: counter.environmentOf(name) });
  }
  expect(["one", "many", "none"].map((name) => counter.countOf(name))).toEqual([2, 40, 0]);
});
