import { existsSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import {
  entriesOf,
  followsPosition,
  parseBatch,
  positionOf,
  QuorateError,
  type AcceptedEpoch,
  type Chain,
  type Epoch,
  type Identity,
  type LogEntryMsg,
  type LogPosition,
  type Txnid,
} from "@quorate/protocol";
import { beginUse, isUsedHere } from "./directory-uses.js";
import { FactTable, type Facts, type Members } from "./facts.js";
import { readHighWater, type HighWater } from "./high-water.js";
import { LogReader } from "./log-reader.js";
import { contradictions } from "./log-recovery.js";
import { LogRows } from "./log-rows.js";
import { schemaVersionOf } from "./migrations.js";
import { checkHeader, SCHEMA } from "./schema.js";
import { verifyRows } from "./state-database.js";
import { storeErrorOf } from "./store-errors.js";
import { HIGH_WATER_FILE, LOG_FILE, STATE_FILE } from "./store-files.js";
import type { CheckpointFact } from "./worker-messages.js";

/** Reads for operators: on the calling thread, read-only, also beside a running store. */

export interface CommitLogReport {
  /** Empty when everything is as it was written. */
  readonly problems: readonly string[];
  readonly schemaVersion: number;
  readonly identity: Identity;
  readonly acceptedEpoch: AcceptedEpoch;
  readonly currentEpoch: Epoch;
  readonly members: Members;
  /** Damage found earlier; the ensemble has not re-admitted the directory since. */
  readonly damage: string | null;
  readonly logStart: LogPosition;
  readonly lastLogged: LogPosition;
  readonly commitMark: Txnid;
  readonly batchCount: number;
  readonly entryCount: number;
  readonly logBytes: number;
  readonly checkpoint: {
    readonly position: LogPosition;
    readonly generation: number;
    readonly rowCount: number;
  } | null;
}

/** Bytes read in one transaction: it must stay short beside a running store. */
const READ_BYTES = 4 * 1024 * 1024;
/** A running store may replace a checkpoint while it is read. */
const CHECKPOINT_ATTEMPTS_MAX = 5;

/**
 * Checks what an open would check, and changes nothing.
 * @throws (rejects) ERR_STORE_DAMAGED when the facts of the log cannot be read at all,
 *   ERR_STORE_SCHEMA when a newer release wrote it, ERR_ARG_VALUE when there is no store,
 *   ERR_STORE_LOCKED while this process opens it. Of a store that another thread of this process
 *   has open nobody knows here: read that from another process, or its locks are lost.
 */
export function verifyCommitLog(directory: string): Promise<CommitLogReport> {
  return attempted(() => {
    // Read first: what was durable by now must be in whatever is read later.
    const highWater = readHighWater(join(directory, HIGH_WATER_FILE));
    const db = openReadOnly(directory, LOG_FILE);
    try {
      return reportOf(directory, db, highWater);
    } finally {
      db.close();
    }
  });
}

/**
 * The entries of the log in order, decoded; `after` defaults to the log's start.
 * @throws (rejects) ERR_STORE_COMPACTED when the log starts above `after`, ERR_STORE_DAMAGED at
 *   the first batch that is not what was written, ERR_STORE_LOCKED as {@link verifyCommitLog}. An
 *   open of the store in this process is refused with that until the last entry was taken.
 */
export async function* dumpCommitLog(
  directory: string,
  options: { readonly after?: Txnid; readonly upTo?: Txnid } = {},
): AsyncIterable<LogEntryMsg> {
  const { start, end } = await attempted(() => {
    const db = openReadOnly(directory, LOG_FILE);
    try {
      return new FactTable(db).get("marks");
    } finally {
      db.close();
    }
  });
  const upTo = options.upTo ?? end.txnid;
  const reader = new LogReader(directory);
  const use = beginUse(directory, "reading");
  try {
    for (let after = options.after ?? start.txnid; ;) {
      const { bytes, blocks } = reader.read(after, upTo, READ_BYTES);
      if (blocks.lengths.length === 0) return;
      let at = 0;
      for (const [i, length] of blocks.lengths.entries()) {
        const block = new Uint8Array(bytes, at, length);
        const batch = parseBatch(block, () => (blocks.chains[i] ?? 0n) as Chain);
        at += length;
        after = batch.last;
        yield* entriesOf(batch);
      }
    }
  } finally {
    reader.close();
    use.end();
  }
}

function reportOf(
  directory: string,
  db: Database.Database,
  highWater: HighWater | null,
): CommitLogReport {
  const facts = new FactTable(db);
  const schemaVersion = schemaVersionOf(db);
  const known = db.transaction(() => ({
    marks: facts.get("marks"),
    checkpoint: facts.get("checkpoint"),
    identity: facts.get("identity"),
  }))();
  const { marks } = known;
  const problems = contradictions(known, highWater);
  const checkpoint = verifyCheckpoint(directory, facts, problems);
  const counts = verifyLog(db, facts, problems);
  return {
    problems,
    schemaVersion,
    identity: known.identity,
    acceptedEpoch: facts.get("accepted"),
    currentEpoch: facts.get("current"),
    members: facts.get("members"),
    damage: facts.get("damage"),
    logStart: marks.start,
    lastLogged: marks.end,
    commitMark: marks.commitMark,
    ...counts,
    checkpoint:
      checkpoint === null
        ? null
        : {
            position: checkpoint.position,
            generation: checkpoint.generation,
            rowCount: checkpoint.rowCount,
          },
  };
}

interface LogCounts {
  batchCount: number;
  entryCount: number;
  logBytes: number;
}

/** In short transactions, with the marks read anew in each: the log may move meanwhile. */
function verifyLog(db: Database.Database, facts: FactTable, problems: string[]): LogCounts {
  const rows = new LogRows(db);
  const counts: LogCounts = { batchCount: 0, entryCount: 0, logBytes: 0 };
  let next = 0;
  let end: LogPosition | null = null;
  const readPart = db.transaction((): boolean => {
    const marks: Facts["marks"] = facts.get("marks");
    if (end === null || next < marks.first) {
      next = marks.first;
      end = marks.start;
    }
    let bytes = 0;
    for (const batch of rows.batches(next, marks.next)) {
      if (!followsPosition(batch, end)) throw unreadable();
      end = positionOf(batch);
      next += 1;
      bytes += batch.bytes.length;
      counts.batchCount += 1;
      counts.entryCount += batch.count;
      if (bytes >= READ_BYTES) break;
    }
    counts.logBytes += bytes;
    return next < marks.next;
  });
  try {
    while (readPart());
  } catch (error) {
    problems.push(storeErrorOf(error).message);
  }
  return counts;
}

function unreadable(): QuorateError {
  return new QuorateError("ERR_STORE_DAMAGED", "a batch of the log does not continue it");
}

function verifyCheckpoint(
  directory: string,
  facts: FactTable,
  problems: string[],
): CheckpointFact | null {
  let problem: string | null = null;
  for (let attempt = 0; attempt < CHECKPOINT_ATTEMPTS_MAX; attempt += 1) {
    const checkpoint = facts.get("checkpoint");
    if (checkpoint === null) return null;
    problem = rowsProblem(directory, checkpoint);
    if (problem === null) return checkpoint;
    // Rows may be missing because they are not current any more.
    if (facts.get("checkpoint")?.generation === checkpoint.generation) break;
  }
  if (problem !== null) problems.push(problem);
  return facts.get("checkpoint");
}

function rowsProblem(directory: string, expected: CheckpointFact): string | null {
  if (!existsSync(join(directory, STATE_FILE))) return "state.db is gone";
  let db: Database.Database | null = null;
  try {
    db = openReadOnly(directory, STATE_FILE);
    return verifyRows(db, expected);
  } catch (error) {
    return storeErrorOf(error).message;
  } finally {
    db?.close();
  }
}

function openReadOnly(directory: string, file: string): Database.Database {
  if (!existsSync(join(directory, file))) {
    throw new QuorateError("ERR_ARG_VALUE", "there is no store in this directory", {
      details: { directory },
    });
  }
  if (isUsedHere(directory, "opening")) {
    throw new QuorateError("ERR_STORE_LOCKED", "this process is about to open the store");
  }
  const db = new Database(join(directory, file), { readonly: true, timeout: 5000 });
  try {
    if (!isUsedHere(directory, "open")) checkHeader(db);
    const problem = schemaProblem(file, schemaVersionOf(db));
    if (problem !== null) throw problem;
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function schemaProblem(file: string, version: number): QuorateError | null {
  const { length } = file === LOG_FILE ? SCHEMA.log : SCHEMA.state;
  const what = `${file} has schema ${String(version)}`;
  if (version > length) {
    return new QuorateError("ERR_STORE_SCHEMA", `${what}: a newer release wrote this store`);
  }
  if (version === length || file === STATE_FILE) return null;
  return version === 0
    ? new QuorateError("ERR_STORE_DAMAGED", `${file} was cut, or its making was not finished`)
    : new QuorateError(
        "ERR_STORE_SCHEMA",
        `${what}: a server of this release brings it up to date`,
      );
}

function attempted<T>(action: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    try {
      resolve(action());
    } catch (error) {
      reject(storeErrorOf(error));
    }
  });
}
