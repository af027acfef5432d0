import { describe, expect, test } from "vitest";
import type { NodeChangeKind } from "@quorate/protocol";
import { WatchTable, type WatchRequest, type WatchType } from "../src/index.js";

function fired(table: WatchTable, kind: NodeChangeKind, path: string): number[] {
  const told: number[] = [];
  table.trigger(kind, path, (watcher) => told.push(watcher));
  return told.sort((a, b) => a - b);
}

function tableOf(...watches: readonly (readonly [string, number, WatchRequest])[]): WatchTable {
  const table = new WatchTable();
  for (const [path, watcher, request] of watches) table.add(path, watcher, request);
  return table;
}

describe("what fires", () => {
  test("a data watch hears of creation, change and deletion, once", () => {
    for (const kind of ["created", "dataChanged", "deleted"] as const) {
      const table = tableOf(["/a", 1, "data"]);
      expect(fired(table, "childrenChanged", "/a")).toEqual([]);
      expect(fired(table, kind, "/a")).toEqual([1]);
      expect(fired(table, kind, "/a")).toEqual([]);
      expect(table.size).toBe(0);
    }
  });

  test("a child watch hears of children changed and of the node's deletion, once", () => {
    for (const kind of ["childrenChanged", "deleted"] as const) {
      const table = tableOf(["/a", 1, "child"]);
      expect(fired(table, "dataChanged", "/a")).toEqual([]);
      expect(fired(table, kind, "/a")).toEqual([1]);
      expect(table.size).toBe(0);
    }
  });

  test("who watches data and children hears of a deletion once, and both watches are gone", () => {
    const table = tableOf(["/a", 1, "data"], ["/a", 1, "child"], ["/a", 2, "child"]);
    expect(fired(table, "deleted", "/a")).toEqual([1, 2]);
    expect(table.size).toBe(0);
  });

  test("a persistent watch stays, and hears of data and children", () => {
    const table = tableOf(["/a", 1, "persistent"]);
    for (const kind of ["created", "childrenChanged", "dataChanged", "deleted"] as const) {
      expect(fired(table, kind, "/a")).toEqual([1]);
    }
    expect(fired(table, "dataChanged", "/a/b")).toEqual([]);
  });

  test("a recursive watch hears of all below it, never of children changed", () => {
    const table = tableOf(["/a", 1, "persistentRecursive"], ["/", 2, "persistentRecursive"]);
    expect(fired(table, "created", "/a/b/c")).toEqual([1, 2]);
    expect(fired(table, "deleted", "/a")).toEqual([1, 2]);
    expect(fired(table, "dataChanged", "/ab")).toEqual([2]);
    expect(fired(table, "childrenChanged", "/a")).toEqual([]);
    expect(fired(table, "dataChanged", "/")).toEqual([2]);
  });

  test("modes of one watcher on one path add up; firing takes only the one-shot part", () => {
    const table = tableOf(["/a", 1, "data"], ["/a", 1, "persistent"]);
    expect(table.contains("/a", 1, "data")).toBe(true);
    expect(fired(table, "dataChanged", "/a")).toEqual([1]);
    expect(table.contains("/a", 1, "data")).toBe(false);
    expect(table.contains("/a", 1, "persistent")).toBe(true);
    expect(fired(table, "dataChanged", "/a")).toEqual([1]);
  });
});

describe("what is removed", () => {
  const types: readonly WatchType[] = [
    "children",
    "data",
    "any",
    "persistent",
    "persistentRecursive",
  ];
  test.each([
    ["data", ["any", "data"]],
    ["child", ["any", "children"]],
    ["persistent", ["any", "persistent"]],
    ["persistentRecursive", ["any", "persistentRecursive"]],
  ] as const)("a %s watch by the types %j and no other", (request, by) => {
    for (const type of types) {
      const table = tableOf(["/a", 1, request]);
      const isMatch = (by as readonly string[]).includes(type);
      expect(table.contains("/a", 1, type)).toBe(isMatch);
      expect(table.contains("/a", 2, type)).toBe(false);
      expect(table.remove("/b", 1, type)).toBe(false);
      expect(table.remove("/a", 1, type)).toBe(isMatch);
      expect(table.remove("/a", 1, type)).toBe(false);
      expect(table.size === 0).toBe(isMatch);
    }
  });

  test("all of one watcher, and nothing of the others", () => {
    const table = tableOf(
      ["/a", 1, "persistentRecursive"],
      ["/a", 2, "data"],
      ["/b", 1, "child"],
      ["/c", 1, "persistent"],
    );
    expect(table.removeAll(1, 2)).toBe(false);
    expect(table.size).toBe(3);
    expect(table.removeAll(1, 2)).toBe(true);
    expect(table.removeAll(7)).toBe(true);
    expect(table.size).toBe(1);
    expect(fired(table, "dataChanged", "/a/b")).toEqual([]);
    expect(fired(table, "dataChanged", "/a")).toEqual([2]);
  });
});

test("each data and recursive watch is listed once per path and watcher", () => {
  const table = tableOf(
    ["/a", 1, "data"],
    ["/a", 1, "persistentRecursive"],
    ["/a", 2, "child"],
    ["/b", 2, "persistent"],
    ["/b", 3, "persistentRecursive"],
  );
  expect([...table.byPath()]).toEqual([
    ["/a", [1]],
    ["/b", [2, 3]],
  ]);
  expect([...table.byWatcher()]).toEqual([
    [1, ["/a"]],
    [2, ["/b"]],
    [3, ["/b"]],
  ]);
  expect(table.dataSummary()).toEqual({ watchers: 3, paths: 2, total: 3 });
});

test("one-shot watches set and fired for ever take no more room", () => {
  const table = new WatchTable();
  table.add("/stays", 0, "data");
  let told = 0;
  for (let i = 0; i < 100_000; i += 1) {
    table.add(`/n${i}`, i % 100, "data");
    table.trigger("created", `/n${i}`, () => (told += 1));
  }
  expect(told).toBe(100_000);
  expect(table.size).toBe(1);
  expect([...table.byPath()]).toEqual([["/stays", [0]]]);
});
