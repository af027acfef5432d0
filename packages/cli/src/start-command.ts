import { resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fetchStatus } from "@quorate/client";
import { printJson } from "./client-commands.js";
import { ExitCode } from "./exit-codes.js";
import type { Io } from "./io.js";
import {
  addressesOf,
  layOut,
  startProcess,
  tailOf,
  type LocalNode,
  type LocalProcess,
} from "./local-ensemble.js";
import { usageError } from "./report.js";
import { refuseUsedPorts } from "./used-ports.js";

export interface StartArgs {
  readonly dataDir: string;
  readonly nodes: number;
  readonly port: number;
  readonly json: boolean;
}

/** Between two looks at the nodes. */
const LOOK_MS = 100;
/** A commit mark that moves is printed this often at most; roles and epochs at once. */
const MARK_MS = 1000;
/** The nodes end within two seconds of being told; then they are killed. */
const STOP_MS_MAX = 3000;

/**
 * `quorate start`: a local ensemble of server processes, until a signal.
 * @throws (rejects) ERR_SERVER_PORT_IN_USE.
 */
export async function startCommand(args: StartArgs, io: Io): Promise<ExitCode> {
  check(args);
  const directory = resolve(args.dataDir);
  const addresses = addressesOf(args.nodes, args.port);
  await refuseUsedPorts(addresses);
  const nodes = layOut(directory, addresses);
  let stopped = (): void => undefined;
  const stop = new Promise<void>((resolve) => (stopped = resolve));
  const stopListening = io.onStopSignal(() => stopped());
  const processes = nodes.map((node) => startProcess(node, io));
  const tell = teller(args.json, io);
  tell(welcomeText(nodes, directory), {
    event: "started",
    dataDir: directory,
    nodes: nodes.map(({ id, requestAddr }) => ({ id, requestAddr })),
  });
  const watching = new AbortController();
  const watched = watch(nodes, tell, watching.signal);
  // A node that ends by itself does not stop the others; all of them ending does.
  const allEnded = Promise.all(processes.map((process) => tellEnd(process, watching.signal, io)));
  const codes = await Promise.race([stop.then(() => null), allEnded]);
  watching.abort();
  await watched;
  if (codes !== null) {
    stopListening();
    return exitCodeOfAll(codes);
  }
  tell("stopping\n", { event: "stopping" });
  await stopAll(processes);
  stopListening();
  tell("stopped\n", { event: "stopped" });
  return ExitCode.done;
}

function check({ nodes, port }: StartArgs): void {
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > 7) throw usageError("--nodes is 1 to 7");
  if (!Number.isInteger(port) || port < 1 || port > 65_500) {
    throw usageError("--port is 1 to 65500");
  }
}

/** Says something to people, or the same to a program: one object a line. */
type Tell = (text: string, event: Readonly<Record<string, unknown>>) => void;

function teller(json: boolean, io: Io): Tell {
  return (text, event) => {
    if (json) printJson(io, { time: new Date().toISOString(), ...event });
    else io.out(text);
  };
}

function welcomeText(nodes: readonly LocalNode[], directory: string): string {
  const first = nodes[0]?.requestAddr ?? "";
  return [
    `${nodes.length} nodes, data and logs in ${directory}`,
    ...nodes.map(({ id, requestAddr }) => `  node ${id}  ${requestAddr}`),
    "try:",
    `  quorate create /greeting hello --server ${first}`,
    `  quorate get /greeting --server ${nodes.at(-1)?.requestAddr ?? first}`,
    `  quorate status --server ${first}      or http://${first}/status`,
    "(quorate is `node packages/cli/dist/main.js`). Ctrl-C ends them.",
    "",
  ].join("\n");
}

/** Prints roles, epochs and commit marks as they change. */
async function watch(nodes: readonly LocalNode[], tell: Tell, signal: AbortSignal): Promise<void> {
  await Promise.all(nodes.map((node) => watchNode(node, tell, signal)));
}

async function watchNode(node: LocalNode, tell: Tell, signal: AbortSignal): Promise<void> {
  let state = "";
  let mark = "";
  let markAt = 0;
  while (!signal.aborted) {
    const seen = await look(node);
    // Its port is not open yet.
    if (state === "" && seen.state === "unreachable") seen.state = "starting";
    const isNew = seen.state !== state;
    const isMarkDue = seen.mark !== mark && performance.now() - markAt >= MARK_MS;
    if (!signal.aborted && (isNew || isMarkDue)) {
      state = seen.state;
      mark = seen.mark;
      markAt = performance.now();
      const time = new Date().toISOString().slice(11, 23);
      const committed = mark === "" ? "" : `committed ${mark}`;
      tell(`${time}  node ${node.id}  ${state.padEnd(16)}${committed}\n`, {
        event: "node",
        id: node.id,
        state: seen.state,
        committed: mark === "" ? null : mark,
      });
    }
    await pause(LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
}

async function look(node: LocalNode): Promise<{ state: string; mark: string }> {
  try {
    const status = await fetchStatus(node.requestAddr, { timeoutMs: 1000 });
    if (status.standing === "starting") return { state: "starting", mark: "" };
    return { state: `${status.role} e${status.epoch}`, mark: status.lastCommitted };
  } catch {
    // Whether it is not there yet or not any more, the caller knows.
    return { state: "unreachable", mark: "" };
  }
}

async function tellEnd(
  { node, ended }: LocalProcess,
  signal: AbortSignal,
  io: Io,
): Promise<number | string> {
  const code = await ended;
  if (!signal.aborted) {
    const how = typeof code === "number" ? `with code ${code}` : `by ${code}`;
    io.err(`quorate: node ${node.id} ended ${how}; the end of ${node.logFile}:\n`);
    for (const line of tailOf(node, 3)) io.err(`  ${line}\n`);
  }
  return code;
}

async function stopAll(processes: readonly LocalProcess[]): Promise<void> {
  for (const process of processes) process.kill("SIGTERM");
  const all = Promise.all(processes.map(({ ended }) => ended));
  // A timer that is left running would keep this process for as long as it waits.
  const patience = new AbortController();
  const { signal } = patience;
  const tooLong = pause(STOP_MS_MAX, false, { signal }).catch(() => true);
  const isOver = await Promise.race([all.then(() => true), tooLong]);
  patience.abort();
  if (isOver) return;
  for (const process of processes) process.kill("SIGKILL");
  await all;
}

/** All ended by themselves: the worst of their codes tells why. */
function exitCodeOfAll(codes: readonly (number | string)[]): ExitCode {
  const known = Object.values(ExitCode).filter((code) => codes.includes(code) && code !== 0);
  return known.at(-1) ?? ExitCode.internal;
}
