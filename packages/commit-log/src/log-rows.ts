import type Database from "better-sqlite3";
import {
  makeTxnid,
  parseBatch,
  QuorateError,
  type Chain,
  type EntryBatch,
  type LogPosition,
  type Txnid,
} from "@quorate/protocol";
import { chainFrom, chainText } from "./chain.js";
import type { Marks } from "./facts.js";

type EndRow = readonly [epoch: number, lastCounter: number, chain: Buffer];
type OffsetRow = readonly [offset: number];
type BlockRow = readonly [position: number, chain: string, bytes: Buffer];

/** Reads of the log table. Positions are consecutive, so a txnid is found by halving. */
export class LogRows {
  readonly #end: Database.Statement;
  readonly #offset: Database.Statement;
  readonly #blocks: Database.Statement;

  constructor(db: Database.Database) {
    this.#end = db
      .prepare("SELECT first_epoch, last_counter, chain FROM log WHERE position = ?")
      .raw(true);
    this.#offset = db.prepare("SELECT log_offset FROM log WHERE position = ?").raw(true);
    this.#blocks = db
      .prepare(
        // A chain as text: to make a Buffer takes as long as all else of a small row.
        "SELECT position, lower(hex(chain)), bytes FROM log " +
          "WHERE position >= ? AND position < ? ORDER BY position",
      )
      .raw(true);
  }

  /** The first position in the log whose batch ends above `txnid`. */
  positionAfter(marks: Marks, txnid: Txnid): number {
    let low = marks.first;
    let high = marks.next;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.#endAt(middle).txnid <= txnid) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Where the log stands before `position`. */
  boundaryBefore(marks: Marks, position: number): LogPosition {
    return position === marks.first ? marks.start : this.#endAt(position - 1);
  }

  /** Bytes of all blocks before `position`. */
  offsetOf(marks: Marks, position: number): number {
    if (position === marks.next) return marks.offset;
    const row = this.#offset.get(position) as OffsetRow | undefined;
    if (row === undefined) throw missing(position);
    return row[0];
  }

  /** The blocks in `[from, to)`, each verified against its chain. */
  *blocks(from: number, to: number): Generator<{ readonly chain: Chain; readonly bytes: Buffer }> {
    let expected = from;
    for (const row of this.#blocks.iterate(from, to)) {
      const [position, chain, bytes] = row as BlockRow;
      if (position !== expected) throw missing(expected);
      if (chainText(bytes) !== chain) {
        throw new QuorateError("ERR_STORE_DAMAGED", "a batch of the log fails its chain", {
          details: { position },
        });
      }
      expected += 1;
      yield { chain: chainFrom(chain), bytes };
    }
    if (expected < to) throw missing(expected);
  }

  *batches(from: number, to: number): Generator<EntryBatch> {
    for (const { chain, bytes } of this.blocks(from, to)) yield parseBatch(bytes, () => chain);
  }

  #endAt(position: number): LogPosition {
    const row = this.#end.get(position) as EndRow | undefined;
    if (row === undefined) throw missing(position);
    return { txnid: makeTxnid(row[0], row[1]), chain: chainOf(row[2]) };
  }
}

export function chainBytes(chain: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(chain);
  return bytes;
}

function chainOf(bytes: Buffer): Chain {
  if (bytes.length !== 8) throw new QuorateError("ERR_STORE_DAMAGED", "a chain has 8 bytes");
  return bytes.readBigUInt64BE(0) as Chain;
}

function missing(position: number): QuorateError {
  return new QuorateError("ERR_STORE_DAMAGED", "a row of the log is missing", {
    details: { position },
  });
}
