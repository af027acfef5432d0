import type { RecordedCommand } from "./command-recorder.js";
import { usageError } from "./report.js";

/** What a timer can wait for, about 24 days. */
const MILLISECONDS_MAX = 2 ** 31 - 1;
const INT32 = { min: -(2 ** 31), max: 2 ** 31 - 1 };

/** Options that may be given several times. */
const LISTS = new Set(["server"]);
/** Commands whose second argument is data, which may look like an option. */
const TAKES_DATA = new Set<unknown>(["create", "set"]);

/**
 * What yargs lets pass: it makes a list of an option that is given twice, and no number of what is
 * none. Either would be taken for something that nobody has asked for.
 * @throws ERR_ARG_VALUE.
 */
export function checkValues(argv: Readonly<Record<string, unknown>>): true {
  for (const [name, value] of Object.entries(argv)) {
    if (name === "_" || name === "--") continue;
    if (Array.isArray(value) && !LISTS.has(name)) throw usageError(`--${name} is given twice`);
    if (typeof value === "number" && !Number.isFinite(value)) {
      throw usageError(`--${name} must be a number`);
    }
  }
  requireWithin(argv, "timeout", { min: 1, max: MILLISECONDS_MAX });
  requireWithin(argv, "if-version", INT32);
  const behind = argv["--"];
  if (!Array.isArray(behind) || behind.length === 0) return true;
  const [command] = argv["_"] as readonly unknown[];
  const isData = TAKES_DATA.has(command) && argv["data"] === undefined && behind.length === 1;
  if (!isData) throw usageError(`unexpected behind --: ${behind.map(String).join(" ")}`);
  return true;
}

function requireWithin(
  argv: Readonly<Record<string, unknown>>,
  name: string,
  { min, max }: { readonly min: number; readonly max: number },
): void {
  const value = argv[name];
  if (typeof value !== "number") return;
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw usageError(`--${name} is an integer in ${min}..${max}`);
}

/** The data of a command, wherever it stands: what begins with a dash stands behind `--`. */
export function dataOf(argv: {
  readonly data?: string | undefined;
  readonly "--"?: unknown;
}): string | undefined {
  const behind: unknown = argv["--"];
  const [first] = Array.isArray(behind) ? (behind as readonly string[]) : [];
  return argv.data ?? first;
}

/**
 * An option without the value that it takes, or a switch with one: yargs takes the default, or
 * false, in silence.
 * @throws ERR_ARG_VALUE.
 */
export function checkSpelling(args: readonly string[], commands: readonly RecordedCommand[]): void {
  const options = commands.find(({ name }) => name === args[0])?.options ?? [];
  const end = args.indexOf("--");
  const given = end === -1 ? args : args.slice(0, end);
  for (const [i, arg] of given.entries()) {
    const [, name, value] = /^--([a-z-]+)(?:=(.*))?$/s.exec(arg) ?? [];
    const option = options.find((one) => one.name === name);
    if (option === undefined || name === undefined) continue;
    const next = given[i + 1];
    if (option.takesValue && value === undefined && (next === undefined || /^--\D/.test(next))) {
      throw usageError(`--${name} needs a value`);
    }
    if (option.takesValue && value === "") throw usageError(`--${name} needs a value`);
    if (!option.takesValue && value !== undefined && value !== "true" && value !== "false") {
      throw usageError(`--${name} takes no value`);
    }
  }
}
