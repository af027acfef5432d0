import yargs, { type Argv } from "yargs";
import { QuorateError } from "@quorate/protocol";
import { addBenchCommand } from "./bench/bench-command-line.js";
import { recordCommands, type RecordedCommand } from "./command-recorder.js";
import * as client from "./client-commands.js";
import { EXIT_CODES_HELP, ExitCode } from "./exit-codes.js";
import { IMPORT_HELP, IMPORT_OPTIONS } from "./import-options.js";
import type { Io } from "./io.js";
import {
  clientOptions,
  createOptions,
  ifVersion,
  linearizable,
  path,
  serverOptions,
  type Done,
} from "./client-options.js";
import { addContractCommands } from "./contract-command-line.js";
import { reportError, usageError } from "./report.js";
import { SERVER_OPTIONS } from "./server-options.js";
import { statusCommand } from "./status-command.js";
import { checkSpelling, dataOf, refuseLooseArguments } from "./strict-arguments.js";

/** Every command but `server`, by yargs. Commands that a script rarely calls are loaded late. */
export async function runCommandLine(args: readonly string[], io: Io): Promise<ExitCode> {
  let exit: ExitCode = ExitCode.done;
  const json = args.includes("--json");
  const done = async (work: Promise<ExitCode | void>): Promise<void> => {
    exit = (await work) ?? ExitCode.done;
  };
  const parser = yargs([])
    .scriptName("quorate")
    .usage("$0 <command>\n\nA coordination service with ZooKeeper's guarantees.")
    .epilogue(EXIT_CODES_HELP)
    .strict()
    // Each option has one spelling: --no-config and --timeout.a are mistakes, and told as such.
    .parserConfiguration({ "boolean-negation": false, "dot-notation": false, "populate--": true })
    .demandCommand(1, "a command is needed")
    .version("0.1.0")
    .wrap(100)
    .exitProcess(false)
    .fail((message: string | null, error: Error | undefined) => {
      // A command's own error comes without a message; what yargs finds is about the usage.
      const isOurs = error instanceof QuorateError || (error !== undefined && message === null);
      throw isOurs ? error : usageError(`${oneLine(message ?? "wrong usage")}; try ${help}`);
    });
  const commands = describeCommands(io);
  const command = commands.find(({ name }) => name === args[0]);
  const help = command === undefined ? "--help" : `quorate ${command.name} --help`;
  addCommands(parser, io, done);
  refuseLooseArguments(parser, command);
  try {
    await refuseUnknown(args[0], commands);
    checkSpelling(args, command);
    await parser.parseAsync([...args], {}, (_error, _argv, output) => {
      if (output !== "") io.out(`${output}\n`);
    });
    return exit;
  } catch (error) {
    return reportError(io, error, json);
  }
}

function oneLine(message: string): string {
  return message.replaceAll(/\s*\n\s*/g, " ");
}

/** In a sentence of its own: yargs says either that it is unknown or what may be meant. */
async function refuseUnknown(
  name: string | undefined,
  commands: readonly RecordedCommand[],
): Promise<void> {
  const known = [...commands.map((command) => command.name), "help"];
  if (name === undefined || name.startsWith("-") || known.includes(name)) return;
  const { nearestOf } = await import("@quorate/node");
  const nearest = nearestOf(name, known);
  const hint = nearest === undefined ? "try --help" : `did you mean ${nearest}?`;
  throw usageError(`unknown command ${name}; ${hint}`);
}

/** Every command, as help, completion and the tests of the documents tell of it. */
export function describeCommands(io: Io): RecordedCommand[] {
  return recordCommands((parser) => addCommands(parser, io, async () => undefined));
}

function addCommands(parser: Argv, io: Io, done: Done): void {
  addClusterCommands(parser, io, done);
  addWriteCommands(parser, io, done);
  addReadCommands(parser, io, done);
  addWatchCommand(parser, io, done);
  addContractCommands(parser, io, done);
  addLogCommand(parser, io, done);
  addImportCommand(parser, io, done);
  addBenchCommand(parser, io, done);
  addElectCommand(parser, io, done);
  addConfigCommand(parser, io, done);
  addCompletionCommand(parser, io, done);
}

