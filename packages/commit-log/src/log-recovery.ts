import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import {
  EPOCH_ZERO,
  errorCodeOf,
  followsPosition,
  LOG_START,
  positionOf,
  QuorateError,
  toIdentity,
  type Identity,
  type LogPosition,
} from "@quorate/protocol";
import { FactTable, type FactName, type Facts, type Marks } from "./facts.js";
import { HighWaterFile, ownerOf, type HighWater } from "./high-water.js";
import { LogRows } from "./log-rows.js";
import { FIRST_MARKS, LogWriter } from "./log-writer.js";
import { migrate, refuseNewerSchema, schemaVersionOf, type StoreSchema } from "./migrations.js";
import { checkStructure, configure, SCHEMA } from "./schema.js";
import { corruption, isUnreadable, throwIfRefused } from "./store-errors.js";
import { HIGH_WATER_FILE, LOG_FILE, quarantine, STATE_FILE } from "./store-files.js";
import type { OpenedLog, RepairMsg } from "./worker-messages.js";

/** Waits for a reader beside us to end its transaction; readers end theirs within 1 s. */
const BUSY_TIMEOUT_MS = 5000;

/** Where a log that cannot be trusted as a whole ends. */
export interface LogCut {
  readonly next: number;
  readonly end: LogPosition;
  readonly offset: number;
}

export interface OpenLogFiles {
  readonly db: Database.Database;
  readonly facts: FactTable;
  readonly writer: LogWriter;
  readonly highWater: HighWaterFile;
  readonly highWaterFound: HighWater | null;
  readonly cut: LogCut | null;
  readonly opened: OpenedLog;
}

/** Opens and verifies log.db against itself and the high-water file. Repairs nothing yet. */
export function openLogFiles(
  directory: string,
  retainedTailBytes: number,
  schema: StoreSchema = SCHEMA,
): OpenLogFiles {
  refuseNewerSchema(directory, schema);
  const { file: highWater, found } = HighWaterFile.open(join(directory, HIGH_WATER_FILE));
  const problems: string[] = [];
  const salvaged: { facts: Facts | null } = { facts: null };
  const open = (): Omit<OpenLogFiles, "highWater" | "highWaterFound"> =>
    openLog({ directory, retainedTailBytes, schema, found }, problems, salvaged);
  try {
    try {
      return { ...open(), highWater, highWaterFound: found };
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      throwIfRefused(error, join(directory, LOG_FILE));
    }
    problems.push("log.db is corrupt");
    quarantine(directory, LOG_FILE);
    const { facts: saved } = salvaged;
    const files = open();
    // The rows that were still readable bind this directory as before.
    const opened: OpenedLog = {
      ...files.opened,
      acceptedEpoch: saved?.accepted ?? files.opened.acceptedEpoch,
      currentEpoch: saved?.current ?? files.opened.currentEpoch,
      members: saved?.members ?? files.opened.members,
    };
    return { ...files, opened, highWater, highWaterFound: found };
  } catch (error) {
    highWater.close();
    throw error;
  }
}

interface LogSource {
  readonly directory: string;
  readonly retainedTailBytes: number;
  readonly schema: StoreSchema;
  readonly found: HighWater | null;
}

function openLog(
  { directory, retainedTailBytes, schema, found }: LogSource,
  problems: string[],
  salvaged: { facts: Facts | null },
): Omit<OpenLogFiles, "highWater" | "highWaterFound"> {
  const db = new Database(join(directory, LOG_FILE), { timeout: BUSY_TIMEOUT_MS });
  try {
    configure(db, "FULL");
    // Frames recovered after a kill lie in the page cache only: synced before anything is said.
    checkpointWal(db);
    // The others are made after it: without it, it was lost.
    const isMade = schemaVersionOf(db) > 0 || problems.length > 0;
    if (!isMade && (found !== null || existsSync(join(directory, STATE_FILE)))) {
      problems.push("log.db is gone");
    }
    migrate(db, schema.log, () => fillFacts(new FactTable(db), problems));
    checkpointWal(db);
    const table = new FactTable(db);
    const wrongFacts: string[] = [];
    const facts = readFacts(table, wrongFacts);
    salvaged.facts ??= facts;
    problems.push(...wrongFacts);
    // A wrong fact may be a wrong key, hence a tree out of order: nothing more is written there.
    if (wrongFacts.length > 0) throw corruption("a fact is damaged");
    checkStructure(db);
    const rows = new LogRows(db);
    // A log that was made just now contradicts what was known of the one before it.
    if (problems.length === 0) problems.push(...contradictions(facts, found));
    const cut = findCut(rows, facts.marks, problems);
    const writer = new LogWriter(table, rows, facts.marks, retainedTailBytes);
    return { db, facts: table, writer, cut, opened: openedOf(facts, problems) };
  } catch (error) {
    db.close();
    throw error;
  }
}

/**
 * Gives a damaged directory a new identity and leaves of its log what joins its state. In one
 * transaction: a crash in between finds the damage again.
 */
