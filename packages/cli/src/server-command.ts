import { loadConfig, runNode, type NodeParts } from "@quorate/node";
import { EXIT_CODES_HELP, ExitCode } from "./exit-codes.js";
import type { Io } from "./io.js";
import { reportError, reportUsage } from "./report.js";
import { configSources, parseServerArgs, serverOptionsHelp } from "./server-options.js";

export const SERVER_HELP = `quorate server --config FILE
quorate server --zoo-cfg FILE

Runs one node in the foreground. Settings: flag over QUORATE_* environment variable over file over
default; \`quorate config explain\` shows each and where it comes from. Ends on SIGTERM or SIGINT
within two seconds with code 0: it drains and hands over first. On requestAddr it serves HTTP,
native clients and ZooKeeper's own, unchanged: see docs/zookeeper.md.

Options:
${serverOptionsHelp()}

Examples:
  quorate server --config /etc/quorate/node1.json
  quorate server --zoo-cfg /etc/zookeeper/zoo.cfg --secret-file /etc/quorate/secret
  QUORATE_NODE_ID=2 quorate server --config shared.json --data-dir /var/lib/quorate

${EXIT_CODES_HELP}
`;

export const WATCHER_HELP = `quorate watcher --config FILE

Runs one watcher in the foreground: a node that follows whoever leads, votes nowhere and counts in
no quorum, answers reads and forwards writes. It is \`quorate server --role watcher\`. With
--upstreams it follows other nodes in place of the leader: a tree of watchers costs it one stream.
The file must list this node in peers with the role watcher, or give it a host: the three addresses
that it binds. docs/cli.md has one for the ensemble of \`quorate start\`.

Options:
${serverOptionsHelp()}

Examples:
  quorate watcher --config /etc/quorate/node4.json
  quorate watcher --config shared.json --node-id 5 --data-dir /var/lib/quorate --upstreams 4

${EXIT_CODES_HELP}
`;

/** Draining and handing over must not outlast this: the process ends within two seconds. */
const STOP_MS_MAX = 1800;

const VOTER_TEXT = "--role voter does not go with `quorate watcher`";

/** Loads the parts that a server process needs, and nothing of the other commands. */
export type LoadParts = () => Promise<NodeParts>;

/**
 * `quorate server` and `quorate watcher`. They read their few flags themselves: no command-line
 * framework is loaded.
 */
export async function serverCommand(
  name: "server" | "watcher",
  args: readonly string[],
  io: Io,
  loadParts: LoadParts,
): Promise<ExitCode> {
  let values: ReturnType<typeof parseServerArgs>;
  try {
    values = parseServerArgs(args);
  } catch (error) {
    return reportUsage(io, error instanceof Error ? error.message : String(error), name);
  }
  if (values.help === true) {
    io.out(name === "server" ? SERVER_HELP : WATCHER_HELP);
    return ExitCode.done;
  }
  try {
    const asked = name === "watcher" ? { role: name, ...values } : values;
    const config = loadConfig(configSources(asked, io.env));
    if (name === "watcher" && config.role !== name) return reportUsage(io, VOTER_TEXT, name);
    return await runUntilStopped(await runNode(config, await loadParts()), io);
  } catch (error) {
    return reportError(io, error, false);
  }
}

async function runUntilStopped(
  node: Awaited<ReturnType<typeof runNode>>,
  io: Io,
): Promise<ExitCode> {
  let overdue: NodeJS.Timeout | undefined;
  const stopListening = io.onStopSignal(() => {
    // Everything acknowledged is durable: at worst an election follows instead of a handover. No
    // process.exit: that waits for the threads of the store, and one may hang in the disk for ever.
    overdue = setTimeout(() => {
      io.err("quorate: the disk or a drain did not end in time; killing this process\n");
      process.kill(process.pid, "SIGKILL");
    }, STOP_MS_MAX);
    node.stop().catch((error: unknown) => {
      io.err(`quorate: stopping failed: ${String(error)}\n`);
    });
  });
  const reason = await node.done;
  stopListening();
  clearTimeout(overdue);
  if (reason.kind === "stopped") return ExitCode.done;
  return reportError(io, reason.error, false);
}
