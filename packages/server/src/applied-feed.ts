import {
  assert,
  followsPosition,
  formatTxnid,
  LOG_START,
  positionOf,
  QuorateError,
  type Clock,
  type DurableStore,
  type EntryBatch,
  type LogPosition,
  type Meter,
  type Txnid,
} from "@quorate/protocol";

/**
 * Called right after something was applied, and with no batch when a snapshot took the place of
 * entries that never came. Must not throw and must not change the state.
 */
export type CommittedListener = (batches: readonly EntryBatch[]) => void;

/** The committed entries of one node, as far as they are applied here. Never shows any other. */
export interface CommittedLog {
  /** The newest applied txnid. Never goes back, also when the store is opened anew. */
  readonly head: Txnid;
  /** The oldest txnid after which everything is still here. */
  readonly oldest: Txnid;
  /**
   * The batches that reach above `after` and not above the head, in order, about `bytesMax` of
   * them; empty when there are none here (yet).
   * @throws (rejects) ERR_STORE_COMPACTED when `after` lies below the oldest; ERR_STORE_* else.
   */
  read(after: Txnid, bytesMax: number): Promise<readonly EntryBatch[]>;
  /** At most one listener; null takes it away. */
  listen(listener: CommittedListener | null): void;
}

/**
 * Hands on what the replica applies: each entry once and in order, whatever the store behind it
 * goes through. After a full disk the memory is loaded again from what is durable, which may be
 * less than was applied before (ADR 0008); what was shown once is not shown again.
 */
export class AppliedFeed implements CommittedLog {
  readonly #clock: Pick<Clock, "now">;
  readonly #meter: Meter;
  #store: Pick<DurableStore, "logStart" | "readBatches"> | null = null;
  #head: LogPosition = LOG_START;
  #listener: CommittedListener | null = null;
  /** When each batch was handed to the log that is not applied yet. */
  #loggedAt: { readonly last: Txnid; readonly at: number }[] = [];

  constructor({ clock, meter }: { readonly clock: Pick<Clock, "now">; readonly meter: Meter }) {
    this.#clock = clock;
    this.#meter = meter;
  }

  get head(): Txnid {
    return this.#head.txnid;
  }

  get oldest(): Txnid {
    return this.#store?.logStart.txnid ?? LOG_START.txnid;
  }

  listen(listener: CommittedListener | null): void {
    this.#listener = listener;
  }

  async read(after: Txnid, bytesMax: number): Promise<readonly EntryBatch[]> {
    const { txnid } = this.#head;
    if (this.#store === null) {
      throw new QuorateError("ERR_SERVER_NOT_READY", "the node is starting", { retryable: true });
    }
    return this.#store.readBatches(after, txnid, bytesMax);
  }

  // ---- for the replica ----

  /** The state is now the one of this store's checkpoint; its log is the history. */
  restored(position: LogPosition, store: Pick<DurableStore, "logStart" | "readBatches">): void {
    this.#store = store;
    this.#loggedAt = [];
    if (position.txnid <= this.#head.txnid) return;
    this.#head = position;
    this.#listener?.([]);
  }

  logged(batch: EntryBatch): void {
    this.#loggedAt.push({ last: batch.last, at: this.#clock.now() });
  }

  truncated(after: LogPosition): void {
    this.#loggedAt = this.#loggedAt.filter(({ last }) => last <= after.txnid);
  }

  advanced(batches: readonly EntryBatch[]): void {
    this.#measure(batches.at(-1)?.last ?? this.#head.txnid);
    const fresh = batches.filter((batch) => batch.last > this.#head.txnid);
    for (const batch of fresh) {
      assert(followsPosition(batch, this.#head), "what is applied follows what was applied", {
        first: formatTxnid(batch.first),
        head: formatTxnid(this.#head.txnid),
      });
      this.#head = positionOf(batch);
    }
    if (fresh.length > 0) this.#listener?.(fresh);
  }

  /** Once for all that was committed together: how long the oldest of it took. */
  #measure(upTo: Txnid): void {
    const [oldest] = this.#loggedAt;
    if (oldest === undefined || oldest.last > upTo) return;
    this.#meter.observe("commit_ms", this.#clock.now() - oldest.at);
    this.#loggedAt = this.#loggedAt.filter(({ last }) => last > upTo);
  }
}
