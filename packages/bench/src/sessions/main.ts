import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ProcessEnsemble, ZookeeperEnsemble } from "@quorate/testkit/processes";
import { Progress } from "../progress.js";
import { runConcurrently } from "./concurrent-run.js";
import { faults, type Fault } from "./faults.js";
import { runIdle } from "./idle-run.js";
import { runSyncReads } from "./sync-read.js";
import { quorateVictims, zookeeperVictims, type Victims } from "./victims.js";

const HELP = `pnpm sessions [options]

Sessions of ZooKeeper's protocol while real servers are killed and stopped. Three parts:
concurrent   many requests of many sessions at once; what each of them sees is held against what a
             session is promised: order, own writes, zxids that never go back, watches that fire
             once and before the change shows
sync         a counter that one session writes; others do sync and read, and must not see less than
             was acknowledged before
idle         many sessions with an ephemeral and a watch each, that do nothing: what they cost, and
             that none is lost while leaders are killed

  --target NAME    quorate (default) or zookeeper: three servers, started for this
  --part NAME      concurrent, sync, both of these (default), or idle
  --rounds N       faults of each part (6; idle: 3)
  --round-ms N     between two faults (2000); idle: how long CPU time is measured (20000)
  --faults LIST    of: ${faults.join(", ")}
  --sessions N     (8; idle: 10000)
  --outstanding N  requests of a session at once (16)
  --seed N         (random)
  --json           print the result as JSON
`;

/** @returns the exit code: 0 when every promise was kept, 1 otherwise, 2 on wrong usage. */
export async function sessionsMain(
  args: readonly string[],
  command: readonly string[],
): Promise<number> {
  let options: Options;
  try {
    const values = parse(args);
    if (values.help === true) {
      process.stdout.write(HELP);
      return 0;
    }
    options = optionsOf(values);
  } catch (error) {
    process.stderr.write(`sessions: ${error instanceof Error ? error.message : "wrong use"}\n`);
    return 2;
  }
  const directory = mkdtempSync(join(tmpdir(), "quorate-sessions-"));
  try {
    await using victims = await startVictims(options.target, directory, command);
    return await runParts(victims, options);
  } catch (error) {
    process.stderr.write(`sessions: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      target: { type: "string", default: "quorate" },
      part: { type: "string", default: "both" },
      rounds: { type: "string" },
      "round-ms": { type: "string" },
      faults: { type: "string", default: faults.slice(0, 3).join(",") },
      sessions: { type: "string" },
      outstanding: { type: "string", default: "16" },
      seed: { type: "string" },
      json: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  }).values;
}

type Part = "concurrent" | "sync" | "idle";

/** Without options of its own; idle sessions are cheap, and what they cost is told by many. */
const usual = { rounds: 6, "round-ms": 2_000, sessions: 8 };
const usualIdle = { rounds: 3, "round-ms": 20_000, sessions: 10_000 };

interface Options {
  readonly target: "quorate" | "zookeeper";
  readonly parts: readonly Part[];
  readonly rounds: number;
  readonly roundMs: number;
  readonly faults: readonly [Fault, ...Fault[]];
  readonly sessions: number;
  readonly outstanding: number;
  readonly seed: number;
  readonly isJson: boolean;
}

function optionsOf(values: ReturnType<typeof parse>): Options {
  const { target, part } = values;
  if (target !== "quorate" && target !== "zookeeper") throw new Error(`no target ${target}`);
  const parts = partsOf(part);
  const defaults = part === "idle" ? usualIdle : usual;
  const [first, ...others] = values.faults.split(",").map((name) => {
    const found = faults.find((fault) => fault === name.trim());
    if (found === undefined) throw new Error(`no fault ${name}`);
    return found;
  });
  if (first === undefined) throw new Error("no fault is named");
  return {
    target,
    parts,
    rounds: Number(values.rounds ?? defaults.rounds),
    roundMs: Number(values["round-ms"] ?? defaults["round-ms"]),
    faults: [first, ...others],
    sessions: Number(values.sessions ?? defaults.sessions),
    outstanding: Number(values.outstanding),
    seed: values.seed === undefined ? Date.now() % 1_000_000 : Number(values.seed),
    isJson: values.json === true,
  };
}

function partsOf(name: string): readonly Part[] {
  if (name === "both") return ["concurrent", "sync"];
  if (name === "concurrent" || name === "sync" || name === "idle") return [name];
  throw new Error(`no part ${name}`);
}

async function startVictims(
  target: Options["target"],
  directory: string,
  command: readonly string[],
): Promise<Victims> {
  if (target === "quorate") {
    const config = { zookeeper: { maxClientCnxns: 0 } };
    const ensemble = await ProcessEnsemble.create({ command, directory, count: 3, config });
    ensemble.start();
    await ensemble.untilReady();
    return quorateVictims(ensemble);
  }
  const config = {
    minSessionTimeout: 1_000,
    maxSessionTimeout: 60_000,
    syncLimit: 6,
    maxClientCnxns: 0,
  };
  const ensemble = await ZookeeperEnsemble.create({ directory, config });
  ensemble.start();
  await ensemble.untilReady();
  return zookeeperVictims(ensemble);
}

/** Long enough that no fault expires a session. */
const TIMEOUT_MS = 30_000;
const SETTLE_MS = 5_000;
const NOTIFIED_MS = 30_000;

async function runParts(victims: Victims, options: Options): Promise<number> {
  const progress = new Progress(process.stderr);
  const { rounds, sessions } = options;
  const common = {
    ...options,
    victims,
    timeoutMs: TIMEOUT_MS,
    onRound: (done: number, text: string): void => progress.show(done, rounds, text),
  };
  const results: Record<string, Readonly<Record<string, unknown>>> = {};
  let broken = 0;
  for (const part of options.parts) {
    if (part === "concurrent") {
      const result = await runConcurrently(common);
      broken += result.problems.length;
      results[part] = { ...result };
    } else if (part === "idle") {
      const times = { idleMs: options.roundMs, settleMs: SETTLE_MS, notifiedMs: NOTIFIED_MS };
      const result = await runIdle({ ...common, ...times });
      broken += result.problems.length;
      results[part] = { ...result };
    } else {
      const result = await runSyncReads({ ...common, readers: sessions });
      broken += result.problems.length + result.stale.length;
      results[part] = { ...result };
    }
    progress.clear();
  }
  process.stdout.write(
    options.isJson
      ? `${JSON.stringify({ seed: options.seed, ...results }, null, 2)}\n`
      : textOf(options, results),
  );
  return broken === 0 ? 0 : 1;
}

function textOf(
  { seed, target }: Options,
  results: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
): string {
  const row = (name: string, value: string): string => `${name.padEnd(22)}${value}\n`;
  const lines = Object.entries(results).flatMap(([part, result]) =>
    Object.entries(result).map(([name, value]) =>
      Array.isArray(value) && value.some((one) => typeof one === "string")
        ? row(`${part} ${name}`, `${value.length}`) +
          value.map((text) => `  ${String(text)}\n`).join("")
        : row(`${part} ${name}`, String(value)),
    ),
  );
  return row("target", `${target}, seed ${seed}`) + lines.join("");
}
