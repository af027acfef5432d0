import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import {
  COMMAND,
  exampleFile,
  LineProcess,
  quorate,
  startEnsemble,
  TYPESCRIPT,
  until,
} from "./support.js";

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
      { cwd: exampleFile(""), maxBuffer: 2 ** 24, timeout: 110_000, killSignal: "SIGTERM" },
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

interface BenchOutput {
  readonly order: { readonly root: string; readonly servers: readonly string[] };
  readonly report: {
    readonly done: number;
    readonly doneByKind: Readonly<Record<string, number>>;
    readonly errors: Readonly<Record<string, number>>;
  };
}

it("quorate bench asks as told, in either protocol, and leaves nothing behind", async () => {
  await using started = await startEnsemble();
  const { servers } = started.ensemble;
  const at = servers.flatMap((server) => ["--server", server]);
  const little = ["--seconds", "1", "--warm-up", "0", "--keys", "50", "--connections", "3"];
  for (const [protocol, workload] of [
    ["zookeeper", "mixed"],
    ["zookeeper", "create-delete"],
    ["native", "mixed"],
  ] as const) {
    const asked = ["--protocol", protocol, "--workload", workload, "--json"];
    const { code, out, err } = await quorate("bench", ...at, ...little, ...asked);
    expect({ code, err: err.replaceAll(/^\{"progress".*\n/gm, "") }).toEqual({ code: 0, err: "" });
    const { report } = JSON.parse(out) as BenchOutput;
    expect(report.errors).toEqual({});
    expect(report.done).toBeGreaterThan(20);
    expect(report.doneByKind[workload === "mixed" ? "get" : "delete"]).toBeGreaterThan(5);
  }
  const open = await quorate("bench", ...at, ...little, "--rate", "200");
  expect(open.out).toMatch(/^mixed, 1024 bytes, open loop of 200\/s over 3 connections/);
  expect(open.out).toMatch(/^latency {4}p50 [\d.]+ ms, .*\nerrors {5}none$/m);
  expect((await quorate("ls", "/", ...at)).out).toBe("zookeeper\n");
});

it("quorate bench keeps away from nodes that are there, and cleans up when it is stopped", async () => {
  await using started = await startEnsemble();
  const [server = ""] = started.ensemble.servers;
  await quorate("create", "/mine", "data", "--server", server);
  const refused = await quorate("bench", "--root", "/mine", "--server", server);
  expect(refused.code).toBe(3);
  expect(refused.err).toMatch(/^quorate: ERR_ZNODE_NODE_EXISTS: /);
  expect((await quorate("get", "/mine", "--server", server)).out).toBe("data");
  const wrong = await quorate("bench", "--connections", "0", "--server", server);
  expect(wrong).toMatchObject({ code: 2, out: "" });
  await using stopped = new LineProcess([...COMMAND.slice(1), "bench", "--server", server]);
  await until("its root", async () =>
    /bench/.test((await quorate("ls", "/", "--server", server)).out),
  );
  stopped.signal("SIGINT");
  expect(await stopped.exited).toBe(0);
  expect((await quorate("ls", "/", "--server", server)).out).toBe("mine\nzookeeper\n");
});
