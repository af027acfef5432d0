import {
  assert,
  entriesOf,
  followsPosition,
  formatTxnid,
  isInternalOpCode,
  LOG_START,
  maxTxnid,
  OpCode,
  positionOf,
  QuorateError,
} from "@quorate/protocol";
import type {
  DurableStore,
  EntryBatch,
  Identity,
  LogEntryMsg,
  LogPosition,
  NodeId,
  PlacedRefusals,
  SnapshotInfo,
  StateMachine,
  Txnid,
} from "@quorate/protocol";
import type { AppliedFeed } from "./applied-feed.js";
import { batchesBetween } from "./batches-between.js";
import { decodeIdentities } from "./identity-record.js";

export interface ReplicaDeps {
  readonly stateMachine: StateMachine;
  /** One committed entry was applied; `answer` is for the client that asked, wherever it is. */
  onApplied(entry: LogEntryMsg, answer: Uint8Array): void;
  /** A committed entry of the ensemble itself. */
  onFounded(members: Map<NodeId, Identity>): void;
  onAdmitted(voter: NodeId, identity: Identity): void;
  /** A part of what `load` reads was read: the disk answers. */
  onLoading?(): void;
  /** Told of everything that is applied. */
  readonly feed?: AppliedFeed | undefined;
  /** The same, for the role that serves. */
  onAdvanced?(batches: readonly EntryBatch[]): void;
}

const NO_ANSWER = new Uint8Array();

/**
 * The node's memory: the applied state, and the logged batches above it in order. It mirrors the
 * log: state = checkpoint + log up to the commit mark (ZOOKEEPER-2845), whatever role comes next.
 * Invariant 7: entries are applied in txnid order, each once, without a hole.
 */
export class Replica {
  readonly #deps: ReplicaDeps;
  #unapplied: EntryBatch[] = [];
  #applied: LogPosition = LOG_START;
  /** The newest entry in the state, perhaps within the batch that is being applied. */
  #newest: Txnid = LOG_START.txnid;
  #logEnd: LogPosition = LOG_START;
  #commitMark: Txnid = LOG_START.txnid;
  #appliedBytes = 0;
  #isApplying = false;
  /** What the state was when it began to be replaced, until it is whole again. */
  #beforeLoad: { readonly txnid: Txnid; readonly digest: bigint } | null = null;
  #waiters: { readonly mark: Txnid; readonly done: (isApplied: boolean) => void }[] = [];

  constructor(deps: ReplicaDeps) {
    this.#deps = deps;
  }

  get applied(): LogPosition {
    return this.#applied;
  }

  /** The newest entry in the state; null while a checkpoint's rows are being loaded. */
  get newest(): Txnid | null {
    return this.#beforeLoad === null ? this.#newest : null;
  }

  get logEnd(): LogPosition {
    return this.#logEnd;
  }

  /** Nothing was ever applied. */
  get isEmpty(): boolean {
    return this.#applied.txnid === LOG_START.txnid;
  }

  /** The greatest mark heard of; never above the log's end. */
  get commitMark(): Txnid {
    return this.#commitMark;
  }

  get firstUnapplied(): EntryBatch | undefined {
    return this.#unapplied[0];
  }

