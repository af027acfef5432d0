import { parseArgs } from "node:util";
import { formatDistribution } from "../distribution.js";
import { Progress } from "../progress.js";
import { runChaos, type ChaosResult } from "./run-chaos.js";

const HELP = `pnpm chaos [options]

Kills real server processes under load and checks that no acknowledged write is lost, and that
subscribers miss nothing, hear nothing twice and everything in order.

  --rounds N       rounds of kill -9 (50); the leader in every second one
  --writes N       acknowledged writes of a round, at least (1000)
  --samples N      of every other measurement (5)
  --nodes N        voters (3)
  --subscribers N  who follow the committed entries through all rounds (4)
  --seed N         what is killed and when (random)
  --json           print the result as JSON
`;

/** @returns the exit code: 0 when nothing was lost, 1 otherwise, 2 on wrong usage. */
export async function chaosMain(
  args: readonly string[],
  command: readonly string[],
): Promise<number> {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(args);
  } catch (error) {
    process.stderr.write(`chaos: ${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const progress = new Progress(process.stderr);
  const seed = values.seed === undefined ? Date.now() % 1_000_000 : Number(values.seed);
  try {
    const result = await runChaos({
      command,
      rounds: Number(values.rounds),
      writes: Number(values.writes),
      samples: Number(values.samples),
      nodes: Number(values.nodes),
      subscribers: Number(values.subscribers),
      seed,
      onProgress: (done, total, text) => progress.show(done, total, text),
    });
    progress.clear();
    process.stdout.write(
      values.json === true ? `${JSON.stringify(result, null, 2)}\n` : linesOf(result),
    );
    return result.problems.length === 0 ? 0 : 1;
  } catch (error) {
    progress.clear();
    process.stderr.write(`chaos: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      rounds: { type: "string", default: "50" },
      writes: { type: "string", default: "1000" },
      samples: { type: "string", default: "5" },
      nodes: { type: "string", default: "3" },
      subscribers: { type: "string", default: "4" },
      seed: { type: "string" },
      json: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  }).values;
}

function linesOf(result: ChaosResult): string {
  const { gapMs, faults, problems } = result;
  const rows = [
    ["rounds", `${result.rounds} in ${result.seconds} s, seed ${result.seed}`],
    [
      "kill -9",
      Object.entries(faults)
        .map(([fault, n]) => `${fault} ${n}`)
        .join(", "),
    ],
    ["writes", `${result.acknowledged} acknowledged, ${result.unknown} of unknown outcome`],
    ["refused", `${result.refused}; all errors: ${JSON.stringify(result.errors)}`],
    ["subscribers", `${result.subscribers}, to each of which ${result.events} events came`],
    ["digest", `${result.digest} at ${result.digestAt}, equal on all nodes`],
    ["gap: leader killed", formatDistribution(gapMs.leaderKilled)],
    ["gap: other kills", formatDistribution(gapMs.otherKills)],
    ["gap: leader stopped", formatDistribution(gapMs.leaderStopped)],
    ["gap: leader cut off", formatDistribution(gapMs.leaderCutOff)],
    ["gap: planned restart", formatDistribution(gapMs.plannedRestart)],
    ["cold start to write", formatDistribution(result.coldStartMs)],
    [
      "verdict",
      problems.length === 0 ? "nothing lost, nothing missed" : `${problems.length} PROBLEMS`,
    ],
  ];
  const shown = problems.slice(0, 20).map((problem) => `  ${problem}\n`);
  return (
    rows.map(([name = "", value = ""]) => `${name.padEnd(22)}${value}\n`).join("") + shown.join("")
  );
}
