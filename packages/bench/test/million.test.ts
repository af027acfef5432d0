import { describe, expect, it } from "vitest";
import { allWroteOne, nextCheckpoint } from "../src/million/approach.js";
import type { MillionRun } from "../src/million/run.js";
import { latencyOf, type Sample } from "../src/million/steady.js";
import { tableOf } from "../src/million/table.js";
import { checkpointsIn } from "../src/million/target.js";
import { pathOf } from "../src/million/tree.js";

describe("the next checkpoint", () => {
  // 100 sets a second.
  const marks = Array.from({ length: 1000 }, (_, i) => ({ at: i * 10, sets: i }));
  const first = [
    { server: 1, from: 1000, to: 1500 },
    { server: 2, from: 1100, to: 9000 },
  ];
  const second = [
    { server: 1, from: 5000, to: 5100 },
    { server: 2, from: 5200, to: 5300 },
  ];

  it("is as far from the last as that is from the one before, at the server that is first", () => {
    // 500 + (500 - 100); of the other: 520 + (520 - 110).
    expect(nextCheckpoint([1, 2], [...second, ...first], marks)).toBe(900);
  });

  it("is not known before each server has written two", () => {
    expect(nextCheckpoint([1, 2], [], marks)).toBeNull();
    expect(nextCheckpoint([1, 2], [...first, ...second.slice(0, 1)], marks)).toBeNull();
    expect(nextCheckpoint([1], [...first, ...second.slice(0, 1)], marks)).toBe(900);
  });

  it("has come when each server began one after the load did", () => {
    expect(allWroteOne([1, 2], second, 5000)).toBe(true);
    expect(allWroteOne([1, 2], second, 5100)).toBe(false);
    // Ended meanwhile, but begun before.
    expect(allWroteOne([2], first, 5000)).toBe(false);
  });
});

it("tells what was due during a checkpoint from what was not", () => {
  const samples: Sample[] = [
    { at: 999, ms: 1, isDone: true },
    { at: 1000, ms: 20, isDone: true },
    { at: 1100, ms: 30, isDone: false },
    { at: 1201, ms: 2, isDone: true },
  ];
  const windows = [
    { server: 1, from: 1000, to: 1100 },
    { server: 2, from: 1050, to: 1200 },
  ];
  const { without, during, ...rest } = latencyOf(samples, windows);
  expect([without.count, without.max]).toEqual([2, 2]);
  expect([during.count, during.min, during.max]).toEqual([2, 20, 30]);
  expect(rest).toEqual({ failed: 1, checkpoints: 2, checkpointMs: 150 });
});

it("finds checkpoints in a server's log, whose first line may be half of one", () => {
  const line = { time: "1970-01-01T00:00:02.000Z", message: "checkpoint written", ms: 500 };
  const log = ['"checkpoint written"}', JSON.stringify(line), '{"message":"leading"}', ""];
  expect(checkpointsIn(3, log.join("\n"))).toEqual([{ server: 3, from: 1500, to: 2000 }]);
});

it("puts a thousand nodes below each parent", () => {
  expect(pathOf(0)).toBe("/million/parent-0/node-0");
  expect(pathOf(1999)).toBe("/million/parent-1/node-1999");
});

describe("the table", () => {
  const start = { ms: 1000, cpuSeconds: 2 };
  const none = { count: 0, min: 0, median: 0, p99: 0, max: 0 };
  const run = (mib: number, liveBytesPerNode: readonly number[] | null): MillionRun => ({
    loadSeconds: 9,
    residentMiB: [mib, mib + 2, mib + 4],
    liveBytesPerNode,
    steady: { without: none, during: none, failed: 0, checkpoints: 3, checkpointMs: 700 },
    residentAfterMiB: [mib],
    residentMaxMiB: [mib],
    oneNode: [start],
    ensemble: [start],
    emptyNode: [start],
  });
  const rowOf = (table: string, name: string): string =>
    table.split("\n").find((line) => line.startsWith(name)) ?? "";

  it("has a column for each target, and the ratio of their medians", () => {
    const table = tableOf({ quorate: [run(100, null)], zookeeper: [run(202, [500])] });
    expect(table.split("\n")[0]?.trim().split(/\s+/)).toEqual(["quorate", "zookeeper", "ratio"]);
    const resident = rowOf(table, "resident MiB, idle");
    expect(resident).toContain("102 [100..104]");
    expect(resident).toMatch(/0\.50$/);
    // Nobody tells of ours, so there is nothing to divide.
    expect(
      rowOf(table, "live heap")
        .split(/\s{2,}/)
        .slice(1),
    ).toEqual(["-", "500", "-"]);
  });

  it("has no ratio for one target alone", () => {
    const table = tableOf({ quorate: [run(100, null)] });
    expect(table.split("\n")[0]?.trim()).toBe("quorate");
    expect(rowOf(table, "checkpoints")).toMatch(/^checkpoints\s+3$/);
  });
});
