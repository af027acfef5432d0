import { expect, it } from "vitest";
import type { WatchersRun } from "../src/watchers/measure.js";
import { problemsOf, tableOf } from "../src/watchers/table.js";
import { nameOf, parseTopology, upstreamsIn } from "../src/watchers/topology.js";

function run(writesPerSecond: number, direct: number | null, missed = 0): WatchersRun {
  return {
    writesPerSecond,
    latencyMs: { count: 10, min: 1, median: 2, p99: 3, max: 4 },
    errors: {},
    cpuMicrosPerWrite: { leader: 30, direct, behind: null },
    caughtUpMs: 12,
    lagMs: { count: 10, min: 1, median: 5, p99: 9, max: 9 },
    missed,
  };
}

it("reads how many watchers there are, and behind whom", () => {
  expect(parseTopology("0")).toEqual({ direct: 0, behind: 0 });
  expect(parseTopology("10")).toEqual({ direct: 10, behind: 0 });
  expect(parseTopology("1/10")).toEqual({ direct: 1, behind: 10 });
  expect(nameOf({ direct: 1, behind: 10 })).toBe("10 behind 1");
  for (const wrong of ["", "x", "-1", "1/", "/3", "0/10", "1/10/2", "1000"]) {
    expect(() => parseTopology(wrong), wrong).toThrow("--watchers");
  }
});

it("puts those behind below the first direct one, and nobody else", () => {
  const upstreams = (text: string): unknown[] =>
    [4, 5, 6].map((id) => upstreamsIn(parseTopology(text), id, [4, 5, 6]));
  expect(upstreams("3")).toEqual([[], [], []]);
  expect(upstreams("1/2")).toEqual([[], [4], [4]]);
  expect(upstreams("2/1")).toEqual([[], [], [4]]);
});

it("prints medians and ranges, and what makes them worthless", () => {
  const table = tableOf([
    { watchers: "0", runs: [run(1000, null)] },
    { watchers: "10", runs: [run(900, 20), run(700, 40), run(800, 30, 3)] },
  ]);
  const [head = "", none, ten, problem, end] = table.split("\n");
  const cellsOf = (line = ""): string[] => line.split(/ {2,}/);
  expect(cellsOf(head)).toEqual(
    "watchers,writes/s,p50 ms,p99 ms,leader us,direct us,behind us,equal ms,lag p50,lag p99".split(
      ",",
    ),
  );
  expect(cellsOf(none)).toEqual("0,1000,2,3,30,-,-,12,5,9".split(","));
  expect(cellsOf(ten)).toEqual("10,800 [700..900],2,3,30,30 [20..40],-,12,5,9".split(","));
  expect([none?.length, ten?.length]).toEqual([head.length, head.length]);
  expect([problem, end]).toEqual(["watchers 10: the stream differs by 3 events", ""]);
  expect(problemsOf("0", [run(1, null)])).toEqual([]);
  expect(problemsOf("1", [{ ...run(1, null), errors: { ERR_SERVER_BUSY: 2 } }])).toEqual([
    "watchers 1: 2 ERR_SERVER_BUSY",
  ]);
});
