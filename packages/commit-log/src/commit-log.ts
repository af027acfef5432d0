import { resolve } from "node:path";
import {
  assert,
  QuorateError,
  type ChainHash,
  type DurableStore,
  type Logger,
  type Meter,
} from "@quorate/protocol";
import { beginUse, isUsedHere } from "./directory-uses.js";
import { sha256Chain } from "./chain.js";
import { LogLink, linkLost } from "./log-link.js";
import { LogStore } from "./log-store.js";
import { StateLink } from "./state-link.js";
import { withDeadline, type OpenedStore } from "./store-support.js";
import type { OpenedLog, ToLogWorker } from "./worker-messages.js";

export interface CommitLogOptions {
  /** Made when it does not exist. Holds nothing but this store. */
  readonly directory: string;
  /** Must be the protocol's hash: a log is verified by it on open. */
  readonly chainHash: ChainHash;
  readonly logger: Logger;
  readonly meter: Meter;
  /** Bytes of log kept below a finished checkpoint, for cheap diffs. Default 32 MiB. */
  readonly retainedTailBytes?: number;
  /** Bytes of write-ahead log, of either database, at which it is written back. Default 4 MiB. */
  readonly walBytesMax?: number;
  /** How long `close` waits for the disk. Default 5000. */
  readonly diskTimeoutMs?: number;
  /** How long one step of opening may take, such as verifying the log. Default 120 000. */
  readonly openTimeoutMs?: number;
}

/** By directory: threads of a closed store that hang in a disk and still hold its files. */
const abandoned = new Map<string, Promise<unknown>>();

const MIB = 1024 * 1024;
const RETAINED_TAIL_BYTES = 32 * MIB;
const WAL_BYTES_MAX = 4 * MIB;
const DISK_TIMEOUT_MS = 5000;
/** A log within its bound is verified in seconds; what takes so much longer hangs. */
const OPEN_TIMEOUT_MS = 120_000;

/**
 * Opens the durable store of a directory: locked, synced and verified before this resolves.
 * @throws (rejects) ERR_STORE_LOCKED when another process has it, ERR_STORE_SCHEMA when a newer
 *   release wrote it, ERR_STORE_FULL or ERR_STORE_IO when the disk fails meanwhile,
 *   ERR_STORE_TIMEOUT when it hangs in the disk, or a store that this process has closed does.
 */
export async function openCommitLog(options: CommitLogOptions): Promise<DurableStore> {
  const sample = Uint8Array.of(1, 2, 3);
  assert(options.chainHash(sample) === sha256Chain(sample), "the chain hash is the protocol's");
  const { meter, logger, diskTimeoutMs = DISK_TIMEOUT_MS } = options;
  const directory = resolve(options.directory);
  await untilLetGo(directory, diskTimeoutMs);
  if (isUsedHere(directory, "reading")) {
    throw new QuorateError(
      "ERR_STORE_LOCKED",
      "this process reads the store's log: end that first",
    );
  }
  const use = beginUse(directory, "opening");
  const onEnding = (ended: Promise<unknown>, isLate: boolean): void => {
    if (isLate) abandoned.set(directory, ended);
    ended.then(use.end, use.end);
  };
  const log = new LogLink();
  const state = new StateLink();
  try {
    const opened = await openAndRepair(options, log, state);
    use.become("open");
    return new LogStore(log, state, opened, { meter, logger, diskTimeoutMs, onEnding });
  } catch (error) {
    const closed = new QuorateError("ERR_STORE_CLOSED", "the store did not open", { cause: error });
    const ended = Promise.all([log.terminate(), state.terminate(closed)]);
    // A thread that hangs in a disk cannot be ended; whoever opens must not hang with it.
    onEnding(ended, (await withDeadline(ended, diskTimeoutMs)) === "late");
    throw error;
  }
}

/** The lock belongs to a thread: this process would shut itself out. */
async function untilLetGo(directory: string, diskTimeoutMs: number): Promise<void> {
  const ended = abandoned.get(directory);
  if (ended === undefined) return;
  if ((await withDeadline(ended, diskTimeoutMs)) === "late") {
    throw new QuorateError("ERR_STORE_TIMEOUT", "the disk has not let go of the store before", {
      retryable: true,
      details: { directory },
    });
  }
  abandoned.delete(directory);
}

async function openAndRepair(
  options: CommitLogOptions,
  log: LogLink,
  state: StateLink,
): Promise<OpenedStore> {
  const { directory, logger } = options;
  const walBytesMax = options.walBytesMax ?? WAL_BYTES_MAX;
  const opened = await inTime(
    "the log",
    ask(log, {
      kind: "open",
      directory,
      retainedTailBytes: options.retainedTailBytes ?? RETAINED_TAIL_BYTES,
      walBytesMax,
    }),
    options,
  );
  const { problem: rowsProblem, isFullDue } = await inTime(
    "the checkpoint",
    state.request<"open">({ op: "open", directory, rows: opened.checkpoint, walBytesMax }),
    options,
  );
  const problems = [...opened.problems, ...(rowsProblem === null ? [] : [rowsProblem])];
  if (problems.length === 0) return { log: opened, isFullDue };
  const isCheckpointLost = rowsProblem !== null;
  const repairing = ask(log, { kind: "repair", problems, isCheckpointLost });
  const repaired = await inTime("the repair of the log", repairing, options);
  if (isCheckpointLost) {
    await inTime("the new checkpoint file", state.request<"reset">({ op: "reset" }), options);
  }
  logger.error("the store is damaged and has a new identity", {
    problems,
    identity: repaired.identity,
    before: opened.identity,
  });
  return { log: repaired, isFullDue: isFullDue && !isCheckpointLost };
}

/** @throws (rejects) ERR_STORE_TIMEOUT; what the step comes to afterwards is nobody's business. */
async function inTime<T>(what: string, step: Promise<T>, options: CommitLogOptions): Promise<T> {
  const { directory, logger, diskTimeoutMs = DISK_TIMEOUT_MS } = options;
  const { openTimeoutMs = OPEN_TIMEOUT_MS } = options;
  const warning = setTimeout(() => {
    logger.warn("the store is still being opened: it is large, or its disk hangs", {
      what,
      directory,
    });
  }, diskTimeoutMs);
  try {
    const outcome = await withDeadline(step, openTimeoutMs);
    if (outcome !== "late") return outcome;
  } finally {
    clearTimeout(warning);
  }
  // Its threads are ended next, which may refuse it.
  step.catch(() => undefined);
  const text = `the disk did not give ${what} of ${directory} within ${openTimeoutMs} ms`;
  throw new QuorateError("ERR_STORE_TIMEOUT", text, { retryable: true, details: { directory } });
}

function ask(log: LogLink, message: ToLogWorker): Promise<OpenedLog> {
  return new Promise((done, reject) => {
    log.listen({
      onMessage: (answer) => {
        if (answer.kind === "opened") done(answer.log);
        else if (answer.kind === "failed") {
          const { code, message: text, retryable } = answer;
          reject(new QuorateError(code, text, { retryable }));
        }
      },
      onLost: (error) => reject(linkLost(error)),
    });
    log.send(message);
  });
}
