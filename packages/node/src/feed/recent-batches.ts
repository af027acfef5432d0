import type { EntryBatch, Txnid } from "@quorate/protocol";
import { FollowedBatch, type EntryReader } from "./followed-batch.js";
import { PAGE_ENTRIES_SOFT_MAX, RECENT_BATCHES_MAX, RECENT_BYTES_MAX } from "./limits.js";

/** The newest batches, for those who follow closely or come back after a moment. */
export class RecentBatches {
  readonly #reader: EntryReader;
  #batches: FollowedBatch[] = [];
  /** The first of them that is still there; the rest is cut off lazily. */
  #from = 0;
  #bytes = 0;
  /** They reach above it without a hole. */
  #start: Txnid;

  constructor(start: Txnid, reader: EntryReader) {
    this.#start = start;
    this.#reader = reader;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** It follows the last one, or the start. */
  add(batch: EntryBatch): void {
    this.#batches.push(new FollowedBatch(batch, this.#reader));
    this.#bytes += batch.bytes.length;
    while (this.#bytes > RECENT_BYTES_MAX || this.#size > RECENT_BATCHES_MAX) this.#dropOldest();
  }

  /** All of them were replaced by a state at `start`. */
  clear(start: Txnid): void {
    this.#batches = [];
    this.#from = 0;
    this.#bytes = 0;
    this.#start = start;
  }

  /** Those that reach above `after`, for one page; null when the first of them is not here. */
  above(after: Txnid): readonly FollowedBatch[] | null {
    if (after < this.#start) return null;
    let low = this.#from;
    let high = this.#batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const followed = this.#batches[middle];
      if (followed !== undefined && followed.batch.last <= after) low = middle + 1;
      else high = middle;
    }
    return this.#batches.slice(low, low + PAGE_ENTRIES_SOFT_MAX);
  }

  get #size(): number {
    return this.#batches.length - this.#from;
  }

  #dropOldest(): void {
    const oldest = this.#batches[this.#from];
    if (oldest === undefined) return;
    this.#from += 1;
    this.#bytes -= oldest.batch.bytes.length;
    this.#start = oldest.batch.last;
    if (this.#from * 2 < this.#batches.length) return;
    this.#batches = this.#batches.slice(this.#from);
    this.#from = 0;
  }
}
