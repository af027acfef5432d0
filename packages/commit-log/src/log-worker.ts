import { parentPort, receiveMessageOnPort } from "node:worker_threads";
import { assert, assertNever, QuorateError } from "@quorate/protocol";
import type Database from "better-sqlite3";
import type { HighWater, HighWaterFile } from "./high-water.js";
import { openLogFiles, repairLog, type OpenLogFiles } from "./log-recovery.js";
import { openErrorOf, storeErrorOf } from "./store-errors.js";
import { acquireLock, makeDirectory } from "./store-files.js";
import type { FromLogWorker, RepairMsg, ToLogWorker } from "./worker-messages.js";

/**
 * The thread that owns log.db: whatever waits becomes one transaction with one fsync. It also
 * holds the directory's lock, so that the lock lives exactly as long as the writer.
 */

type WriteMsg = Extract<ToLogWorker, { readonly kind: "write" }>;
type OpenMsg = Extract<ToLogWorker, { readonly kind: "open" }>;

/** Bytes of blocks in one transaction; what waits beyond it takes the next one. */
const TRANSACTION_BYTES_MAX = 16 * 1024 * 1024;
/** What a transaction adds to the WAL beside its blocks: about three pages. */
const TRANSACTION_OVERHEAD_BYTES = 3 * 4120;
/** Rows of a compacted log that an idle moment removes. */
const GARBAGE_ROWS_PER_STEP = 256;
const GARBAGE_PAUSE_MS = 25;

assert(parentPort !== null, "the log worker runs in a thread");
const port = parentPort;

let lock: Database.Database | null = null;
let files: OpenLogFiles | null = null;
let walBytesMax = 0;
let walBytes = 0;
let directory = "";
let isOpening = true;
let isDead = false;
let garbageTimer: NodeJS.Timeout | null = null;

function post(message: FromLogWorker, moved: readonly ArrayBuffer[] = []): void {
  port.postMessage(message, moved);
}

function opened(): OpenLogFiles {
  assert(files !== null, "the log is open");
  return files;
}

function open(message: OpenMsg): void {
  ({ directory } = message);
  makeDirectory(directory);
  lock = acquireLock(directory);
  walBytesMax = message.walBytesMax;
  files = openLogFiles(directory, message.retainedTailBytes);
  const { writer, highWater, opened: log } = files;
  // What a crash left unclaimed is durable by now.
  if (log.problems.length === 0) {
    highWater.write(writer.highWater);
    highWater.sync();
  }
  post({ kind: "opened", log });
}

function repair(message: RepairMsg): void {
  const { db, writer, highWater } = opened();
  const log = db.transaction(() => repairLog(opened(), message)).immediate();
  highWater.write(writer.highWater);
  highWater.sync();
  post({ kind: "opened", log });
}

function commit(messages: readonly WriteMsg[]): void {
  const last = messages.at(-1);
  if (last === undefined) return;
  isOpening = false;
  const { db, writer, highWater } = opened();
  const startedAt = performance.now();
  db.exec("BEGIN IMMEDIATE");
  for (const { writes, bytes, length } of messages) {
    writer.apply(writes, bytes, length);
    walBytes += length;
  }
  writer.seal();
  db.exec("COMMIT");
  noteHighWater(highWater, writer.highWater);
  const commitMs = performance.now() - startedAt;
  const { start: logStart, end: lastLogged } = writer.marks;
  const spent = messages.map(({ bytes }) => bytes);
  post({ kind: "persisted", upTo: last.upTo, logStart, lastLogged, commitMs, spent }, spent);
  walBytes += TRANSACTION_OVERHEAD_BYTES;
  if (walBytes > walBytesMax) checkpointWal(db);
}

/** The transaction is durable, so this is no full disk that rolled something back. */
function noteHighWater(file: HighWaterFile, highWater: HighWater): void {
  try {
    file.write(highWater);
  } catch (error) {
    throw new QuorateError("ERR_STORE_IO", "the high-water file cannot be written", {
      cause: error,
    });
  }
}

/**
 * Between two transactions, never within one. PASSIVE: it neither waits for readers nor shortens
 * the file, so later commits overwrite blocks that the file system has allocated already.
 */
function checkpointWal(db: Database.Database): void {
  const [result] = db.pragma("wal_checkpoint(PASSIVE)") as {
    readonly log: number;
    readonly checkpointed: number;
  }[];
  const isWhole = result !== undefined && result.log === result.checkpointed;
  // A reader in the way has gone within a second; half the bound is when to ask again.
  walBytes = isWhole ? 0 : walBytesMax / 2;
}

function collectGarbage(): void {
  garbageTimer = null;
  const { db, writer } = opened();
  if (isDead || !writer.hasGarbage) return;
  db.transaction(() => writer.collectGarbage(GARBAGE_ROWS_PER_STEP)).immediate();
  walBytes += TRANSACTION_OVERHEAD_BYTES + GARBAGE_ROWS_PER_STEP * 4120;
  if (walBytes > walBytesMax) checkpointWal(db);
}

/** Whatever fails here, the lock is let go and the answer is given. */
function close(): void {
  if (garbageTimer !== null) clearTimeout(garbageTimer);
  const open = files;
  if (open !== null) {
    if (!isDead) attempt("sync the high-water file", () => open.highWater.sync());
    attempt("close the high-water file", () => open.highWater.close());
    attempt("close the log", () => open.db.close());
  }
  attempt("let go of the lock", () => lock?.close());
  post({ kind: "closed" });
  port.close();
}

/** Takes all that waits, up to the bound of a transaction. */
function takeWaiting(first: ToLogWorker): ToLogWorker[] {
  const messages = [first];
  let bytes = first.kind === "write" ? first.length : 0;
  while (bytes < TRANSACTION_BYTES_MAX) {
    const next = receiveMessageOnPort(port) as { readonly message: ToLogWorker } | undefined;
    if (next === undefined) break;
    messages.push(next.message);
    if (next.message.kind === "write") bytes += next.message.length;
  }
  return messages;
}

function handle(messages: readonly ToLogWorker[]): void {
  let writes: WriteMsg[] = [];
  for (const message of messages) {
    if (message.kind === "write") {
      writes.push(message);
      continue;
    }
    commit(writes);
    writes = [];
    if (message.kind === "open") open(message);
    else if (message.kind === "repair") repair(message);
    else if (message.kind === "close") close();
    else assertNever(message, "message");
  }
  commit(writes);
}

function fail(error: unknown): void {
  isDead = true;
  const db = files?.db;
  // A rollback that fails changes nothing: the next open decides what was durable.
  if (db?.open === true && db.inTransaction) {
    attempt("roll the log back", () => db.exec("ROLLBACK"));
  }
  const failure = isOpening ? openErrorOf(error, directory) : storeErrorOf(error);
  const { code, message, retryable } = failure;
  post({ kind: "failed", code, message, retryable });
}

function attempt(what: string, action: () => void): void {
  try {
    action();
  } catch (error) {
    process.emitWarning(`the store could not ${what}: ${String(error)}`);
  }
}

port.on("message", (first: ToLogWorker) => {
  const messages = takeWaiting(first);
  if (isDead) {
    if (messages.some(({ kind }) => kind === "close")) close();
    return;
  }
  try {
    handle(messages);
    if (files !== null && files.writer.hasGarbage && garbageTimer === null && files.db.open) {
      garbageTimer = setTimeout(() => {
        try {
          collectGarbage();
        } catch (error) {
          fail(error);
        }
      }, GARBAGE_PAUSE_MS);
    }
  } catch (error) {
    fail(error);
  }
});
