import type { DurableStore, EntryBatch, Txnid } from "@quorate/protocol";

/** Bytes of history read from the store at a time. */
const READ_BYTES = 256 * 1024;

/**
 * What the log holds between two of its positions, read one step ahead: whoever applies or sends a
 * part does not wait for the disk each time. Ends early when the log does.
 * @throws (rejects) what the store reports.
 */
export async function* batchesBetween(
  store: DurableStore,
  after: Txnid,
  upTo: Txnid,
): AsyncGenerator<readonly EntryBatch[]> {
  const readOn = (from: Txnid): Promise<readonly EntryBatch[]> => {
    if (from >= upTo) return Promise.resolve([]);
    const batches = store.readBatches(from, upTo, READ_BYTES);
    // A reader that leaves does not ask what became of it; who stays is told below.
    batches.catch(() => undefined);
    return batches;
  };
  for (let next = readOn(after); ;) {
    const batches = await next;
    const last = batches.at(-1);
    if (last === undefined) return;
    next = readOn(last.last);
    yield batches;
  }
}
