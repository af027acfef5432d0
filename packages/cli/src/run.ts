import type { ExitCode } from "./exit-codes.js";
import type { Io } from "./io.js";
import type { LoadParts } from "./server-command.js";

/**
 * Runs one command line. A server process loads what a server needs, and nothing else: the
 * command-line framework and the client are for the other commands.
 */
export async function run(
  args: readonly string[],
  io: Io,
  loadParts: LoadParts,
): Promise<ExitCode> {
  const [name] = args;
  if (name === "help" && args.length > 1) return run([...args.slice(1), "--help"], io, loadParts);
  if (name === "server" || name === "watcher") {
    const { serverCommand } = await import("./server-command.js");
    return serverCommand(name, args.slice(1), io, loadParts);
  }
  const { runCommandLine } = await import("./command-line.js");
  return runCommandLine(args, io);
}
