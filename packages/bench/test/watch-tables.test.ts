import { ZkAddWatchMode, ZkOp } from "@quorate/zookeeper";
import { expect, test } from "vitest";
import type { RequestStep } from "../src/differential/steps.js";
import { eventKey, trigger, WatchTables } from "../src/differential/watch-tables.js";

test("a recursive watch of the empty path is above no node, one of the root above all", () => {
  for (const [path, isTold] of [
    ["", false],
    ["/", true],
    ["/a", true],
    ["/b", false],
  ] as const) {
    const tables = new WatchTables("3.9");
    tables.open(1, 1);
    const value = { path, mode: ZkAddWatchMode.persistentRecursive };
    const step = { do: "request", connection: 1, type: ZkOp.addWatch, value };
    tables.note(step as unknown as RequestStep, 0, []);
    const created = trigger.created("/a/b");
    const told = tables.fire([created]).has(eventKey(1, created.type, "/a/b"));
    expect([path, told]).toEqual([path, isTold]);
  }
});
