import { setTimeout as pause } from "node:timers/promises";
import { printJson, type ClientArgs } from "./client-commands.js";
import { ExitCode } from "./exit-codes.js";
import type { Io } from "./io.js";
import { usageError } from "./report.js";
import { gatherStatus, type StatusRow } from "./status-rows.js";
import { liveLine, liveTable, plainTable } from "./status-table.js";

export interface StatusArgs extends ClientArgs {
  readonly follow: boolean;
  /** Milliseconds between two looks. */
  readonly interval: number;
}

const INTERVAL_MS_MIN = 100;

export async function statusCommand(args: StatusArgs, io: Io): Promise<ExitCode> {
  if (args.server.length === 0) throw usageError("QUORATE_SERVER names no server");
  if (args.follow) return followStatus(args, io);
  const nodes = await gatherStatus(args.server, args.timeout);
  if (args.json) printJson(io, { nodes });
  else io.out(textOf(plainTable(nodes)));
  const isAnyReachable = nodes.some((node) => node.role !== "unreachable");
  return isAnyReachable ? ExitCode.done : ExitCode.unreachable;
}

/** Looks again and again until it is stopped: it is there to watch nodes go and come back. */
async function followStatus(args: StatusArgs, io: Io): Promise<ExitCode> {
  if (!(args.interval >= INTERVAL_MS_MIN && args.interval <= 3_600_000)) {
    throw usageError(`--interval is ${INTERVAL_MS_MIN} to 3600000 milliseconds`);
  }
  const stop = new AbortController();
  const stopListening = io.onStopSignal(() => stop.abort());
  const show = args.json ? showJson : canDraw(io) ? createScreen() : showLines;
  try {
    while (!stop.signal.aborted) {
      const from = performance.now();
      const nodes = await gatherStatus(args.server, args.timeout);
      // Told to stop while it asked, it has nothing more to say.
      if (stop.signal.aborted) break;
      show(nodes, io);
      const rest = Math.max(0, args.interval - (performance.now() - from));
      await pause(rest, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  } finally {
    stopListening();
    if (show !== showJson && show !== showLines) io.out(WRAP);
  }
  return ExitCode.done;
}

/** A terminal that can go back a line, and an output that is one. */
function canDraw({ isTerminal, env }: Io): boolean {
  return isTerminal && env["TERM"] !== "dumb";
}

type Show = (nodes: readonly StatusRow[], io: Io) => void;

const showJson: Show = (nodes, io) => {
  printJson(io, { time: new Date().toISOString(), nodes });
};

const showLines: Show = (nodes, io) => {
  const time = new Date().toISOString().slice(11, 23);
  io.out(textOf(nodes.map((node) => `${time}  ${liveLine(node)}`)));
};

/** A line that wrapped would not be overwritten whole. */
const NO_WRAP = "\u001b[?7l";
const WRAP = "\u001b[?7h";

/** Draws each table over the one before. */
function createScreen(): Show {
  let height = 0;
  return (nodes, io) => {
    const lines = liveTable(nodes);
    const back = height === 0 ? NO_WRAP : `\u001b[${height}A\u001b[J`;
    height = lines.length;
    io.out(back + textOf(lines));
  };
}

function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}
