import { describe, expect, it } from "vitest";
import { encodeDelete, encodePut, encodeRange } from "../src/compare/contenders/etcd-connection.js";
import { othersPercent } from "../src/compare/measure/costs.js";
import { GapMeter } from "../src/compare/measure/gap-load.js";
import { faultsOf, recoveryOf } from "../src/compare/measure/overload-row.js";
import type { Measurement } from "../src/compare/measurement.js";
import { parseSettings } from "../src/compare/options.js";
import { areaOf, selfTimesOf, type CpuProfile } from "../src/compare/profile/cpu-profile.js";
import { barChart } from "../src/compare/report/bar-chart.js";
import { publicationOf, tablesOf } from "../src/compare/report/document.js";
import { combined, parseReport, printReport } from "../src/compare/report/report-file.js";
import { linesOf, ratio, remarksOf } from "../src/compare/report/summary.js";
import { ratioText } from "../src/compare/report/table.js";
import { rows, rowsNamed } from "../src/compare/rows.js";

function measured(
  row: string,
  contender: string,
  round: number,
  values: Measurement["values"],
): Measurement {
  return { row, contender, round, values, errors: {}, notes: [] };
}

const two = [
  measured("set-30x10", "quorate", 1, { ops: [30_000], p50: [2], cpuLeader: [12] }),
  measured("set-30x10", "zookeeper", 1, { ops: [10_000], p50: [8], cpuLeader: [60] }),
  measured("set-30x10", "quorate", 2, { ops: [36_000], p50: [3], cpuLeader: [10] }),
  measured("set-30x10", "zookeeper", 2, { ops: [12_000], p50: [12], cpuLeader: [50] }),
  measured("kill-leader", "quorate", 1, { gap: [50, 60, 300] }),
];
const names = ["quorate", "zookeeper"];

describe("the summary of a run", () => {
  const lines = linesOf(rows, names, two, ({ headline }) => headline);

  it("takes medians over rounds, and pools what one round measured several times", () => {
    const gap = lines.find(({ metric }) => metric === "gap");
    expect(gap?.spreads).toEqual([{ median: 60, min: 50, max: 300 }, null]);
    const ops = lines.find(({ metric }) => metric === "ops");
    expect(ops?.spreads[0]).toEqual({ median: 33_000, min: 30_000, max: 36_000 });
  });

  it("tells ratios above 1 where the first is better: more requests, less time", () => {
    const ratioOf = (name: string): number | null =>
      lines.find(({ metric }) => metric === name)?.ratios[1] ?? null;
    expect(ratioOf("ops")).toBe(3);
    expect(ratioOf("p50")).toBe(4);
    expect(ratioOf("gap")).toBeNull();
    const once = { median: 1, min: 1, max: 1 };
    expect(ratio("shed", once, once)).toBeNull();
    expect(ratio("p99", once, { median: 0, min: 0, max: 0 })).toBe(0);
    expect(ratio("ops", once, { median: 0, min: 0, max: 0 })).toBeNull();
    expect([ratioText(3), ratioText(0.5), ratioText(12.34), ratioText(null)]).toEqual([
      "3.0 x",
      "0.50 x",
      "12.3 x",
      "-",
    ]);
  });

  it("names the rounds in which something went wrong", () => {
    const bad = { ...two[0], errors: { throttled: 3 }, notes: ["the leader changed"] };
    expect(remarksOf([bad as Measurement, { ...bad, round: 4 } as Measurement])).toEqual([
      "set-30x10, quorate: the leader changed (round 1, 4)",
      "set-30x10, quorate: errors: 3 times throttled (round 1, 4)",
    ]);
  });

  it("is a table of figures and one of costs", () => {
    const report = {
      machine: { cores: 2, node: "v20" },
      contenders: names.map((name) => ({ name, description: `${name} of today` })),
      rows,
      rounds: 2,
      seconds: 5,
      measurements: two,
    };
    expect(tablesOf(report)).not.toContain("undefined");
    const { markdown, charts } = publicationOf(report);
    expect(markdown).toContain("quorate (quorate of today)");
    expect(markdown).toMatch(
      /\| set 1 KiB, 30x10 +\| requests\/s +\| +33,000 \(30,000 to 36,000\) \|/,
    );
    expect(markdown).toMatch(/\| set 1 KiB, 30x10 +\| quorate +\| +11 \|/);
    expect(Object.keys(charts)).toEqual(["rate.svg", "cpu.svg"]);
    expect(charts["rate.svg"]).toContain(">3.0</text>");
  });
});

