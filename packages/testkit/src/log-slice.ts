import {
  assert,
  followsPosition,
  positionOf,
  type EntryBatch,
  type LogPosition,
  type Txnid,
} from "@quorate/protocol";

/**
 * A log as a value. Appending shares the array with the older slices as long as nobody else has
 * appended to it, so keeping many past images of a disk costs next to nothing.
 */
export interface LogSlice {
  readonly start: LogPosition;
  readonly items: EntryBatch[];
  readonly from: number;
  readonly to: number;
}

export function emptyLog(start: LogPosition): LogSlice {
  return { start, items: [], from: 0, to: 0 };
}

export function endOf(log: LogSlice): LogPosition {
  const last = log.to > log.from ? log.items[log.to - 1] : undefined;
  return last === undefined ? log.start : positionOf(last);
}

/** The batches, oldest first. */
export function batchesOf(log: LogSlice): readonly EntryBatch[] {
  return log.items.slice(log.from, log.to);
}

export function appendTo(log: LogSlice, batches: readonly EntryBatch[]): LogSlice {
  let end = endOf(log);
  for (const batch of batches) {
    assert(followsPosition(batch, end), "an appended batch continues the log", {
      end,
      first: batch.first,
      previousChain: batch.previousChain,
    });
    end = positionOf(batch);
  }
  const shared = log.items.length === log.to;
  const items = shared ? log.items : log.items.slice(log.from, log.to);
  for (const batch of batches) items.push(batch);
  return { start: log.start, items, from: shared ? log.from : 0, to: items.length };
}

/** The first index in `[from, to]` whose batch ends above `txnid`. */
export function indexAfter(log: LogSlice, txnid: Txnid): number {
  let low = log.from;
  let high = log.to;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const batch = log.items[middle];
    if (batch !== undefined && batch.last <= txnid) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The greatest boundary at or below `txnid`; null below the start. */
export function boundaryAt(log: LogSlice, txnid: Txnid): LogPosition | null {
  if (txnid < log.start.txnid) return null;
  return endOf({ ...log, to: indexAfter(log, txnid) });
}

export function isBoundary(log: LogSlice, position: LogPosition): boolean {
  const found = boundaryAt(log, position.txnid);
  return found !== null && found.txnid === position.txnid && found.chain === position.chain;
}

export function truncateLog(log: LogSlice, after: LogPosition): LogSlice {
  assert(isBoundary(log, after), "a truncation ends at a batch boundary of the log", { after });
  return { ...log, to: indexAfter(log, after.txnid) };
}

/**
 * Lets go what lies at and below `position`, but keeps the last batches there that fit into
 * `tailBytes`: they serve cheap diffs.
 */
export function compactLog(log: LogSlice, position: LogPosition, tailBytes: number): LogSlice {
  let from = indexAfter(log, position.txnid);
  for (let kept = 0; from > log.from; from -= 1) {
    kept += log.items[from - 1]?.bytes.length ?? 0;
    if (kept > tailBytes) break;
  }
  if (from === log.from) return log;
  return {
    start: endOf({ ...log, to: from }),
    items: log.items.slice(from),
    from: 0,
    to: log.to - from,
  };
}
