import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Progress } from "../progress.js";
import { behindProblems, behindText, measureBehind, type BehindRun } from "./behind.js";
import { measureWatchers, type WatchersRun } from "./measure.js";
import { problemsOf, tableOf, type WatchersSummary } from "./table.js";
import { nameOf, parseTopology, type Topology } from "./topology.js";

const HELP = `pnpm watchers [options]

What watchers cost a local ensemble of processes: durable writes per second at full load through the
voters, then how late a watcher's stream is at a steady rate. Linux only.

  --watchers N    that follow the leader; 1/10 is ten behind one; repeatable (0 1 10 1/10)
  --shape CxO     connections x outstanding of the load (30x10)
  --rate N        writes per second while the lag is measured (200)
  --seconds N     of each of the two (10)
  --bytes N       of each write (1024)
  --nodes N       voters (3)
  --repeat N      runs; medians and ranges over them are printed (1)
  --behind N      instead: how a new watcher catches up with N writes that it missed; the usual
                  ones are --shape 10x100 --bytes 100 then
  --creates       each of the N creates a node, so that the snapshot is large as well
  --checkpoint-mib N  so rare a checkpoint that the log holds all N, which are sent one by one
  --json          print all runs as JSON

Columns: latency of a write at full load; CPU time for each write of the leader, of a watcher that
follows it (the mean), and of one behind; how long after the load all nodes were equal; and the lag
of the last watcher's stream, from the leader's clock when it took a write to the event's arrival.
Without watchers the stream is a follower's.

With --behind: until it serves and until it has all that was committed when it started, its peak
memory and the leader's, and the latency of --rate writes per second before and meanwhile. It fails
when a peak is more than twice that of a node that saw all writes come.
`;

const DEFAULTS = ["0", "1", "10", "1/10"];

interface Settings {
  readonly topologies: readonly Topology[];
  readonly connections: number;
  readonly outstanding: number;
  readonly rate: number;
  readonly seconds: number;
  readonly bytes: number;
  readonly voters: number;
  readonly repeat: number;
  /** Null: not asked for. */
  readonly behind: number | null;
  readonly creates: boolean;
  /** Null: the server's default. */
  readonly checkpointMiB: number | null;
  readonly json: boolean;
}

/** @returns the exit code: 0; 1 when a run failed or a stream is not whole; 2 on wrong usage. */
export async function watchersMain(
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
    if (settings.behind !== null) return await behindMain(settings, settings.behind, command);
    const summaries = await runAll(settings, command, progress);
    const machine = { cores: availableParallelism(), node: process.version };
    process.stdout.write(
      settings.json
        ? `${JSON.stringify({ machine, settings, summaries }, null, 2)}\n`
        : tableOf(summaries),
    );
    return summaries.some(({ watchers, runs }) => problemsOf(watchers, runs).length > 0) ? 1 : 0;
  } catch (error) {
    progress.clear();
    return fail(error, 1);
  }
}

async function behindMain(
  settings: Settings,
  behind: number,
  command: readonly string[],
): Promise<number> {
  const runs: BehindRun[] = [];
  for (let round = 0; round < settings.repeat; round += 1) {
    const run = await inDirectory((directory) =>
      measureBehind({ ...settings, behind, command, directory }),
    );
    runs.push(run);
    if (!settings.json) process.stdout.write(behindText(run));
  }
  if (settings.json) process.stdout.write(`${JSON.stringify({ settings, runs }, null, 2)}\n`);
  return runs.some((run) => behindProblems(run).length > 0) ? 1 : 0;
}

/** Hands out a directory that is gone afterwards. */
async function inDirectory<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), "quorate-watchers-"));
  try {
    return await use(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A round of all of them at a time: whatever the machine does meanwhile, it does to all. */
async function runAll(
  settings: Settings,
  command: readonly string[],
  progress: Progress,
): Promise<WatchersSummary[]> {
  const all = settings.topologies.map((topology) => ({ topology, runs: [] as WatchersRun[] }));
  for (let round = 0; round < settings.repeat; round += 1) {
    for (const [i, { topology, runs }] of all.entries()) {
      progress.show(round * all.length + i, settings.repeat * all.length, nameOf(topology));
      const run = await inDirectory((directory) =>
        measureWatchers(topology, { ...settings, command, directory }),
      );
      runs.push(run);
    }
  }
  progress.clear();
  return all.map(({ topology, runs }) => ({ watchers: nameOf(topology), runs }));
}

/** Null when help is asked for. */
function parse(args: readonly string[]): Settings | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      watchers: { type: "string", multiple: true, default: DEFAULTS },
      shape: { type: "string", default: "30x10" },
      rate: { type: "string", default: "200" },
      seconds: { type: "string", default: "10" },
      bytes: { type: "string", default: "1024" },
      nodes: { type: "string", default: "3" },
      repeat: { type: "string", default: "1" },
      behind: { type: "string" },
      creates: { type: "boolean", default: false },
      "checkpoint-mib": { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return null;
  const whole = (name: "rate" | "seconds" | "bytes" | "nodes" | "repeat"): number => {
    if (!/^[1-9]\d*$/.test(values[name])) throw new Error(`--${name} is a whole number above 0`);
    return Number(values[name]);
  };
  const [, connections, outstanding] = /^([1-9]\d*)x([1-9]\d*)$/.exec(values.shape) ?? [];
  if (connections === undefined) throw new Error(`--shape is like 30x10, not ${values.shape}`);
  const wholeOrNull = (name: "behind" | "checkpoint-mib"): number | null => {
    const text = values[name];
    if (text === undefined) return null;
    if (!/^[1-9]\d{0,8}$/.test(text)) throw new Error(`--${name} is a whole number above 0`);
    return Number(text);
  };
  const behind = wholeOrNull("behind");
  const checkpointMiB = wholeOrNull("checkpoint-mib");
  if (behind === null && (values.creates || checkpointMiB !== null)) {
    throw new Error("--creates and --checkpoint-mib go with --behind");
  }
  return {
    topologies: values.watchers.map(parseTopology),
    connections: Number(connections),
    outstanding: Number(outstanding),
    rate: whole("rate"),
    seconds: whole("seconds"),
    bytes: whole("bytes"),
    voters: whole("nodes"),
    repeat: whole("repeat"),
    behind,
    creates: values.creates,
    checkpointMiB,
    json: values.json,
  };
}

function fail(error: unknown, code: number): number {
  process.stderr.write(`watchers: ${error instanceof Error ? error.message : String(error)}\n`);
  return code;
}
