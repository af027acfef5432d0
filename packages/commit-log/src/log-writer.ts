import type Database from "better-sqlite3";
import {
  assert,
  assertNever,
  counterOf,
  epochOf,
  LOG_START,
  maxTxnid,
  minTxnid,
  type Identity,
  type LogPosition,
  type Txnid,
} from "@quorate/protocol";
import { type FactTable, type Marks, type Members } from "./facts.js";
import { ownerOf, type HighWater } from "./high-water.js";
import { chainBytes, type LogRows } from "./log-rows.js";
import type { BlockList, CheckpointFact, LogWrite } from "./worker-messages.js";

/** Between the log and the entries staged beside it: more rows than a log gains meanwhile. */
const STAGE_GAP_ROWS = 2 ** 32;
/** Rows of a compacted log that one transaction removes on the side. */
const GARBAGE_ROWS_PER_COMMIT = 32;

interface StagedRows {
  readonly first: number;
  readonly position: LogPosition;
  next: number;
  offset: number;
  end: LogPosition;
}

interface RowRange {
  readonly from: number;
  readonly to: number;
}

/** Applies writes to log.db, inside of transactions that its caller opens. */
export class LogWriter {
  readonly #facts: FactTable;
  readonly #rows: LogRows;
  readonly #insert: Database.Statement;
  readonly #remove: Database.Statement;
  readonly #sweep: Database.Statement;
  readonly #retainedTailBytes: number;
  #marks: Marks;
  #owner: number;
  #staged: StagedRows | null = null;
  #stageNext: number;
  #garbage: RowRange[] = [];

