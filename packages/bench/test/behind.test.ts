import { expect, it } from "vitest";
import { behindProblems, behindText, plansOf, type BehindRun } from "../src/watchers/behind.js";

function runOf(mib: Partial<BehindRun["residentMaxMiB"]>): BehindRun {
  const latency = { count: 200, min: 1, median: 2, p99: 30, max: 40 };
  return {
    behind: 1000,
    writeSeconds: 0.5,
    plans: ["snapshot"],
    servesMs: 1234.5,
    caughtUpMs: 6,
    residentMaxMiB: { watcher: 110, follower: 100, leaderBefore: 120, leaderAfter: 125, ...mib },
    latencyMs: { before: latency, meanwhile: { ...latency, median: 3 } },
  };
}

it("tells how one that was behind caught up", () => {
  const lines = behindText(runOf({})).split("\n");
  expect(lines.slice(0, 3)).toEqual([
    "behind by          1000 entries, written at 2000/s",
    "sent               snapshot",
    "serves after       1235 ms",
  ]);
  expect(lines.at(-2)).toBe("writes meanwhile   median 3 ms, min 1, p99 30, max 40 (200)");
});

it("fails when a peak is more than twice that of one that saw all writes come", () => {
  expect(behindProblems(runOf({}))).toEqual([]);
  expect(behindProblems(runOf({ watcher: 200, leaderAfter: 240 }))).toEqual([]);
  expect(behindProblems(runOf({ watcher: 201 }))).toEqual(["the watcher took more than 200 MiB"]);
  expect(behindProblems(runOf({ leaderAfter: 241 }))).toEqual([
    "the leader took more than 240 MiB",
  ]);
  expect(behindText(runOf({ watcher: 201 }))).toContain("\nthe watcher took more");
});

it("finds in a leader's log what was sent to the watcher", () => {
  const line = (peer: number, plan: string): string =>
    JSON.stringify({ message: "synchronising a peer", peer, plan });
  const log = [line(2, "diff"), line(4, "snapshot"), "{}", line(4, "diff"), ""].join("\n");
  expect(plansOf(log, 4)).toEqual(["snapshot", "diff"]);
});
