import type { Argv } from "yargs";
import type { RecordedCommand } from "./command-recorder.js";
import { usageError } from "./report.js";

/** Only this option may be given more than once. */
const REPEATABLE = "server";

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
