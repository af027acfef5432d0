import {
  assert,
  followsPosition,
  maxTxnid,
  minTxnid,
  positionOf,
  type EntryBatch,
  type LogPosition,
  type Ticket,
  type Txnid,
} from "@quorate/protocol";

interface Boundary {
  readonly position: LogPosition;
  readonly ticket: Ticket;
}

/** A boundary that is known at once; or what the file must be asked for. */
export type Found =
  | { readonly kind: "known"; readonly position: LogPosition | null }
  | { readonly kind: "inFile"; readonly atOrBelow: Txnid };

/**
 * The log as of the last write, appends and truncations on their way included. It knows where the
 * file's part ends and every boundary above.
 */
export class LogView {
  #start: LogPosition;
  /** All at and below this boundary is in the file, whatever is still on its way. */
  #base: LogPosition;
  #tail: Boundary[] = [];
  /** The first of `#tail` that has not become part of the file; the rest is cut off lazily. */
  #tailFrom = 0;
  #commitMark: Txnid;

  constructor(start: LogPosition, end: LogPosition, commitMark: Txnid) {
    this.#start = start;
    this.#base = end;
    this.#commitMark = commitMark;
  }

  get start(): LogPosition {
    return this.#start;
  }

  get end(): LogPosition {
    const last = this.#tail.length > this.#tailFrom ? this.#tail.at(-1) : undefined;
    return last?.position ?? this.#base;
  }

  get commitMark(): Txnid {
    return this.#commitMark;
  }

  checkAppend(batches: readonly EntryBatch[], commitMark: Txnid): void {
    const end = continued(this.end, batches);
    assert(commitMark <= end.txnid, "the commit mark lies within the log", { commitMark, end });
  }

  append(batches: readonly EntryBatch[], commitMark: Txnid, ticket: Ticket): void {
    for (const batch of batches) this.#tail.push({ position: positionOf(batch), ticket });
    this.#commitMark = maxTxnid(this.#commitMark, commitMark);
  }

  checkTruncate(after: LogPosition): void {
    const { txnid } = after;
    assert(txnid >= this.#commitMark, "a truncation spares what is committed", { after });
    assert(txnid <= this.end.txnid, "a truncation ends within the log", { after });
    const found = this.find(txnid);
    if (found.kind === "inFile") return;
    const { position } = found;
    assert(
      position !== null && position.txnid === txnid && position.chain === after.chain,
      "a truncation ends at a batch boundary of the log",
      { after, position },
    );
  }

  truncate(after: LogPosition): void {
    const keep = this.#tailIndexAfter(after.txnid);
    this.#tail.length = keep;
    if (keep > this.#tailFrom) return;
    this.#base = after;
    this.#tail = [];
    this.#tailFrom = 0;
  }

  install(start: LogPosition, boundaries: readonly LogPosition[], ticket: Ticket): void {
    this.#start = start;
    this.#base = start;
    this.#tail = boundaries.map((position) => ({ position, ticket }));
    this.#tailFrom = 0;
    const mark = minTxnid(this.#commitMark, this.end.txnid);
    this.#commitMark = maxTxnid(mark, start.txnid);
  }

  /** Everything up to the ticket is in the file. */
  persisted(upTo: Ticket): void {
    for (; this.#tailFrom < this.#tail.length; this.#tailFrom += 1) {
      const boundary = this.#tail[this.#tailFrom];
      if (boundary === undefined || boundary.ticket > upTo) break;
      this.#base = boundary.position;
    }
    if (this.#tailFrom * 2 < this.#tail.length) return;
    this.#tail = this.#tail.slice(this.#tailFrom);
    this.#tailFrom = 0;
  }

  /** The log let go what lies below. */
  startsAt(start: LogPosition): void {
    if (start.txnid > this.#start.txnid) this.#start = start;
  }

  find(atOrBelow: Txnid): Found {
    if (atOrBelow < this.#start.txnid) return { kind: "known", position: null };
    const index = this.#tailIndexAfter(atOrBelow);
    const found = index > this.#tailFrom ? this.#tail[index - 1] : undefined;
    if (found !== undefined) return { kind: "known", position: found.position };
    if (atOrBelow >= this.#base.txnid) return { kind: "known", position: this.#base };
    return { kind: "inFile", atOrBelow };
  }

  /** The ticket whose answer makes the log durable up to `txnid`; 0 when it is. */
  ticketOf(txnid: Txnid): Ticket {
    const upTo = minTxnid(txnid, this.end.txnid);
    if (upTo <= this.#base.txnid) return 0;
    const index = this.#tailIndexAfter((upTo - 1n) as Txnid);
    return this.#tail[index]?.ticket ?? 0;
  }

  #tailIndexAfter(txnid: Txnid): number {
    let low = this.#tailFrom;
    let high = this.#tail.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const boundary = this.#tail[middle];
      if (boundary !== undefined && boundary.position.txnid <= txnid) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** @throws InvariantError unless the batches continue `end` and each other. */
export function continued(end: LogPosition, batches: readonly EntryBatch[]): LogPosition {
  let at = end;
  for (const batch of batches) {
    assert(followsPosition(batch, at), "an appended batch continues the log", {
      end: at,
      first: batch.first,
    });
    at = positionOf(batch);
  }
  return at;
}
