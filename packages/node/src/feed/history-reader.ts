import type { EntryBatch, Txnid } from "@quorate/protocol";
import { FollowedBatch, type EntryReader } from "./followed-batch.js";
import { HISTORY_READS_MAX, PAGE_BYTES_SOFT_MAX } from "./limits.js";

/** What is read of a log. */
export type ReadBatches = (after: Txnid, bytesMax: number) => Promise<readonly EntryBatch[]>;

/** Reads history for subscribers: a few at a time, and once for all who ask for the same. */
export class HistoryReader {
  readonly #readBatches: ReadBatches;
  readonly #reader: EntryReader;
  readonly #open = new Map<Txnid, Promise<readonly FollowedBatch[]>>();
  #waiting: (() => void)[] = [];
  #running = 0;

  constructor(readBatches: ReadBatches, reader: EntryReader) {
    this.#readBatches = readBatches;
    this.#reader = reader;
  }

  /** @throws (rejects) what the log does. */
  read(after: Txnid): Promise<readonly FollowedBatch[]> {
    const open = this.#open.get(after);
    if (open !== undefined) return open;
    const read = this.#readInTurn(after);
    this.#open.set(after, read);
    return read;
  }

  async #readInTurn(after: Txnid): Promise<readonly FollowedBatch[]> {
    if (this.#running >= HISTORY_READS_MAX) {
      // At most one waits for each subscription, so the line is as short as they are few.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#running += 1;
    try {
      const batches = await this.#readBatches(after, PAGE_BYTES_SOFT_MAX);
      return batches.map((batch) => new FollowedBatch(batch, this.#reader));
    } finally {
      this.#running -= 1;
      this.#open.delete(after);
      this.#waiting.shift()?.();
    }
  }
}