function addClusterCommands(parser: Argv, io: Io, done: Done): void {
  parser
    .command(
      "start",
      "Run a local ensemble of three server processes until Ctrl-C",
      (command) =>
        command
          .epilogue(EXIT_CODES_HELP)
          .option("data-dir", { type: "string", default: "quorate-data", describe: "Their data" })
          .option("nodes", { type: "number", default: 3, describe: "How many, 1 to 7" })
          .option("port", {
            type: "number",
            default: 4181,
            describe: "Of the first node's clients; the others follow, and ten and twenty above",
          })
          .option("json", { type: "boolean", describe: "Print JSON", default: false })
          .example("$0 start", "Three nodes; clients at 127.0.0.1:4181 to 4183")
          .example("$0 start --nodes 5 --data-dir /tmp/five", "Five, elsewhere"),
      async (argv) => {
        const { startCommand } = await import("./start-command.js");
        await done(startCommand(argv, io));
      },
    )
    .command(
      "server",
      "Run one node in the foreground; see quorate server --help",
      // It is never parsed here, but by itself without this framework.
      (command) =>
        command
          .options(SERVER_OPTIONS)
          .example("$0 server --config /etc/quorate/node1.json", "From a JSON file"),
    )
    .command(
      "watcher",
      "Run a node that follows and votes nowhere; see quorate watcher --help",
      // As above.
      (command) =>
        command
          .options(SERVER_OPTIONS)
          .example("$0 watcher --config node5.json --upstreams 4", "Below watcher 4"),
    )
    .command(
      "status",
      "Tell the role, epoch and marks of every node",
      (command) =>
        command
          .epilogue(EXIT_CODES_HELP)
          .options(serverOptions(io))
          .option("follow", {
            type: "boolean",
            default: false,
            describe: "Look again and again, with lag, fsync and event-loop delays, until Ctrl-C",
          })
          .option("interval", {
            type: "number",
            default: 1000,
            describe: "With --follow: milliseconds between two looks",
          })
          .example("$0 status --server 127.0.0.1:4181", "All nodes of its ensemble")
          .example("$0 status --follow", "A live table; lines where output is no terminal")
          .example("$0 status --json", "For scripts"),
      (argv) => done(statusCommand(argv, io)),
    );
}

function addWriteCommands(parser: Argv, io: Io, done: Done): void {
  const stdin = { type: "boolean", default: false, describe: "Read the data from stdin" } as const;
  parser
    .command(
      "create <path> [data]",
      "Create a node",
      (command) =>
        command
          .epilogue(EXIT_CODES_HELP)
          .options({ ...clientOptions(io), stdin, ...createOptions })
          .positional("path", path)
          .positional("data", { type: "string", describe: "Its data, as text" })
          .example('$0 create /greeting "hello"', "With data")
          .example("$0 create /jobs/j- --sequential", "Prints its name: /jobs/j-0000000000")
          .example("$0 create /here --ephemeral", "Until Ctrl-C")
          .example("$0 create /blob --stdin < blob.bin", "With bytes"),
      (argv) => done(client.create({ ...argv, data: dataOf(argv) }, io)),
    )
    .command(
      "set <path> [data]",
      "Replace a node's data",
      (command) =>
        command
          .epilogue(EXIT_CODES_HELP)
          .options({ ...clientOptions(io), stdin, "if-version": ifVersion })
          .positional("path", path)
          .positional("data", { type: "string", describe: "Its new data, as text" })
          .example('$0 set /greeting "hello again"', "Whatever its version")
          .example('$0 set /greeting "x" --if-version 3', "Only if nobody else did"),
      (argv) => done(client.set({ ...argv, data: dataOf(argv), ifVersion: argv.ifVersion }, io)),
    )
    .command(
      "delete <path>",
      "Delete a node that has no children",
      (command) =>
        command
          .epilogue(EXIT_CODES_HELP)
          .options({ ...clientOptions(io), "if-version": ifVersion })
          .positional("path", path)
          .example("$0 delete /greeting", "Whatever its version"),
      (argv) => done(client.remove({ ...argv, ifVersion: argv.ifVersion }, io)),
    );
}

function addReadCommands(parser: Argv, io: Io, done: Done): void {
  parser
    .command(
      "get <path>",
      "Print a node's data and nothing else",
      (command) =>
        command
          .epilogue(EXIT_CODES_HELP)
          .options({ ...clientOptions(io), linearizable })
          .positional("path", path)
          .example("$0 get /greeting", "As the node asked has it")
          .example("$0 get /greeting --linearizable", "The newest"),
      (argv) => done(client.get(argv, io)),
    )
    .command(
      "ls <path>",
      "Print the names of a node's children",
      (command) =>
        command
          .epilogue(EXIT_CODES_HELP)
          .options({ ...clientOptions(io), linearizable })
          .positional("path", path)
          .example("$0 ls /", "One name a line"),
      (argv) => done(client.list(argv, io)),
    )
    .command(
      "stat <path>",
      "Print what is known of a node besides its data",
      (command) =>
        command
          .epilogue(EXIT_CODES_HELP)
          .options({ ...clientOptions(io), linearizable })
          .positional("path", path)
          .example("$0 stat /greeting --json", "For scripts"),
      (argv) => done(client.stat(argv, io)),
    );
}

function addWatchCommand(parser: Argv, io: Io, done: Done): void {
  parser.command(
    "watch [prefix]",
    "Print what is committed, as it is, until Ctrl-C",
    (command) =>
      command
        .epilogue(EXIT_CODES_HELP)
        .options({
          ...serverOptions(io),
          timeout: { type: "number", describe: "Milliseconds for it to begin", default: 5000 },
          from: { type: "string", describe: "Behind this txnid, as e7:12; e0:0 is the beginning" },
        })
        .positional("prefix", {
          type: "string",
          describe: "/a covers /a and /a/b; default: everything, broadcasts included",
        })
        .example("$0 watch", "Everything from now on")
        .example("$0 watch /jobs --from e0:0", "All that ever happened below /jobs")
        .example("$0 watch /jobs --json | jq .operations[].path", "For scripts"),
    async (argv) => {
      const { watch } = await import("./watch-command.js");
      await done(watch({ ...argv, prefix: argv.prefix, from: argv.from }, io));
    },
  );
}

