import type { Argv } from "yargs";
import { checkServers } from "@quorate/client/operator";
import type { RecordedCommand } from "./command-recorder.js";
import { usageError } from "./report.js";

/** Only this option may be given more than once. */
const REPEATABLE = "server";
/** What a timer can wait for, about 24 days. */
const MILLISECONDS_MAX = 2 ** 31 - 1;
/** Commands whose second argument is data, which may look like an option. */
const TAKES_DATA = new Set<unknown>(["create", "set"]);

/**
 * What yargs lets pass, and what is dangerous then: an option without its value is as if it were
 * not there (a write without its condition), a word for a number is NaN, and an option that is
 * given twice is an array in the place of a text.
 */
export function refuseLooseArguments(parser: Argv, command: RecordedCommand | undefined): void {
  const options = command?.options ?? [];
  for (const { name, takesValue } of options) if (takesValue) parser.nargs(name, 1);
  parser.check((argv: Readonly<Record<string, unknown>>) => {
    for (const { name } of options) {
      const value = argv[name];
      if (Array.isArray(value) && name !== REPEATABLE) throw usageError(`--${name} is given twice`);
      if (Number.isNaN(value)) throw usageError(`--${name} is a number`);
    }
    checkTimeout(argv["timeout"]);
    if (Array.isArray(argv[REPEATABLE])) checkServers(argv[REPEATABLE].map(String));
    checkBehindDashes(argv);
    return true;
  });
  parser.updateStrings({
    // Of a number of things yargs takes two forms, which its types do not know.
    "Not enough non-option arguments: got %s, need at least %s": {
      one: "too few arguments: %s of %s",
      other: "too few arguments: %s of %s",
    } as unknown as string,
    "Not enough arguments following: %s": "--%s needs a value",
    "Invalid values:": "wrong value:",
  });
}

/** The version that `--if-version` demands. */
export function parseVersion(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^-?\d{1,10}$/.test(text)) return Number(text);
  const given = JSON.stringify(text.slice(0, 50));
  throw usageError(`--if-version is an integer, as \`stat\` tells it, not ${given}`);
}

function checkTimeout(value: unknown): void {
  if (typeof value !== "number") return;
  if (Number.isInteger(value) && value >= 1 && value <= MILLISECONDS_MAX) return;
  throw usageError(`--timeout is an integer in 1..${MILLISECONDS_MAX}`);
}

function checkBehindDashes(argv: Readonly<Record<string, unknown>>): void {
  const behind = argv["--"];
  if (!Array.isArray(behind) || behind.length === 0) return;
  const [command] = argv["_"] as readonly unknown[];
  const isData = TAKES_DATA.has(command) && argv["data"] === undefined && behind.length === 1;
  if (!isData) throw usageError(`unexpected behind --: ${behind.map(String).join(" ")}`);
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
 * An empty value, or a switch with one: yargs takes the default, or false, in silence.
 * @throws ERR_ARG_VALUE.
 */
export function checkSpelling(args: readonly string[], command: RecordedCommand | undefined): void {
  const options = command?.options ?? [];
  const end = args.indexOf("--");
  const given = end === -1 ? args : args.slice(0, end);
  for (const [i, arg] of given.entries()) {
    const [, name, value] = /^--([a-z-]+)(?:=(.*))?$/s.exec(arg) ?? [];
    const option = options.find((one) => one.name === name);
    if (option === undefined || name === undefined) continue;
    const next = given[i + 1];
    // Of a list, nargs does not ask for one.
    const isAlone = value === undefined && (next === undefined || /^--\D/.test(next));
    if (name === REPEATABLE && isAlone) throw usageError(`--${name} needs a value`);
    if (option.takesValue && value === "") throw usageError(`--${name} needs a value`);
    if (!option.takesValue && value !== undefined && value !== "true" && value !== "false") {
      throw usageError(`--${name} takes no value`);
    }
  }
}
