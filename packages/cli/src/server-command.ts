import { parseArgs } from "node:util";
import { loadConfig, runNode, type NodeParts } from "@quorate/node";
import { EXIT_CODES_HELP, ExitCode } from "./exit-codes.js";
import type { Io } from "./io.js";
import { reportError, reportUsage } from "./report.js";

export const SERVER_HELP = `quorate server --config FILE

Runs one node in the foreground. Settings: flag over QUORATE_* environment variable over file over
default. Ends on SIGTERM or SIGINT within two seconds with code 0: it drains and hands over first.

Options:
  --config FILE          JSON; see docs/cli.md
  --node-id N            1..254
  --data-dir DIR
  --cluster NAME
  --secret-file FILE
  --log-level LEVEL      error, warn, info or debug
  --log-format FORMAT    auto, human or json
  --trust-empty          counts an empty data directory as a voter; dangerous
  --help

Examples:
  quorate server --config /etc/quorate/node1.json
  QUORATE_NODE_ID=2 quorate server --config shared.json --data-dir /var/lib/quorate

${EXIT_CODES_HELP}
`;

/** Draining and handing over must not outlast this: the process ends within two seconds. */
const STOP_MS_MAX = 1800;

/** Loads the parts that a server process needs, and nothing of the other commands. */
export type LoadParts = () => Promise<NodeParts>;

/** `quorate server`. It reads its few flags itself: no command-line framework is loaded. */
export async function serverCommand(
  args: readonly string[],
  io: Io,
  loadParts: LoadParts,
): Promise<ExitCode> {
  let values: ReturnType<typeof parseServerArgs>;
  try {
    values = parseServerArgs(args);
  } catch (error) {
    return reportUsage(io, error instanceof Error ? error.message : String(error));
  }
  if (values.help === true) {
    io.out(SERVER_HELP);
    return ExitCode.done;
  }
  try {
    const config = loadConfig({
      flags: flagsOf(values),
      env: io.env,
      ...(values.config === undefined ? {} : { file: values.config }),
    });
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
    // Everything acknowledged is durable: at worst an election follows instead of a handover.
    const forced = new Promise<void>((resolve) => {
      overdue = setTimeout(resolve, STOP_MS_MAX);
    });
    void forced.then(() => process.exit(ExitCode.done));
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

function parseServerArgs(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    allowPositionals: false,
    options: {
      config: { type: "string" },
      "node-id": { type: "string" },
      "data-dir": { type: "string" },
      cluster: { type: "string" },
      "secret-file": { type: "string" },
      "log-level": { type: "string" },
      "log-format": { type: "string" },
      "trust-empty": { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  }).values;
}

function flagsOf(values: ReturnType<typeof parseServerArgs>): Record<string, unknown> {
  const nodeId = values["node-id"];
  return {
    nodeId: nodeId === undefined ? undefined : Number(nodeId),
    dataDir: values["data-dir"],
    cluster: values.cluster,
    secretFile: values["secret-file"],
    trustEmpty: values["trust-empty"],
    ...(values["log-level"] === undefined && values["log-format"] === undefined
      ? {}
      : { log: { level: values["log-level"], format: values["log-format"] } }),
  };
}
