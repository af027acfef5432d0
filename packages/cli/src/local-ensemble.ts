import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, openSync, closeSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Io } from "./io.js";
import type { Addresses } from "./used-ports.js";

/**
 * How a server process is best run: a small young generation and few arenas of the C library keep
 * some 25 MiB off it under load, and cost no time (docs/benchmarks.md). Neither can be set from
 * within a process.
 */
export const SERVER_NODE_FLAGS: readonly string[] = ["--max-semi-space-size=2"];
export const SERVER_ENVIRONMENT = { MALLOC_ARENA_MAX: "2" } as const;

export interface LocalNode {
  readonly id: number;
  readonly requestAddr: string;
  readonly configFile: string;
  readonly logFile: string;
}

/** Where the nodes of a local ensemble are. */
export function addressesOf(count: number, firstPort: number): Addresses[] {
  const ids = Array.from({ length: count }, (_, i) => i + 1);
  return ids.map((id) => ({
    id,
    requestAddr: `127.0.0.1:${firstPort + id - 1}`,
    messageAddr: `127.0.0.1:${firstPort + id + 9}`,
    electionAddr: `127.0.0.1:${firstPort + id + 19}`,
  }));
}

/** Writes one directory, with configuration, data and log, for each node. */
export function layOut(directory: string, peers: readonly Addresses[]): LocalNode[] {
  return peers.map(({ id, requestAddr }) => {
    const home = join(directory, String(id));
    mkdirSync(home, { recursive: true });
    const configFile = join(home, "config.json");
    const config = { nodeId: id, cluster: "local", dataDir: join(home, "store"), peers };
    writeFileSync(configFile, `${JSON.stringify(config, null, 2)}\n`);
    return { id, requestAddr, configFile, logFile: join(home, "node.log") };
  });
}

export interface LocalProcess {
  readonly node: LocalNode;
  /** Resolves when it has ended, with its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>;
  kill(signal: NodeJS.Signals): void;
}

/** Starts a node as a process of its own; its log goes to its file. */
export function startProcess(node: LocalNode, io: Io): LocalProcess {
  const log = openSync(node.logFile, "a");
  const [executable, ...leading] = io.self;
  let child: ChildProcess;
  try {
    child = spawn(
      executable,
      [...SERVER_NODE_FLAGS, ...leading, "server", "--config", node.configFile],
      {
        stdio: ["ignore", log, log],
        // A terminal sends Ctrl-C to a whole group: the nodes are told by us, once.
        detached: true,
        env: {
          ...SERVER_ENVIRONMENT,
          ...io.env,
          QUORATE_LOG_FORMAT: io.env["QUORATE_LOG_FORMAT"] ?? "human",
        },
      },
    );
  } finally {
    closeSync(log);
  }
  const ended = new Promise<number | string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(code ?? signal ?? "unknown"));
  });
  return { node, ended, kill: (signal) => void child.kill(signal) };
}

const TAIL_CHARS = 2000;

/** The last lines of a node's log, for someone who wonders why it ended. */
export function tailOf(node: LocalNode, lines: number): string[] {
  try {
    const text = readFileSync(node.logFile, "utf8").slice(-TAIL_CHARS);
    return text
      .split("\n")
      .filter((line) => line !== "")
      .slice(-lines);
  } catch (error) {
    return [`(no log: ${String(error)})`];
  }
}