describe("the file of a run", () => {
  const report = {
    machine: { cores: 2, node: "v20" },
    contenders: names.map((name) => ({ name, description: "" })),
    rows: rows.filter(({ id }) => id === "set-30x10" || id === "kill-leader"),
    rounds: 2,
    seconds: 5,
    measurements: two,
  };

  it("is read as it was written, and pieces of one run are one run", () => {
    expect(parseReport(printReport(report))).toEqual(report);
    const pieces = [two.slice(0, 4), two.slice(4)].map((measurements) =>
      parseReport(printReport({ ...report, measurements })),
    );
    expect(combined(pieces)).toEqual(report);
  });

  it("does not mix different runs, nor take something else for one", () => {
    expect(() => combined([report, { ...report, seconds: 9 }])).toThrow("is no piece of");
    expect(() => parseReport("{}")).toThrow("not what --json prints");
  });
});

describe("what the command line asks for", () => {
  it("is rows by name or by set, in their own order", () => {
    expect(rowsNamed(["set-10x1", "set-1x1"]).map(({ id }) => id)).toEqual(["set-1x1", "set-10x1"]);
    expect(rowsNamed(["table"]).map(({ set }) => set)).not.toContain("sizes");
    expect(rowsNamed(["all"])).toEqual(rows);
    expect(() => rowsNamed(["set-2x2"])).toThrow("no row or set set-2x2");
    expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
  });

  it("is bounded", () => {
    for (const [name, value] of [
      ["rounds", "0"],
      ["seconds", "601"],
      ["nodes", "1.5"],
      ["kills", "-1"],
    ] as const) {
      expect(() => parseSettings([`--${name}=${value}`])).toThrow(`--${name} is a whole number`);
    }
  });

  it("shares the kills out among the rounds", () => {
    const settings = parseSettings(["--rounds", "3", "--kills", "20"]);
    expect(settings).toMatchObject({ rounds: 3, pace: { kills: 7, measureMs: 10_000 } });
  });
});

describe("the gap around a fault", () => {
  it("is the longest time without an acknowledged write, from the fault until all is steady", () => {
    const meter = new GapMeter(0);
    expect(meter.acknowledged(0, 5_000)).toBeNull();
    meter.fault(6_000);
    expect(meter.acknowledged(5_999, 6_010)).toBeNull(); // On its way when the fault came.
    expect(meter.acknowledged(6_020, 6_300)).toBeNull();
    expect(meter.acknowledged(6_310, 6_900)).toBeNull(); // Stalls a second time, for longer.
    expect(meter.acknowledged(6_910, 7_500)).toBeNull();
    expect(meter.acknowledged(7_510, 7_900)).toBe(600);
  });
});

describe("the recovery from an overload", () => {
  const probe = (second: number, ms: number, error: string | null = null) => ({
    startedAt: second * 1e6,
    ms,
    error,
  });

  it("ends with the last answer that was not as before", () => {
    const before = [1, 1.5, 2].map((second) => probe(second, 4));
    const during = [probe(3, 900), probe(4, 1500)];
    const after = [probe(5.1, 300), probe(5.6, 6), probe(6, 5)];
    const found = recoveryOf([...before, ...during, ...after], 2.5e6, 5e6);
    expect(found.baseMs).toBe(4);
    expect(found.besideMs).toBe(1500);
    // Sent at 4 s and answered at 5.5 s; the one sent at 5.1 s was answered before it.
    expect(found.recoveredMs).toBeCloseTo(500, 3);
  });

  it("counts refusals as not as before", () => {
    const found = recoveryOf([probe(1, 4), probe(5.2, 1, "throttled")], 2e6, 5e6);
    expect(found.recoveredMs).toBeCloseTo(201, 3);
    expect(found.besideMs).toBeNull();
  });

  it("is none when the leader changed, or anything but a refusal came", () => {
    expect(faultsOf("2 in epoch 1", "2 in epoch 1", ["throttled", "ERR_SERVER_BUSY"])).toEqual([]);
    expect(
      faultsOf("2 in epoch 1", "2 in epoch 2", ["CONNECTION_LOSS", "CONNECTION_LOSS"]),
    ).toEqual([
      "it did not keep its leader: 2 in epoch 1, then 2 in epoch 2",
      "requests ended with CONNECTION_LOSS",
    ]);
  });
});

