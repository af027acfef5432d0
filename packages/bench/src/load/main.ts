import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { ProcessEnsemble } from "@quorate/testkit/processes";
import { formatDistribution } from "../distribution.js";
import type { LoadOrder, LoadReport } from "./load-worker.js";
import { costsOf } from "./process-costs.js";

const HELP = `pnpm load [options]

Durable writes per second on a local ensemble of server processes, and what they cost. The load is
a process of its own.

  --shape CxO     connections x outstanding, repeatable (1x1 10x1 30x10 10x100)
  --seconds N     of each measurement (10)
  --bytes N       of each write (1024)
  --nodes N       voters (3)
  --profile DIR   writes a CPU profile of every server there, when it ends
  --json          print the result as JSON
`;

const SHAPES = ["1x1", "10x1", "30x10", "10x100"];
const WARM_UP_MS = 2000;
const WORKER = fileURLToPath(new URL("./load-worker.ts", import.meta.url));

interface ShapeResult extends LoadReport {
  readonly shape: string;
  readonly writesPerSecond: number;
  readonly servers: readonly {
    readonly id: number;
    readonly role: string;
    /** Of the whole load, warming up included, per write that was measured. */
    readonly cpuMicrosPerWrite: number;
    readonly residentMiB: number;
  }[];
  readonly clientCpuMicrosPerWrite: number;
}

/** @returns the exit code. */
export async function loadMain(
  args: readonly string[],
  command: readonly string[],
): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      shape: { type: "string", multiple: true, default: SHAPES },
      seconds: { type: "string", default: "10" },
      bytes: { type: "string", default: "1024" },
      nodes: { type: "string", default: "3" },
      profile: { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const directory = mkdtempSync(join(tmpdir(), "quorate-load-"));
  const [file = "", ...rest] = command;
  const profiled =
    values.profile === undefined
      ? command
      : [file, "--cpu-prof", `--cpu-prof-dir=${values.profile}`, ...rest];
  try {
    await using ensemble = await ProcessEnsemble.create({
      command: profiled,
      directory,
      count: Number(values.nodes),
      config: { log: { level: "warn", format: "json" } },
    });
    ensemble.start();
    await ensemble.untilReady();
    const results: ShapeResult[] = [];
    for (const shape of values.shape) {
      const result = await measure(ensemble, shape, Number(values.seconds), Number(values.bytes));
      results.push(result);
      if (!values.json) process.stdout.write(lineOf(result));
    }
    if (values.json) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
    await ensemble.kill("SIGTERM", ...ensemble.ids);
    return 0;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function measure(
  ensemble: ProcessEnsemble,
  shape: string,
  seconds: number,
  bytes: number,
): Promise<ShapeResult> {
  const [connections = 0, outstanding = 0] = shape.split("x").map(Number);
  const leader = await ensemble.untilReady();
  const order: LoadOrder = {
    servers: ensemble.servers,
    connections,
    outstanding,
    bytes,
    warmUpMs: WARM_UP_MS,
    measureMs: seconds * 1000,
  };
  const before = ensemble.ids.map((id) => costsOf(ensemble.process(id).pid));
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--conditions=@quorate/source", "--import", "tsx", WORKER, JSON.stringify(order)],
    { maxBuffer: 2 ** 24 },
  );
  const report = JSON.parse(stdout) as LoadReport;
  // The CPU figures include warming up, at about the same rate.
  const written = report.writes * ((seconds * 1000 + WARM_UP_MS) / (seconds * 1000));
  const perWrite = (cpuSeconds: number): number => Math.round((cpuSeconds / written) * 1e7) / 10;
  return {
    ...report,
    shape,
    writesPerSecond: Math.round(report.writes / report.seconds),
    servers: ensemble.ids.map((id, i) => {
      const after = costsOf(ensemble.process(id).pid);
      return {
        id,
        role: id === leader ? "leader" : "follower",
        cpuMicrosPerWrite: perWrite(after.cpuSeconds - (before[i]?.cpuSeconds ?? 0)),
        residentMiB: after.residentMiB,
      };
    }),
    clientCpuMicrosPerWrite: perWrite(report.cpuSeconds),
  };
}

function lineOf(result: ShapeResult): string {
  const { shape, writesPerSecond, latencyMs, servers, clientCpuMicrosPerWrite, errors } = result;
  const costs = servers.map(
    ({ role, cpuMicrosPerWrite, residentMiB }) =>
      `${role} ${cpuMicrosPerWrite} us/write ${residentMiB} MiB`,
  );
  const failed = Object.keys(errors).length === 0 ? "" : `; errors ${JSON.stringify(errors)}`;
  return (
    `${shape.padEnd(7)}${String(writesPerSecond).padStart(7)} writes/s; ` +
    `${formatDistribution(latencyMs)}\n` +
    `       ${costs.join(", ")}, client ${clientCpuMicrosPerWrite} us/write${failed}\n`
  );
}