function addLogCommand(parser: Argv, io: Io, done: Done): void {
  parser.command(
    "log <action> <dir>",
    "Verify or print a node's log, from its files",
    (command) =>
      command
        .epilogue(EXIT_CODES_HELP)
        .positional("action", {
          choices: ["dump", "verify"] as const,
          demandOption: true,
          describe: "dump prints every entry, verify reads and checks everything",
        })
        .positional("dir", { type: "string", demandOption: true, describe: "Its dataDir" })
        .option("json", { type: "boolean", describe: "Print JSON", default: false })
        .example("$0 log verify quorate-data/1/store", "Is it whole?")
        .example("$0 log dump quorate-data/1/store --json", "One entry a line"),
    async (argv) => {
      const { logCommand } = await import("./log-command.js");
      await done(logCommand(argv, io));
    },
  );
}

function addImportCommand(parser: Argv, io: Io, done: Done): void {
  parser.command(
    "import",
    "Copy a live ZooKeeper's tree into this ensemble, or compare the two",
    (command) =>
      command
        .epilogue(IMPORT_HELP)
        .options({ ...clientOptions(io), ...IMPORT_OPTIONS })
        .example("$0 import --zookeeper zk1:2181,zk2:2181 --dry-run", "What is there?")
        .example("$0 import --zookeeper zk1:2181 --verify", "Is it the same here?"),
    async (argv) => {
      const { importCommand } = await import("./import-command.js");
      const { secretFile, authFile, spoolDir, owners } = argv;
      await done(importCommand({ ...argv, secretFile, authFile, spoolDir, owners }, io));
    },
  );
}

function addConfigCommand(parser: Argv, io: Io, done: Done): void {
  parser.command(
    "config <action>",
    "Check or explain a node's configuration",
    (command) =>
      command
        .epilogue(EXIT_CODES_HELP)
        .positional("action", {
          choices: ["check", "explain"] as const,
          demandOption: true,
          describe: "explain prints each value and where it comes from, check looks for mistakes",
        })
        .options(SERVER_OPTIONS)
        .option("json", { type: "boolean", describe: "Print JSON", default: false })
        .example("$0 config explain --config node1.json", "Each value and its origin")
        .example("$0 config check --zoo-cfg /etc/zookeeper/zoo.cfg", "Would a node take it?"),
    async (argv) => {
      const { configCommand } = await import("./config-command.js");
      await done(Promise.resolve(configCommand(argv, io)));
    },
  );
}

function addCompletionCommand(parser: Argv, io: Io, done: Done): void {
  parser.command(
    "completion <shell>",
    "Print a script that completes commands and options",
    (command) =>
      command
        .epilogue(EXIT_CODES_HELP)
        .positional("shell", {
          choices: ["bash", "zsh", "fish"] as const,
          demandOption: true,
          describe: "Which shell is to read it",
        })
        .example("$0 completion fish | source", "For this session of fish")
        .example("source <($0 completion bash)", "For this session of bash; zsh alike"),
    async (argv) => {
      const { completionScript } = await import("./completion.js");
      io.out(completionScript(argv.shell, describeCommands(io)));
      await done(Promise.resolve());
    },
  );
}

function addElectCommand(parser: Argv, io: Io, done: Done): void {
  parser.command(
    "elect",
    "Elect a leader among processes, with nothing else of Quorate running",
    (command) =>
      command
        .epilogue(
          "Ends on Ctrl-C: it gives up the lead at once and the others elect. Two may believe to " +
            `lead when clocks or processes stall: see docs/election.md.\n\n${EXIT_CODES_HELP}`,
        )
        .options({
          id: { type: "number", describe: "Which of the members this process is" },
          members: {
            type: "string",
            demandOption: true,
            describe: "ID=HOST:PORT,... of all, UDP; the same everywhere",
          },
          cluster: { type: "string", default: "elect", describe: "Keeps elections apart" },
          bind: { type: "string", describe: "HOST:PORT to listen at, if not the member's" },
          rank: { type: "string", default: "0", describe: "The greatest wins, then the id" },
          "secret-file": {
            type: "string",
            describe: "Authenticates; needed unless all is loopback",
          },
          exec: { type: "string", describe: "A shell command to run while leading" },
          once: { type: "boolean", default: false, describe: "Print who leads and exit" },
          timeout: { type: "number", default: 5000, describe: "Of --once, in milliseconds" },
          json: { type: "boolean", default: false, describe: "One JSON object a line" },
        })
        .example("$0 elect --id 1 --members $M", "M=1=127.0.0.1:7001,2=127.0.0.1:7002,...")
        .example("$0 elect --id 2 --members $M --exec ./work.sh", "One worker at a time")
        .example("$0 elect --members $M --once --json", "Who leads?"),
    async (argv) => {
      const { electCommand } = await import("./elect-command.js");
      await done(electCommand(argv, io));
    },
  );
}
