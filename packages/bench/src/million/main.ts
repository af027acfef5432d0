import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Progress } from "../progress.js";
import { measureMillion, type MillionRun } from "./run.js";
import { tableOf } from "./table.js";
import { targetNames, type TargetName } from "./target.js";

const HELP = `pnpm million [options]

A large tree in three server processes, beside ZooKeeper's own (Debian's package zookeeper), through
ZooKeeper's protocol: memory, restarts, and what a checkpoint does to writes. Linux only.

  --target NAME   quorate, zookeeper or both, one after the other (both)
  --count N       nodes of the tree (1000000)
  --bytes N       of each one's data (100)
  --rate N        sets per second, at their times whether or not those before are answered (1000)
  --seconds N     of these; so long that a checkpoint comes (30)
  --restarts N    of each kind in a run (3)
  --repeat N      runs of each target, in turn; medians and ranges over all of them are printed (1)
  --heap-mib N    of each ZooKeeper server's Java (1000, as its start script has it)
  --profile DIR   write CPU profiles of Quorate's servers that end by themselves there
  --json          print all runs as JSON

A run: make the tree; memory of idle servers; write at the rate while each server writes a
checkpoint (ZooKeeper: a snapshot); kill a follower and start it until its client port answers a
read of what was written meanwhile; kill all and start them until the first write; kill a follower,
remove its data and start it until it reads what is current. p99 with a checkpoint is that of the
sets that were due while any server wrote one.
`;

interface Settings {
  readonly targets: readonly TargetName[];
  readonly count: number;
  readonly bytes: number;
  readonly rate: number;
  readonly seconds: number;
  readonly restarts: number;
  readonly repeat: number;
  readonly heapMiB: number;
  readonly json: boolean;
  /** Null: not asked for. */
  readonly profile: string | null;
}

/** @returns the exit code: 0; 1 when a run failed; 2 on wrong usage. */
export async function millionMain(
  args: readonly string[],
  command: readonly string[],
): Promise<number> {
  let settings: Settings | null;
  try {
    settings = parse(args);
  } catch (error) {
    return fail(error, 2);
  }
  if (settings === null) {
    process.stdout.write(HELP);
    return 0;
  }
  const progress = new Progress(process.stderr);
  try {
    const runs: Partial<Record<TargetName, MillionRun[]>> = {};
    const { targets, repeat } = settings;
    // In turn: whatever the machine does meanwhile, it does to both.
    for (let round = 0; round < repeat; round += 1) {
      for (const [i, name] of targets.entries()) {
        const at = round * targets.length + i;
        const onPhase = (text: string): void =>
          progress.show(at, repeat * targets.length, `${name}: ${text}`);
        (runs[name] ??= []).push(await runOnce(name, settings, command, onPhase));
      }
    }
    progress.clear();
    const machine = { cores: availableParallelism(), node: process.version };
    process.stdout.write(
      settings.json ? `${JSON.stringify({ machine, settings, runs }, null, 2)}\n` : tableOf(runs),
    );
    return 0;
  } catch (error) {
    progress.clear();
    return fail(error, 1);
  }
}

async function runOnce(
  name: TargetName,
  settings: Settings,
  command: readonly string[],
  onPhase: (text: string) => void,
): Promise<MillionRun> {
  const directory = mkdtempSync(join(tmpdir(), "quorate-million-"));
  const [file = "", ...rest] = command;
  const { profile } = settings;
  const profiling = profile === null ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`];
  try {
    return await measureMillion(name, {
      ...settings,
      command: [file, ...profiling, ...rest],
      directory,
      onPhase,
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Null when help is asked for. */
function parse(args: readonly string[]): Settings | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      target: { type: "string", default: "both" },
      count: { type: "string", default: "1000000" },
      bytes: { type: "string", default: "100" },
      rate: { type: "string", default: "1000" },
      seconds: { type: "string", default: "30" },
      restarts: { type: "string", default: "3" },
      repeat: { type: "string", default: "1" },
      "heap-mib": { type: "string", default: "1000" },
      profile: { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return null;
  const whole = (
    name: "count" | "bytes" | "rate" | "seconds" | "restarts" | "repeat" | "heap-mib",
  ): number => {
    if (!/^[1-9]\d{0,8}$/.test(values[name]))
      throw new Error(`--${name} is a whole number above 0`);
    return Number(values[name]);
  };
  const targets = targetNames.filter((name) => [name, "both"].includes(values.target));
  if (targets.length === 0) throw new Error("--target is quorate, zookeeper or both");
  return {
    targets,
    count: whole("count"),
    bytes: whole("bytes"),
    rate: whole("rate"),
    seconds: whole("seconds"),
    restarts: whole("restarts"),
    repeat: whole("repeat"),
    heapMiB: whole("heap-mib"),
    json: values.json,
    profile: values.profile ?? null,
  };
}

function fail(error: unknown, code: number): number {
  process.stderr.write(`million: ${error instanceof Error ? error.message : String(error)}\n`);
  return code;
}
