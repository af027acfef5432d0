import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Progress } from "../progress.js";
import { compareTraces, tellingFirst, type Comparison } from "./compare.js";
import { describeDifference, describeStep } from "./describe.js";
import { generate } from "./generator.js";
import { minimise } from "./minimise.js";
import { normalise, type NormalTrace } from "./normalise.js";
import type { Step } from "./steps.js";
import { categoryOf, summaryText, Tally } from "./summary.js";
import { openTarget, type Target } from "./targets.js";
import { TraceFile } from "./trace.js";

const HELP = `pnpm differential --left TARGET --right TARGET [options]

Sends the same random operations to two ensembles, one at a time and with quiet between, and
compares every reply, error, Stat and watch event. Times, ids and zxids are each side's own and are
compared by what they refer to; known differences are counted by name.

  TARGET           zk://HOST:PORT,...   servers that run; all that is in them is deleted
                   zookeeper[:N]        N servers (3) of ZooKeeper's own, started for this
                   quorate[:N]          N servers (3) of Quorate's, started for this
                   embedded[:N]         N nodes (3) of Quorate's within this process
                   trace:FILE           what --record wrote
  --seed N         of the first sequence (1)
  --sequences N    how many, each with a tree of its own (20)
  --steps N        operations of each (500)
  --record FILE    writes what the left side answers; without --right nothing is compared
  --minimise       shrinks the first sequence that differs
  --differences N  how many to print of each sequence (3)
  --summary FILE   writes the summary as JSON
`;

interface Options {
  readonly left: Target;
  readonly right: Target | null;
  readonly record: TraceFile | null;
  readonly seed: number;
  readonly sequences: number;
  readonly steps: number;
  readonly differences: number;
  readonly isMinimising: boolean;
}

interface Compared {
  readonly steps: readonly Step[];
  readonly left: NormalTrace;
  readonly comparison: Comparison;
}

/** @returns the exit code: 0 when nothing differs, 1 otherwise, 2 on wrong usage. */
export async function differentialMain(
  args: readonly string[],
  command: readonly string[],
): Promise<number> {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(args);
    if (values.help !== true && values.left === undefined) throw new Error("--left is missing");
    if (values.help !== true && values.right === undefined && values.record === undefined) {
      throw new Error("--right or --record is missing");
    }
  } catch (error) {
    process.stderr.write(`differential: ${error instanceof Error ? error.message : "wrong use"}\n`);
    return 2;
  }
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  try {
    await using left = await openTarget(values.left ?? "", command);
    await using right = values.right === undefined ? null : await openTarget(values.right, command);
    const record = values.record === undefined ? null : new TraceFile(values.record);
    record?.clear();
    const tally = await run({
      left,
      right,
      record,
      seed: Number(values.seed),
      sequences: Number(values.sequences),
      steps: Number(values.steps),
      differences: Number(values.differences),
      isMinimising: values.minimise === true,
    });
    const summary = tally.summary();
    process.stdout.write(summaryText(summary));
    if (values.summary !== undefined) {
      writeFileSync(values.summary, `${JSON.stringify(summary, null, 2)}\n`);
    }
    return summary.differing.length === 0 ? 0 : 1;
  } catch (error) {
    process.stderr.write(`differential: ${error instanceof Error ? error.message : ""}\n`);
    return 1;
  }
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      left: { type: "string" },
      right: { type: "string" },
      seed: { type: "string", default: "1" },
      sequences: { type: "string", default: "20" },
      steps: { type: "string", default: "500" },
      differences: { type: "string", default: "3" },
      record: { type: "string" },
      summary: { type: "string" },
      minimise: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  }).values;
}

async function run(options: Options): Promise<Tally> {
  const { seed: first, sequences, differences } = options;
  const tally = new Tally();
  const progress = new Progress(process.stderr);
  let isMinimising = options.isMinimising;
  for (let seed = first; seed < first + sequences; seed += 1) {
    progress.show(seed - first, sequences, `seed ${seed}`);
    const compared = await compareSeed(seed, options);
    const { unknown } = compared.comparison;
    tally.add(seed, compared.steps, compared.left, compared.comparison);
    if (unknown.length === 0) continue;
    progress.clear();
    process.stdout.write(`seed ${seed}: ${unknown.length} differences\n`);
    for (const difference of tellingFirst(unknown).slice(0, differences)) {
      process.stdout.write(`${describeDifference(difference, compared.steps)}\n`);
    }
    if (isMinimising) await printMinimised(seed, compared, options);
    isMinimising = false;
  }
  progress.clear();
  return tally;
}

async function compareSeed(seed: number, options: Options): Promise<Compared> {
  return compareSteps(seed, generate(seed, options.steps), options);
}

async function compareSteps(
  seed: number,
  generated: readonly Step[],
  { left, right, record }: Pick<Options, "left" | "right" | "record">,
): Promise<Compared> {
  const ours = await left.trace(seed, generated);
  record?.append(ours);
  // What was recorded may be from an older generator; the other side is asked what that one was.
  const { steps } = ours;
  const normal = normalise(ours);
  if (right === null) return { steps, left: normal, comparison: NOTHING_COMPARED };
  const theirs = await right.trace(seed, steps);
  return { steps, left: normal, comparison: compareTraces(ours, theirs) };
}

const NOTHING_COMPARED: Comparison = { steps: 0, compared: 0, known: new Map(), unknown: [] };

/** Keeps to the first difference's own kind: a sequence with another one explains nothing. */
async function printMinimised(seed: number, compared: Compared, options: Options): Promise<void> {
  const [first] = compared.comparison.unknown;
  if (first === undefined) return;
  const category = categoryOf(first);
  const sides = { left: options.left, right: options.right, record: null };
  const kept = await minimise(compared.steps.slice(0, first.at + 1), async (steps) => {
    const { comparison } = await compareSteps(seed, steps, sides);
    return comparison.unknown.some((one) => categoryOf(one) === category);
  });
  const last = await compareSteps(seed, kept, sides);
  process.stdout.write(`minimised to ${kept.length} operations:\n`);
  for (const [i, step] of kept.entries()) process.stdout.write(`  ${describeStep(i, step)}\n`);
  for (const difference of last.comparison.unknown) {
    process.stdout.write(`${describeDifference(difference, [])}\n`);
  }
}
