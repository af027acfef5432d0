import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Progress } from "../progress.js";
import { measureRun, type Run } from "./measure.js";
import { linesOf, summaryOf } from "./summary.js";

const HELP = `pnpm load [options]

Durable writes per second on a local ensemble of server processes, and what they cost each of them:
CPU time, syncs (counted by a preloaded library), resident memory. The load is a process of its own.
Every run starts an ensemble on empty directories, so each also tells the cold start and the memory
of idle servers. Linux only.

  --shape CxO     connections x outstanding, repeatable (1x1 10x1 30x10 10x100)
  --seconds N     of each measurement (10)
  --bytes N       of each write (1024)
  --nodes N       voters (3)
  --repeat N      runs; medians and ranges over them are printed (1)
  --cold-start    only the start and the idle servers
  --profile DIR   writes a CPU profile of every server there, when it ends
  --json          print summary and runs as JSON
`;

const SHAPES = ["1x1", "10x1", "30x10", "10x100"];

/** @returns the exit code: 0, 1 when a run failed, 2 on wrong usage. */
export async function loadMain(
  args: readonly string[],
  command: readonly string[],
): Promise<number> {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(args);
  } catch (error) {
    process.stderr.write(`load: ${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const progress = new Progress(process.stderr);
  try {
    const repeat = Number(values.repeat);
    const runs: Run[] = [];
    for (let i = 0; i < repeat; i += 1) {
      progress.show(i, repeat, "runs");
      runs.push(await runOnce(values, command));
    }
    progress.clear();
    const summary = summaryOf(runs);
    const machine = { cores: availableParallelism(), node: process.version };
    process.stdout.write(
      values.json ? `${JSON.stringify({ machine, summary, runs }, null, 2)}\n` : linesOf(summary),
    );
    return 0;
  } catch (error) {
    progress.clear();
    process.stderr.write(`load: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

async function runOnce(values: ReturnType<typeof parse>, command: readonly string[]): Promise<Run> {
  const directory = mkdtempSync(join(tmpdir(), "quorate-load-"));
  const [file = "", ...rest] = command;
  const profiling =
    values.profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${values.profile}`];
  try {
    return await measureRun({
      command: [file, ...profiling, ...rest],
      directory,
      nodes: Number(values.nodes),
      shapes: values["cold-start"] ? [] : values.shape,
      seconds: Number(values.seconds),
      bytes: Number(values.bytes),
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function parse(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      shape: { type: "string", multiple: true, default: SHAPES },
      seconds: { type: "string", default: "10" },
      bytes: { type: "string", default: "1024" },
      nodes: { type: "string", default: "3" },
      repeat: { type: "string", default: "1" },
      "cold-start": { type: "boolean", default: false },
      profile: { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const { shape, ...rest } = values;
  for (const name of ["seconds", "bytes", "nodes", "repeat"] as const) {
    if (!/^[1-9]\d*$/.test(rest[name])) throw new Error(`--${name} is a whole number above 0`);
  }
  for (const text of shape) {
    if (!/^[1-9]\d*x[1-9]\d*$/.test(text)) throw new Error(`--shape is like 30x10, not ${text}`);
  }
  return values;
}