  /**
   * A txnid and the digest of the state there. While a checkpoint's rows are being loaded the tree
   * holds a part of them, which is the state at no txnid: then it is what it was before.
   */
  appliedState(): { readonly txnid: Txnid; readonly digest: bigint } {
    if (this.#beforeLoad !== null) return this.#beforeLoad;
    return { txnid: this.#applied.txnid, digest: this.#deps.stateMachine.digest() };
  }

  /** Log bytes applied since the start; grows only. */
  get appliedBytes(): number {
    return this.#appliedBytes;
  }

  /**
   * Replaces everything by what the store holds; of the checkpoint only what is not in the state
   * machine already, since `beginLoading`.
   * @throws (rejects) ERR_STORE_DAMAGED when a checkpoint's rows do not give its digest.
   */
  async load(
    store: DurableStore,
    checkpoint: SnapshotInfo | null,
    logEnd: LogPosition,
    commitMark: Txnid,
    options: { readonly areRowsLoaded?: boolean } = {},
  ): Promise<void> {
    const { stateMachine, onLoading } = this.#deps;
    this.#unapplied = [];
    if (options.areRowsLoaded !== true) {
      this.beginLoading();
      for await (const rows of store.readCheckpoint()) {
        stateMachine.restore(rows);
        onLoading?.();
      }
    }
    if (checkpoint !== null && stateMachine.digest() !== checkpoint.digest) {
      throw new QuorateError("ERR_STORE_DAMAGED", "the checkpoint's rows do not give its digest", {
        details: { position: formatTxnid(checkpoint.position.txnid) },
      });
    }
    this.#applied = checkpoint?.position ?? LOG_START;
    this.#newest = this.#applied.txnid;
    this.#beforeLoad = null;
    this.#deps.feed?.restored(this.#applied, store);
    this.#logEnd = this.#applied;
    this.#commitMark = maxTxnid(commitMark, this.#applied.txnid);
    for await (const batches of batchesBetween(store, this.#applied.txnid, logEnd.txnid)) {
      for (const batch of batches) this.#log(batch);
      this.#applyUpTo(this.#commitMark);
      onLoading?.();
    }
    assert(this.#logEnd.txnid === logEnd.txnid, "the log reaches its own end");
    this.#wake();
  }

  /** Rows of a checkpoint take the place of the state, from here until `load` or `resetLoading`. */
  beginLoading(): void {
    this.#beforeLoad ??= this.appliedState();
    this.#deps.stateMachine.reset();
  }

  /** The rows are not to be loaded after all, and there is no state that they have replaced. */
  resetLoading(): void {
    assert(this.isEmpty, "there is no state that the rows have replaced");
    this.#deps.stateMachine.reset();
    this.#beforeLoad = null;
  }

  /** A batch that was handed to the store. */
  log(batch: EntryBatch): void {
    this.#log(batch);
    this.#deps.feed?.logged(batch);
  }

  #log(batch: EntryBatch): void {
    assert(followsPosition(batch, this.#logEnd), "the log has no hole", {
      first: formatTxnid(batch.first),
      end: formatTxnid(this.#logEnd.txnid),
    });
    this.#logEnd = positionOf(batch);
    this.#unapplied.push(batch);
  }

  truncateAfter(position: LogPosition): void {
    assert(position.txnid >= this.#applied.txnid, "nothing applied is ever removed", {
      to: formatTxnid(position.txnid),
      applied: formatTxnid(this.#applied.txnid),
    });
    this.#unapplied = this.#unapplied.filter((batch) => batch.last <= position.txnid);
    this.#logEnd = position;
    this.#deps.feed?.truncated(position);
  }

  /** The log was replaced; `load` follows. Until then nothing can be committed. */
  replaced(logEnd: LogPosition): void {
    this.#unapplied = [];
    this.#logEnd = logEnd;
  }

  /** `refusals` are told at their places, each between the two entries that it stands between. */
  commit(upTo: Txnid, refusals?: PlacedRefusals): void {
    assert(upTo <= this.#logEnd.txnid, "only what is logged can be committed", {
      upTo: formatTxnid(upTo),
      end: formatTxnid(this.#logEnd.txnid),
    });
    if (upTo <= this.#commitMark && this.#applied.txnid >= upTo) return;
    this.#commitMark = maxTxnid(this.#commitMark, upTo);
    this.#applyUpTo(upTo, refusals);
    this.#wake();
  }

  /** Calls back once everything up to the mark is applied, at once if it is; or when abandoned. */
  whenApplied(mark: Txnid, done: (isApplied: boolean) => void): void {
    if (this.#applied.txnid >= mark) done(true);
    else this.#waiters.push({ mark, done });
  }

  /** The role ended: nobody knows when, or whether, the marks waited for are reached here. */
  abandonWaiters(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const { done } of waiters) done(false);
  }

  #applyUpTo(upTo: Txnid, refusals?: PlacedRefusals): void {
    assert(!this.#isApplying, "applying is not re-entrant: a commit from within one");
    this.#isApplying = true;
    let count = 0;
    for (const batch of this.#unapplied) {
      if (batch.last > upTo) break;
      // Looked at once for a batch: most have no refusal within.
      const first = refusals?.first ?? null;
      const within = first !== null && first < batch.last ? refusals : undefined;
      for (const entry of entriesOf(batch)) {
        within?.releaseBefore(entry.txnid);
        this.#apply(entry);
      }
      this.#applied = positionOf(batch);
      this.#appliedBytes += batch.bytes.length;
      count += 1;
    }
    const batches = this.#unapplied.slice(0, count);
    if (count > 0) this.#unapplied = this.#unapplied.slice(count);
    this.#isApplying = false;
    if (count === 0) return;
    this.#deps.feed?.advanced(batches);
    this.#deps.onAdvanced?.(batches);
  }

  #apply(entry: LogEntryMsg): void {
    if (!isInternalOpCode(entry.op)) {
      const answer = this.#deps.stateMachine.apply(entry);
      this.#newest = entry.txnid;
      this.#deps.onApplied(entry, answer);
      return;
    }
    this.#newest = entry.txnid;
    const members = decodeIdentities(entry.content);
    if (entry.op === OpCode.foundEnsemble) {
      this.#deps.onFounded(members);
    } else {
      for (const [voter, identity] of members) this.#deps.onAdmitted(voter, identity);
    }
    this.#deps.onApplied(entry, NO_ANSWER);
  }

  #wake(): void {
    if (this.#waiters.length === 0) return;
    const ready = this.#waiters.filter(({ mark }) => mark <= this.#applied.txnid);
    this.#waiters = this.#waiters.filter(({ mark }) => mark > this.#applied.txnid);
    for (const { done } of ready) done(true);
  }
}
