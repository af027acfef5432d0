import { parentPort } from "node:worker_threads";
import { assert, assertNever } from "@quorate/protocol";
import { LogReader } from "./log-reader.js";
import type { StateDatabase } from "./state-database.js";
import { openState, resetState } from "./state-recovery.js";
import { openErrorOf, readErrorOf } from "./store-errors.js";
import type {
  FromStateWorker,
  RowsRef,
  StateAnswers,
  StateRequest,
  ToStateWorker,
} from "./worker-messages.js";

/** The thread that writes state.db and serves all reads, so that neither delays the log. */

/** Between two steps of tidying: other requests come first. */
const SWEEP_PAUSE_MS = 5;

assert(parentPort !== null, "the state worker runs in a thread");
const port = parentPort;

let directory = "";
let walBytesMax = 0;
let state: StateDatabase | null = null;
let log: LogReader | null = null;
let sweepTimer: NodeJS.Timeout | null = null;

function post(message: FromStateWorker, moved: readonly ArrayBuffer[] = []): void {
  port.postMessage(message, moved);
}

function database(): StateDatabase {
  assert(state !== null, "state.db is open");
  return state;
}

function reader(): LogReader {
  assert(log !== null, "log.db is open");
  return log;
}

function open(rows: RowsRef | null): StateAnswers["open"] {
  log ??= new LogReader(directory);
  const opened = openState(directory, rows, walBytesMax);
  state = opened.state;
  return { problem: opened.problem, isFullDue: state?.isFullDue ?? false };
}

function reset(): null {
  state = resetState(directory, state, walBytesMax);
  return null;
}

function close(): null {
  if (sweepTimer !== null) clearTimeout(sweepTimer);
  sweepTimer = null;
  state?.close();
  log?.close();
  state = null;
  log = null;
  return null;
}

function scheduleSweep(): void {
  sweepTimer ??= setTimeout(() => {
    sweepTimer = null;
    if (state !== null && swept()) scheduleSweep();
  }, SWEEP_PAUSE_MS);
}

function swept(): boolean {
  try {
    return database().sweep();
  } catch (error) {
    const failure = readErrorOf(error);
    const { code, message, retryable } = failure;
    // Removing needs room as well; whoever writes the next checkpoint meets it, and says it.
    if (code !== "ERR_STORE_FULL") post({ kind: "failed", code, message, retryable });
    return false;
  }
}

function answer(request: StateRequest): unknown {
  switch (request.op) {
    case "open":
      directory = request.directory;
      walBytesMax = request.walBytesMax;
      // A load's reads would wait for what a kill left to be removed: its unpin schedules that.
      if (request.rows === null) scheduleSweep();
      return open(request.rows);
    case "reset":
      return reset();
    case "begin":
      return database().begin(request.full) ?? null;
    case "write":
      return database().write(request.rows) ?? null;
    case "finish":
      return database().finish();
    case "discard":
      scheduleSweep();
      return database().discard() ?? null;
    case "current":
      database().become(request.rows);
      scheduleSweep();
      return database().isFullDue;
    case "stage":
      scheduleSweep();
      return database().stage() ?? null;
    case "stageWrite":
      return database().stageWrite(request.rows) ?? null;
    case "stageFinish":
      return database().stageFinish();
    case "stageDrop":
      scheduleSweep();
      return database().dropStage() ?? null;
    case "pin":
      return database().pin(request.pin, request.rows) ?? null;
    case "unpin":
      database().unpin(request.pin);
      scheduleSweep();
      return null;
    case "read":
      return database().read(request.pin, request.bytesMax);
    case "find":
      return reader().find(request.atOrBelow);
    case "readLog":
      return reader().read(request.after, request.upTo, request.bytesMax);
    case "close":
      return close();
    default:
      return assertNever(request, "request");
  }
}

port.on("message", ({ id, request }: ToStateWorker) => {
  try {
    const value = answer(request);
    const moved = value instanceof ArrayBuffer ? [value] : [];
    post({ kind: "answer", id, answer: value }, moved);
  } catch (error) {
    const isOpening = request.op === "open" || request.op === "reset";
    const failure = isOpening ? openErrorOf(error, directory) : readErrorOf(error);
    const { code, message: text, retryable } = failure;
    post({ kind: "refused", id, code, message: text, retryable });
  }
  if (request.op === "close") port.close();
});
