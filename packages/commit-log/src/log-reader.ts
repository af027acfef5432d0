import { join } from "node:path";
import Database from "better-sqlite3";
import { QuorateError, type LogPosition, type Txnid } from "@quorate/protocol";
import { FactTable } from "./facts.js";
import { LogRows } from "./log-rows.js";
import { boundCache } from "./schema.js";
import { LOG_FILE } from "./store-files.js";
import type { LogSlice } from "./worker-messages.js";

/** Reads log.db beside its writer. Each call is one short transaction. */
export class LogReader {
  readonly #db: Database.Database;
  readonly #facts: FactTable;
  readonly #rows: LogRows;

  constructor(directory: string) {
    this.#db = new Database(join(directory, LOG_FILE), { readonly: true, timeout: 5000 });
    boundCache(this.#db);
    this.#facts = new FactTable(this.#db);
    this.#rows = new LogRows(this.#db);
  }

  find(atOrBelow: Txnid): LogPosition | null {
    return this.#db.transaction(() => {
      const marks = this.#facts.get("marks");
      if (atOrBelow < marks.start.txnid) return null;
      return this.#rows.boundaryBefore(marks, this.#rows.positionAfter(marks, atOrBelow));
    })();
  }

  /** @throws ERR_STORE_COMPACTED when the log starts above `after`. */
  read(after: Txnid, upTo: Txnid, bytesMax: number): LogSlice {
    const lengths: number[] = [];
    const chains: bigint[] = [];
    const blocks: Buffer[] = [];
    let size = 0;
    this.#db.transaction(() => {
      const marks = this.#facts.get("marks");
      if (marks.start.txnid > after) {
        throw new QuorateError("ERR_STORE_COMPACTED", "the log starts above the entries asked for");
      }
      const from = this.#rows.positionAfter(marks, after);
      const to = this.#rows.positionAfter(marks, upTo);
      for (const { chain, bytes } of this.#rows.blocks(from, to)) {
        lengths.push(bytes.length);
        chains.push(chain);
        blocks.push(bytes);
        size += bytes.length;
        if (size >= bytesMax) break;
      }
    })();
    const bytes = new Uint8Array(size);
    let at = 0;
    for (const block of blocks) {
      bytes.set(block, at);
      at += block.length;
    }
    return { bytes: bytes.buffer, blocks: { lengths, chains } };
  }

  close(): void {
    this.#db.close();
  }
}
