import { rmSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, onTestFinished, test } from "vitest";
import { PackedRows, type StateRow } from "@quorate/protocol";
import { row } from "@quorate/testkit";
import { bufferOf } from "../src/row-codec.js";
import { StateDatabase } from "../src/state-database.js";
import type { RowsRef } from "../src/worker-messages.js";
import { makeTempDirectory } from "./crash/shim.js";

test("rows that nobody needs any more go a few at a time, whoever reads meanwhile", () => {
  const directory = makeTempDirectory();
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const write = (state: StateDatabase, count: number): void => {
    state.begin(true);
    writeRows(count, (rows) => state.write(rows));
    state.become(state.finish());
  };
  const counts = (): unknown[] => {
    const db = new Database(join(directory, "state.db"), { readonly: true });
    const of = db.prepare("SELECT count(*) FROM blocks GROUP BY base ORDER BY base").pluck();
    const found = of.all();
    db.close();
    return found;
  };
  const state = new StateDatabase(directory, null, 1e6);
  write(state, 10);
  write(state, 3);
  expect(counts()).toEqual([10, 3]);
  expect(state.sweep()).toBe(true);
  expect(counts()).toEqual([8, 3]);
  while (state.sweep());
  expect(counts()).toEqual([3]);
  // What was dropped before it was finished goes the same way.
  state.stage();
  writeRows(5, (rows) => state.stageWrite(rows));
  state.dropStage();
  expect(counts()).toEqual([3, 5]);
  while (state.sweep());
  expect(counts()).toEqual([3]);
  state.close();
});

/** So many blocks of a row each. */
function writeRows(count: number, write: (rows: ArrayBuffer) => void): void {
  for (let i = 0; i < count; i += 1) write(bufferOf([row(`k${String(i)}`, "x")]));
}

describe("layers", () => {
  const opened = (): StateDatabase => {
    const directory = makeTempDirectory();
    onTestFinished(() => rmSync(directory, { recursive: true }));
    return new StateDatabase(directory, null, 1e6);
  };
  const checkpoint = (state: StateDatabase, isFull: boolean, ...blocks: StateRow[][]): RowsRef => {
    state.begin(isFull);
    for (const rows of blocks) state.write(bufferOf(rows));
    const rows = state.finish();
    state.become(rows);
    return rows;
  };
  const read = (state: StateDatabase, rows: RowsRef, bytesMax: number): [string, string][] => {
    state.pin(1, rows);
    const all: [string, string][] = [];
    for (;;) {
      const packed = new PackedRows(new Uint8Array(state.read(1, bytesMax)));
      if (packed.length === 0) break;
      for (const { key, value } of packed) {
        all.push([Buffer.from(key).toString(), Buffer.from(value ?? "none").toString()]);
      }
    }
    state.unpin(1);
    return all.sort(([a], [b]) => (a < b ? -1 : 1));
  };

  test.each([1, 20, 1e6])("of a key the newest counts, %i bytes at a time", (bytesMax) => {
    const state = opened();
    checkpoint(state, true, [row("a", "1"), row("b", "1")], [row("c", "1"), row("d", "1")]);
    checkpoint(state, false, [row("b", "2"), row("c", null)], [row("e", "2")]);
    const second = checkpoint(state, false, [row("c", "3"), row("e", null)], [row("b", "3")]);
    expect(read(state, second, bytesMax)).toEqual([
      ["a", "1"],
      ["b", "3"],
      ["c", "3"],
      ["d", "1"],
    ]);
    expect(state.verify()).toBeNull();
    state.close();
  });

  test("keys of one end, and of one hash with that, are told from each other", () => {
    const state = opened();
    const end = "/the-same-end-of-many-a-key";
    const expected = new Map<string, string>();
    const layer = (count: number, valueOf: (i: number) => string | null | undefined) => {
      const rows: StateRow[] = [];
      for (let i = 0; i < count; i += 1) {
        const value = valueOf(i);
        if (value === undefined) continue;
        const key = `${i.toString(36).padStart(4, "0")}${i % 2 === 0 ? end : ""}`;
        rows.push(row(key, value));
        if (value === null) expected.delete(key);
        else expected.set(key, value);
      }
      return rows;
    };
    const changed = (step: number, value: string) => (i: number) =>
      i % step === 0 ? value : i % 7 === 1 ? null : undefined;
    checkpoint(
      state,
      true,
      layer(4000, () => "1"),
    );
    checkpoint(state, false, layer(6000, changed(3, "2")));
    const third = checkpoint(state, false, layer(8000, changed(5, "3")));
    const sorted = [...expected].sort(([a], [b]) => (a < b ? -1 : 1));
    expect(read(state, third, 5000)).toEqual(sorted);
    state.close();
  });

  test("what is pinned is read as it was, whatever is written meanwhile", () => {
    const state = opened();
    const first = checkpoint(state, true, [row("a", "1")]);
    state.pin(7, first);
    checkpoint(state, false, [row("a", "2")]);
    checkpoint(state, true, [row("a", "3")]);
    expect(state.sweep()).toBe(false);
    const rows = [...new PackedRows(new Uint8Array(state.read(7, 100)))];
    expect(rows.map(({ value }) => String(value))).toEqual(["49"]);
    state.unpin(7);
    while (state.sweep());
    expect(state.verify()).toBeNull();
    state.close();
  });

  test("a layer that was dropped does not show in the next one", () => {
    const state = opened();
    checkpoint(state, true, [row("a", "1")]);
    state.begin(false);
    state.write(bufferOf([row("a", "2"), row("b", "2")]));
    state.discard();
    const next = checkpoint(state, false, [row("c", "3")]);
    expect(read(state, next, 1e6)).toEqual([
      ["a", "1"],
      ["c", "3"],
    ]);
    state.close();
  });

  test("what is gone leaves nothing in a first one", () => {
    const state = opened();
    const rows = checkpoint(state, false, [row("a", null), row("b", "1")], [row("c", null)]);
    expect(read(state, rows, 1e6)).toEqual([["b", "1"]]);
    expect(state.verify()).toBeNull();
    state.close();
  });

  test("a full one is due when the layers are half of the rows, and there are many", () => {
    const state = opened();
    const many = (count: number): StateRow[] =>
      Array.from({ length: count }, (_, i) => row(`k${String(i)}`, "x"));
    expect(state.isFullDue).toBe(false);
    checkpoint(state, false, many(10_000));
    checkpoint(state, false, many(5000));
    expect(state.isFullDue).toBe(false);
    checkpoint(state, false, many(1));
    expect(state.isFullDue).toBe(true);
    checkpoint(state, true, many(10));
    expect(state.isFullDue).toBe(false);
    checkpoint(state, false, many(4000));
    expect(state.isFullDue).toBe(false);
    state.close();
  });

  test("there are so many of them at most, however small", () => {
    const state = opened();
    checkpoint(state, true, [row("a", "1")]);
    for (let i = 0; i < 62; i += 1) checkpoint(state, false, [row("a", String(i))]);
    expect(state.isFullDue).toBe(false);
    checkpoint(state, false, [row("a", "last")]);
    expect(state.isFullDue).toBe(true);
    state.close();
  });
});