  constructor(facts: FactTable, rows: LogRows, marks: Marks, retainedTailBytes: number) {
    const db = facts.database;
    this.#facts = facts;
    this.#rows = rows;
    this.#retainedTailBytes = retainedTailBytes;
    this.#insert = db.prepare(
      `INSERT INTO log (position, first_epoch, first_counter, last_counter, count, chain,
         log_offset, bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#remove = db.prepare("DELETE FROM log WHERE position >= ? AND position < ?");
    this.#sweep = db.prepare(
      `DELETE FROM log WHERE position IN
         (SELECT position FROM log WHERE position >= ? AND position < ? LIMIT ?)`,
    );
    this.#marks = marks;
    this.#owner = ownerOf(facts.get("identity"));
    // Above the log lie only rows of a snapshot that was never installed.
    db.prepare("DELETE FROM log WHERE position >= ?").run(this.#marks.next);
    this.#stageNext = this.#marks.next;
    const lowest = db.prepare("SELECT min(position) FROM log").pluck().get() as number | null;
    this.#discardRows(lowest ?? this.#marks.first, this.#marks.first);
  }

  get marks(): Marks {
    return this.#marks;
  }

  /** What the last transaction made durable. */
  get highWater(): HighWater {
    const { sequence, end } = this.#marks;
    return { sequence, end, owner: this.#owner };
  }

  get hasGarbage(): boolean {
    return this.#garbage.length > 0;
  }

  /** Some writes of a transaction; `bytes` begins with their blocks one behind the other. */
  apply(writes: readonly LogWrite[], bytes: ArrayBuffer, length: number): void {
    let at = 0;
    for (const write of writes) at += this.#applyOne(write, bytes, at);
    assert(at === length, "a message holds the blocks of its writes");
  }

  /** Numbers the transaction; the last thing before its commit. */
  seal(): void {
    this.collectGarbage(GARBAGE_ROWS_PER_COMMIT);
    this.#marks = { ...this.#marks, sequence: this.#marks.sequence + 1 };
    this.#facts.put("marks", this.#marks);
  }

  /** A range may have gaps, so it is the rows that are counted and not the positions. */
  collectGarbage(rowsMax: number): void {
    const range = this.#garbage[0];
    if (range === undefined) return;
    const { changes } = this.#sweep.run(range.from, range.to, rowsMax);
    if (changes < rowsMax) this.#garbage.shift();
  }

  /** Empties the log at `position`: what it held cannot be trusted. */
  restart(position: LogPosition): void {
    const { marks } = this;
    this.#discardRows(marks.first, marks.next);
    this.#marks = {
      ...marks,
      first: marks.next,
      start: position,
      end: position,
      commitMark: position.txnid,
    };
  }

  /** Ends the log before the row at `next`. */
  cut(next: number, end: LogPosition, offset: number): void {
    const { marks } = this;
    this.#remove.run(next, marks.next);
    const commitMark = minTxnid(marks.commitMark, end.txnid);
    this.#marks = { ...marks, next, end, offset, commitMark };
  }

  setIdentity(identity: Identity): void {
    this.#facts.put("identity", identity);
    this.#owner = ownerOf(identity);
  }

  skipTo(sequence: number): void {
    this.#marks = { ...this.#marks, sequence: Math.max(this.#marks.sequence, sequence) };
  }

  #applyOne(write: LogWrite, bytes: ArrayBuffer, at: number): number {
    switch (write.op) {
      case "append":
        return this.#append(write.blocks, write.commitMark, bytes, at);
      case "accepted":
        this.#facts.put("accepted", write.accepted);
        return 0;
      case "current":
        this.#facts.put("current", write.epoch);
        return 0;
      case "members":
        this.#setMembers(write.members);
        return 0;
      case "truncate":
        this.#truncate(write.after);
        return 0;
      case "stage":
        this.#dropStaged();
        this.#stage(write.position);
        return 0;
      case "stageAppend":
        return this.#stageAppend(write.blocks, bytes, at);
      case "discard":
        this.#dropStaged();
        return 0;
      case "install":
        this.#install(write.checkpoint);
        return 0;
      case "checkpoint":
        this.#checkBoundary(write.checkpoint.position);
        this.#facts.put("checkpoint", write.checkpoint);
        this.#compact(minTxnid(write.checkpoint.position.txnid, write.lowest));
        return 0;
      default:
        return assertNever(write, "write");
    }
  }

  #append(blocks: BlockList, commitMark: Txnid, bytes: ArrayBuffer, at: number): number {
    const { marks } = this;
    const grown = this.#insertBlocks(marks, blocks, bytes, at);
    const mark = maxTxnid(marks.commitMark, commitMark);
    assert(mark <= grown.end.txnid, "the commit mark lies within the log");
    this.#marks = { ...marks, ...grown, commitMark: mark };
    return grown.offset - marks.offset;
  }

  #insertBlocks(
    tail: { readonly next: number; readonly offset: number; readonly end: LogPosition },
    blocks: BlockList,
    bytes: ArrayBuffer,
    from: number,
  ): { readonly next: number; readonly offset: number; readonly end: LogPosition } {
    let { next, offset, end } = tail;
    let at = from;
    for (const [i, length] of blocks.lengths.entries()) {
      const block = Buffer.from(bytes, at, length);
      const chain = blocks.chains[i] ?? 0n;
      const count = block.readUInt32BE(4);
      const first = block.readBigUInt64BE(16) as Txnid;
      assert(block.readBigUInt64BE(8) === end.chain && first > end.txnid, "a block continues", {
        first,
        end,
      });
      const epoch = epochOf(first);
      const counter = counterOf(first);
      const last = counter + count - 1;
      this.#insert.run(next, epoch, counter, last, count, chainBytes(chain), offset, block);
      end = { txnid: (first + BigInt(count - 1)) as Txnid, chain: chain as LogPosition["chain"] };
      next += 1;
      offset += length;
      at += length;
    }
    return { next, offset, end };
  }

  #setMembers(members: Members): void {
    this.#facts.put("members", members);
    if (this.#facts.get("damage") === null) return;
    // A table that names this identity is the ensemble's word that this directory counts again.
    const identity = this.#facts.get("identity");
    if (members.some(([, known]) => known === identity)) this.#facts.put("damage", null);
  }

  #truncate(after: LogPosition): void {
    const { marks } = this;
    assert(after.txnid >= marks.commitMark, "a truncation spares what is committed", { after });
    const next = this.#checkBoundary(after);
    const offset = this.#rows.offsetOf(marks, next);
    this.#remove.run(next, marks.next);
    this.#marks = { ...marks, next, offset, end: after };
  }

  /** The row after this boundary of the log. */
  #checkBoundary(position: LogPosition): number {
    const next = this.#rows.positionAfter(this.#marks, position.txnid);
    const found = this.#rows.boundaryBefore(this.#marks, next);
    assert(
      found.txnid === position.txnid && found.chain === position.chain,
      "a position is a batch boundary of the log",
      { position, found },
    );
    return next;
  }

  #stage(position: LogPosition): void {
    this.#stageNext = Math.max(this.#marks.next, this.#stageNext) + STAGE_GAP_ROWS;
    this.#staged = {
      first: this.#stageNext,
      next: this.#stageNext,
      offset: 0,
      position,
      end: position,
    };
  }

  #stageAppend(blocks: BlockList, bytes: ArrayBuffer, at: number): number {
    const staged = this.#staged;
    assert(staged !== null, "entries are staged for a snapshot");
    const before = staged.offset;
    Object.assign(staged, this.#insertBlocks(staged, blocks, bytes, at));
    this.#stageNext = staged.next;
    return staged.offset - before;
  }

  #dropStaged(): void {
    if (this.#staged !== null) this.#discardRows(this.#staged.first, this.#staged.next);
    this.#staged = null;
  }

  #install(checkpoint: CheckpointFact): void {
    const staged = this.#staged;
    const { marks } = this;
    assert(staged !== null, "the installed snapshot is the staged one");
    this.#staged = null;
    this.#discardRows(marks.first, marks.next);
    const { first, next, offset, end } = staged;
    const commitMark = maxTxnid(minTxnid(marks.commitMark, end.txnid), checkpoint.position.txnid);
    this.#marks = { ...marks, first, next, offset, start: staged.position, end, commitMark };
    this.#facts.put("checkpoint", checkpoint);
    this.#setMembers(checkpoint.members);
  }

  /** Lets go what lies at and below `txnid`, but for the retained tail. */
  #compact(txnid: Txnid): void {
    const { marks } = this;
    const above = this.#rows.positionAfter(marks, txnid);
    const keepFrom = this.#rows.offsetOf(marks, above) - this.#retainedTailBytes;
    let low = marks.first;
    let high = above;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.#rows.offsetOf(marks, middle) < keepFrom) low = middle + 1;
      else high = middle;
    }
    if (low === marks.first) return;
    const start = this.#rows.boundaryBefore(marks, low);
    this.#discardRows(marks.first, low);
    this.#marks = { ...marks, first: low, start };
  }

  #discardRows(from: number, to: number): void {
    if (from < to) this.#garbage.push({ from, to });
  }
}

export const FIRST_MARKS: Marks = {
  sequence: 1,
  first: 1,
  next: 1,
  offset: 0,
  start: LOG_START,
  end: LOG_START,
  commitMark: LOG_START.txnid,
};