it("tells how much of the machine others used", () => {
  const at = (busySeconds: number, totalSeconds: number) => ({ busySeconds, totalSeconds });
  expect(othersPercent(at(10, 100), at(18, 110), 5)).toBeCloseTo(30);
  // Clocks of processes tick apart from the machine's.
  expect(othersPercent(at(10, 100), at(15, 110), 5.1)).toBe(0);
  expect(othersPercent(at(10, 100), at(10, 100), 0)).toBe(0);
});

describe("a profile", () => {
  const frame = (functionName: string, url = "", lineNumber = 0) => ({
    functionName,
    url,
    lineNumber,
    columnNumber: 0,
  });
  const profile: CpuProfile = {
    nodes: [
      { id: 1, callFrame: frame("(idle)") },
      { id: 2, callFrame: frame("write", "file:///a/packages/server/src/x.ts", 9) },
      { id: 3, callFrame: frame("(program)") },
      { id: 4, callFrame: frame("write", "file:///a/packages/server/src/x.ts", 9) },
    ],
    startTime: 1000,
    samples: [1, 2, 3, 4, 1],
    timeDeltas: [0, 100, 50, 30, 200],
  };
  const locate = (url: string, line: number): string => `${url.slice(10)}:${line + 1}`;

  it("is cut to its window, without what idled, one function with all its callers", () => {
    const all = selfTimesOf(profile, locate, { from: 0, to: Infinity });
    // A sample stands for the time until the next: idle 100, write 50, program 30, write 200.
    expect(all).toMatchObject({ totalMicros: 380, busyMicros: 280 });
    expect(all.functions[0]).toEqual({
      name: "write",
      at: "packages/server/src/x.ts:10",
      micros: 250,
    });
    const part = selfTimesOf(profile, locate, { from: 1120, to: 1160 });
    expect(part.busyMicros).toBe(40);
    expect(part.functions.map(({ name, micros }) => [name, micros])).toEqual([
      ["write", 30],
      ["(program)", 10],
    ]);
  });

  it("knows the parts of the program", () => {
    const at = (place: string): string => areaOf({ name: "f", at: place });
    expect(at("packages/server/src/sessions/x.ts:1")).toBe("server/sessions");
    expect(at("packages/server/src/x.ts:1")).toBe("server");
    expect(at("node_modules/.pnpm/ws@8/node_modules/ws/lib/a.js:1")).toBe("ws");
    expect(at("node:internal/timers")).toBe("node");
    expect(areaOf({ name: "(garbage collector)", at: "" })).toBe("(garbage collector)");
    expect(areaOf({ name: "writev", at: "" })).toBe("native");
  });
});

it("draws only what was measured, and no markup from a name", () => {
  const svg = barChart({
    title: 'a <b> & "c"',
    series: ["one", "two"],
    groups: [{ label: "x", values: [2, null] }],
  });
  expect(svg).toContain("a &lt;b> &amp; &quot;c&quot;");
  expect(svg.match(/<rect/g)).toHaveLength(3); // Two of the legend, one bar.
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
});

it("encodes etcd's three requests", () => {
  expect([...encodePut("ab", new Uint8Array(200).fill(1))].slice(0, 7)).toEqual([
    10, 2, 97, 98, 18, 200, 1,
  ]);
  expect([...encodeRange("a")]).toEqual([10, 1, 97, 56, 1]);
  expect([...encodeDelete("a")]).toEqual([10, 1, 97]);
});
