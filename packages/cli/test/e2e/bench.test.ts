import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { exampleFile, TYPESCRIPT } from "./support.js";

const SCRIPT = fileURLToPath(new URL("../../../../scripts/bench.mjs", import.meta.url));

interface Measured {
  readonly row: string;
  readonly contender: string;
  readonly values: Readonly<Record<string, readonly number[]>>;
  readonly errors: Readonly<Record<string, number>>;
}

it.runIf(process.platform === "linux")(
  "the bench measures an ensemble of our own, in little",
  async () => {
    const rows = ["set-10x1", "create-delete", "mixed-30x10", "kill-leader", "cold-start"];
    const args = ["--quick", "--seconds", "1", "--kills", "1", "--target", "quorate", "--json"];
    const only = rows.flatMap((row) => ["--only", row]);
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [...TYPESCRIPT, SCRIPT, ...args, ...only],
      { cwd: exampleFile(""), maxBuffer: 2 ** 24 },
    );
    const { measurements } = JSON.parse(stdout) as { measurements: readonly Measured[] };
    expect(measurements.map(({ row }) => row).sort()).toEqual([...rows].sort());
    const valuesOf = (row: string): Measured["values"] =>
      measurements.find((one) => one.row === row)?.values ?? {};
    for (const row of ["set-10x1", "create-delete", "mixed-30x10"]) {
      const { ops = [], p50 = [], p99 = [], cpuLeader = [], cpuLoad = [] } = valuesOf(row);
      expect(ops[0]).toBeGreaterThan(10);
      expect(p50[0]).toBeGreaterThan(0);
      expect(p99[0]).toBeGreaterThanOrEqual(p50[0] ?? 0);
      for (const [micros] of [cpuLeader, cpuLoad]) expect(micros).toBeGreaterThan(0);
    }
    // A group of writes shares a sync: there are some, and fewer than writes.
    const [syncs = 0] = valuesOf("set-10x1")["syncsLeader"] ?? [];
    expect(syncs).toBeGreaterThan(0);
    expect(syncs).toBeLessThan(1.1);
    expect(valuesOf("kill-leader")["gap"]).toHaveLength(1);
    expect(valuesOf("kill-leader")["gap"]?.[0]).toBeGreaterThan(1);
    expect(valuesOf("cold-start")["start"]?.[0]).toBeGreaterThan(50);
    expect(measurements.flatMap(({ errors }) => Object.keys(errors))).toEqual([]);
  },
  120_000,
);
