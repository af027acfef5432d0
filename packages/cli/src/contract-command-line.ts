import type { Argv } from "yargs";
import { ACL_FORM } from "./acl-text.js";
import { clientOptions, linearizable, path, SESSION_TIMEOUT, type Done } from "./client-options.js";
import { EXIT_CODES_HELP } from "./exit-codes.js";
import type { Io } from "./io.js";

/** The commands for the parts of the contract that no other verb has. */
export function addContractCommands(parser: Argv, io: Io, done: Done): void {
  addAclCommands(parser, io, done);
  addMultiCommand(parser, io, done);
  addSessionCommands(parser, io, done);
}

function addAclCommands(parser: Argv, io: Io, done: Done): void {
  parser
    .command(
      "getacl <path>",
      "Print who may do what with a node",
      (command) =>
        command
          .epilogue(EXIT_CODES_HELP)
          .options({
            ...clientOptions(io),
            linearizable,
          })
          .positional("path", path)
          .example("$0 getacl /greeting", "One entry a line, as setacl takes it"),
      async (argv) => {
        const { getAcl } = await import("./contract-commands.js");
        await done(getAcl(argv, io));
      },
    )
    .command(
      "setacl <path> <acl>",
      "Say who may do what with a node",
      (command) =>
        command
          .epilogue(EXIT_CODES_HELP)
          .options({
            ...clientOptions(io),
            "if-version": { type: "string", describe: "Refuse unless its ACL has this version" },
          })
          .positional("path", path)
          .positional("acl", { type: "string", demandOption: true, describe: ACL_FORM })
          .example("$0 setacl /greeting world:anyone:r", "Everybody reads, nobody writes")
          .example("$0 setacl /mine auth::cdrwa --auth-file me", "All to whoever `me` proves"),
      async (argv) => {
        const { setAcl } = await import("./contract-commands.js");
        await done(setAcl({ ...argv, ifVersion: argv.ifVersion }, io));
      },
    );
}

function addMultiCommand(parser: Argv, io: Io, done: Done): void {
  parser.command(
    "multi [operations..]",
    "Do several things at once, or none of them",
    (command) =>
      command
        .epilogue(EXIT_CODES_HELP)
        .options({
          ...clientOptions(io),
          stdin: { type: "boolean", default: false, describe: "Read operations, one a line" },
        })
        .positional("operations", {
          type: "string",
          array: true,
          describe: "create PATH [DATA], set PATH DATA [VERSION], delete|check PATH [VERSION]",
        })
        .example('$0 multi "check /a 3" "set /b new" "delete /c"', "All or none")
        .example("$0 multi --stdin < operations.jsonl", '{"kind":"set","path":"/b","data":"x"}'),
    async (argv) => {
      const { multi } = await import("./contract-commands.js");
      await done(multi({ ...argv, operations: argv.operations ?? [] }, io));
    },
  );
}

function addSessionCommands(parser: Argv, io: Io, done: Done): void {
  parser
    .command(
      "watch-node <path>",
      "Print the changes of one node that a watch is told, once or until Ctrl-C",
      (command) =>
        command
          .epilogue(EXIT_CODES_HELP)
          .options({
            ...clientOptions(io),
            kind: {
              type: "string",
              default: "persistent",
              choices: ["data", "children", "persistent", "recursive"],
              describe: "data and children tell once",
            },
          })
          .positional("path", path)
          .example("$0 watch-node /job --kind data", "Until it changes")
          .example("$0 watch-node /jobs --kind recursive --json", "And all below it, for scripts"),
      async (argv) => {
        const { watchNode } = await import("./contract-commands.js");
        await done(watchNode(argv, io));
      },
    )
    .command(
      "session [action]",
      "Hold a session open until Ctrl-C, or list those of the ensemble",
      (command) =>
        command
          .epilogue(EXIT_CODES_HELP)
          .options({ ...clientOptions(io), "session-timeout": SESSION_TIMEOUT })
          .positional("action", {
            type: "string",
            choices: ["hold", "list"] as const,
            default: "hold" as const,
            describe: "Hold one and tell its states, or list all with their nodes",
          })
          .example("$0 session --session-timeout 4000", "As a client that only lives")
          .example("$0 session list --json", "Of the whole ensemble, for scripts"),
      async (argv) => {
        if (argv.action === "list") {
          const { listSessions } = await import("./session-list.js");
          await done(listSessions(argv, io));
          return;
        }
        const { holdSession } = await import("./contract-commands.js");
        await done(holdSession(argv, io));
      },
    )
    .command(
      "shell",
      "Speak to the ensemble line by line, in one session",
      (command) =>
        command
          .epilogue(EXIT_CODES_HELP)
          .options({ ...clientOptions(io), "session-timeout": SESSION_TIMEOUT })
          .example("$0 shell", "With history and completion; `help` tells the verbs")
          .example("$0 shell < script", "Line by line; the first that fails ends it"),
      async (argv) => {
        const { shellCommand } = await import("./shell/shell-command.js");
        await done(shellCommand(argv, io));
      },
    );
}
