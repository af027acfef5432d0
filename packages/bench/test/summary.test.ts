import { expect, it } from "vitest";
import type { Run, ShapeRun } from "../src/load/measure.js";
import { spreadOf, summaryOf } from "../src/load/summary.js";

function shape(writesPerSecond: number, leaderCpu: number, error?: string): ShapeRun {
  const costs = { syncsPerWrite: 1, residentMiB: 100 };
  return {
    shape: "1x1",
    writes: 10,
    acknowledged: 12,
    seconds: 1,
    writesPerSecond,
    latencyMs: { count: 10, min: 1, median: 2, p99: 3, max: 4 },
    cpuSeconds: 1,
    clientCpuMicrosPerWrite: 5,
    servers: [
      { role: "leader", cpuMicrosPerWrite: leaderCpu, ...costs },
      { role: "follower", cpuMicrosPerWrite: 20, ...costs },
      { role: "follower", cpuMicrosPerWrite: 40, ...costs },
    ],
    errors: error === undefined ? {} : { [error]: 2 },
  };
}

function run(writesPerSecond: number, leaderCpu: number, error?: string): Run {
  const starts = { coldStartMs: 900, coldStartCpuSeconds: [0.5, 0.6, 0.7], idleMiB: [90, 91, 92] };
  return { ...starts, shapes: [shape(writesPerSecond, leaderCpu, error)] };
}

it("takes medians and ranges over runs, the leader apart from its followers", () => {
  const { runs, coldStartCpuSeconds, shapes } = summaryOf([
    run(1000, 10, "ERR_SERVER_BUSY"),
    run(3000, 30, "ERR_SERVER_BUSY"),
    run(2500, 14),
  ]);
  expect(runs).toBe(3);
  expect(coldStartCpuSeconds).toEqual({ median: 0.6, min: 0.5, max: 0.7 });
  const [summary] = shapes;
  expect(summary?.writesPerSecond).toEqual({ median: 2500, min: 1000, max: 3000 });
  expect(summary?.servers.leader?.cpuMicrosPerWrite).toEqual({ median: 14, min: 10, max: 30 });
  expect(summary?.servers.follower?.cpuMicrosPerWrite).toEqual({ median: 30, min: 20, max: 40 });
  expect(summary?.errors).toEqual({ ERR_SERVER_BUSY: 4 });
});

it("takes the middle of an even number of values", () => {
  expect(spreadOf([4, 1, 3, 2])).toEqual({ median: 2.5, min: 1, max: 4 });
  expect(spreadOf([7])).toEqual({ median: 7, min: 7, max: 7 });
  expect(spreadOf([0.123456, 0.123456])).toEqual({ median: 0.123, min: 0.123, max: 0.123 });
});
