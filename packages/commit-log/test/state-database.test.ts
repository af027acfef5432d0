import { rmSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, onTestFinished, test } from "vitest";
import { row } from "@quorate/testkit";
import { StateDatabase } from "../src/state-database.js";
import { makeTempDirectory } from "./crash/shim.js";

test("rows that nobody needs any more go a few at a time, whoever reads meanwhile", () => {
  const directory = makeTempDirectory();
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const write = (state: StateDatabase, count: number): void => {
    state.begin(true);
    state.write(Array.from({ length: count }, (_, i) => row(`k${String(i)}`, "x")));
    state.become(state.finish());
  };
  const counts = (): unknown[] => {
    const db = new Database(join(directory, "state.db"), { readonly: true });
    const names = db.prepare("SELECT name FROM sqlite_schema WHERE name GLOB 'rows_*'").pluck();
    const found = names.all().map((name) => {
      return db
        .prepare(`SELECT count(*) FROM ${String(name)}`)
        .pluck()
        .get();
    });
    db.close();
    return found;
  };
  const state = new StateDatabase(directory, null, 1e6);
  write(state, 1000);
  write(state, 3);
  expect(counts()).toEqual([1000, 3]);
  const left: unknown[] = [];
  while (state.sweep()) left.push(counts()[0]);
  expect(left.slice(0, 2)).toEqual([936, 872]);
  expect(counts()).toEqual([3]);
  // What was dropped before it was finished goes the same way.
  state.stage();
  state.stageWrite(Array.from({ length: 100 }, (_, i) => row(`k${String(i)}`, "x")));
  state.dropStage();
  expect(counts()).toEqual([3, 100]);
  while (state.sweep());
  expect(counts()).toEqual([3]);
  state.close();
});
