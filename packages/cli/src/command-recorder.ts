import type { Argv } from "yargs";

/** An option or a positional argument, as far as help and completion tell of it. */
export interface RecordedArgument {
  readonly name: string;
  readonly describe: string;
  readonly takesValue: boolean;
  readonly choices: readonly string[];
}

export interface RecordedCommand {
  readonly name: string;
  readonly describe: string;
  readonly options: readonly RecordedArgument[];
  readonly positionals: readonly RecordedArgument[];
  /** Without the `$0` at its beginning. */
  readonly examples: readonly string[];
}

interface ArgumentSpec {
  readonly type?: string;
  readonly describe?: string;
  readonly choices?: readonly string[];
}

type Builder = (argv: Argv) => unknown;

/**
 * The commands that a function registers with yargs. They are described once, for yargs; what else
 * needs the descriptions (completion, tests of the documents) listens in.
 */
export function recordCommands(register: (parser: Argv) => void): RecordedCommand[] {
  const commands: RecordedCommand[] = [];
  const parser: object = {
    command(usage: string, describe: string, build?: Builder) {
      commands.push({ name: usage.split(" ")[0] ?? "", describe, ...recordOne(build) });
      return parser;
    },
  };
  register(parser as Argv);
  return commands;
}

function recordOne(
  build: Builder | undefined,
): Pick<RecordedCommand, "options" | "positionals" | "examples"> {
  const options: RecordedArgument[] = [];
  const positionals: RecordedArgument[] = [];
  const examples: string[] = [];
  const record = (into: RecordedArgument[], name: string, spec: ArgumentSpec): void => {
    const { type = "string", describe = "", choices = [] } = spec;
    into.push({ name, describe, takesValue: type !== "boolean", choices });
  };
  const argv: object = {
    option(name: string, spec: ArgumentSpec) {
      record(options, name, spec);
      return argv;
    },
    options(specs: Readonly<Record<string, ArgumentSpec>>) {
      for (const [name, spec] of Object.entries(specs)) record(options, name, spec);
      return argv;
    },
    positional(name: string, spec: ArgumentSpec) {
      record(positionals, name, spec);
      return argv;
    },
    example(command: string) {
      examples.push(command.replace(/^\$0 /, ""));
      return argv;
    },
    epilogue: () => argv,
  };
  build?.(argv as Argv);
  return { options, positionals, examples };
}