export function repairLog(files: OpenLogFiles, repair: RepairMsg): OpenedLog {
  const { writer, facts, opened, cut, highWaterFound } = files;
  const checkpoint = repair.isCheckpointLost ? null : opened.checkpoint;
  const base = checkpoint?.position ?? LOG_START;
  if (cut !== null && cut.end.txnid >= base.txnid) writer.cut(cut.next, cut.end, cut.offset);
  else if (cut !== null) writer.restart(base);
  const { start, end } = writer.marks;
  const joins = start.txnid <= base.txnid && base.txnid <= end.txnid;
  if (!joins) writer.restart(base);
  writer.skipTo(highWaterFound?.sequence ?? 0);
  writer.setIdentity(newIdentity());
  facts.put("accepted", opened.acceptedEpoch);
  facts.put("current", opened.currentEpoch);
  facts.put("members", opened.members);
  facts.put("checkpoint", checkpoint);
  facts.put("damage", repair.problems.join("; "));
  writer.seal();
  return openedOf(readFacts(facts, []), []);
}

/** @throws ERR_STORE_LOCKED while a reader holds an old image of the database. */
function checkpointWal(db: Database.Database): void {
  const [result] = db.pragma("wal_checkpoint(TRUNCATE)") as { readonly busy: number }[];
  if (result?.busy === 0) return;
  throw new QuorateError("ERR_STORE_LOCKED", "a reader holds the log", { retryable: true });
}

/** Of a log made in the place of a lost one it is known before anything else that it was lost. */
function fillFacts(facts: FactTable, problems: readonly string[]): void {
  facts.put("marks", FIRST_MARKS);
  facts.put("identity", newIdentity());
  facts.put("accepted", { epoch: EPOCH_ZERO, leader: 0 });
  facts.put("current", EPOCH_ZERO);
  facts.put("members", []);
  facts.put("checkpoint", null);
  facts.put("damage", problems.length === 0 ? null : problems.join("; "));
}

function readFacts(table: FactTable, problems: string[]): Facts {
  const read = <N extends FactName>(name: N, fallback: () => Facts[N]): Facts[N] => {
    try {
      return table.get(name);
    } catch (error) {
      if (errorCodeOf(error) !== "ERR_STORE_DAMAGED") throw error;
      problems.push(error instanceof Error ? error.message : name);
      return fallback();
    }
  };
  return {
    marks: read("marks", () => FIRST_MARKS),
    identity: read("identity", newIdentity),
    accepted: read("accepted", () => ({ epoch: EPOCH_ZERO, leader: 0 })),
    current: read("current", () => EPOCH_ZERO),
    members: read("members", () => []),
    checkpoint: read("checkpoint", () => null),
    damage: read("damage", () => null),
  };
}

/** What the facts say against each other and against the high-water file. */
export function contradictions(
  facts: Pick<Facts, "marks" | "checkpoint" | "identity">,
  found: HighWater | null,
): string[] {
  const { sequence, end, start } = facts.marks;
  const problems: string[] = [];
  const base = facts.checkpoint?.position ?? LOG_START;
  if (start.txnid > base.txnid || base.txnid > end.txnid) {
    problems.push("the log does not join the checkpoint");
  }
  if (found === null) {
    // Only a directory in the making has transactions and no high-water mark.
    if (sequence > FIRST_MARKS.sequence) problems.push("the high-water file is unreadable");
  } else if (found.owner !== 0 && found.owner !== ownerOf(facts.identity)) {
    problems.push("log.db is not this directory's own");
  } else if (sequence < found.sequence) {
    problems.push("the history ends below its high-water mark");
  } else if (sequence === found.sequence && !samePosition(end, found.end)) {
    problems.push("the history differs from its high-water mark");
  }
  return problems;
}

function findCut(rows: LogRows, marks: Marks, problems: string[]): LogCut | null {
  let cut: LogCut = { next: marks.first, end: marks.start, offset: -1 };
  try {
    cut = { ...cut, offset: rows.offsetOf(marks, marks.first) };
    for (const batch of rows.batches(marks.first, marks.next)) {
      if (!followsPosition(batch, cut.end)) break;
      const offset = cut.offset + batch.bytes.length;
      cut = { next: cut.next + 1, end: positionOf(batch), offset };
    }
  } catch (error) {
    const code = errorCodeOf(error);
    if (code !== "ERR_STORE_DAMAGED" && code !== "ERR_PROTOCOL_DECODE") throw error;
  }
  const whole = cut.next === marks.next && samePosition(cut.end, marks.end);
  if (whole && cut.offset === marks.offset) return null;
  problems.push("a batch of the log is unreadable");
  return cut;
}

function samePosition(a: LogPosition, b: LogPosition): boolean {
  return a.txnid === b.txnid && a.chain === b.chain;
}

function openedOf(facts: Facts, problems: readonly string[]): OpenedLog {
  return {
    identity: facts.identity,
    acceptedEpoch: facts.accepted,
    currentEpoch: facts.current,
    logStart: facts.marks.start,
    lastLogged: facts.marks.end,
    commitMark: facts.marks.commitMark,
    checkpoint: facts.checkpoint,
    members: facts.members,
    damage: facts.damage,
    problems,
  };
}

function newIdentity(): Identity {
  return toIdentity(randomBytes(16).toString("hex"));
}
