import { LAZY_APPEND_BYTES_MAX, LAZY_APPEND_MS } from "@quorate/protocol";
import type {
  Clock,
  DurableStore,
  EntryBatch,
  LogPosition,
  SnapshotInfo,
  StagedSnapshot,
  StoreEvents,
  Ticket,
  Timer,
  Txnid,
} from "@quorate/protocol";

/**
 * A store whose owner promises nothing: a watcher's. What it appends lazily is gathered and becomes
 * durable as one write per second or per MiB; whatever else is written or read sends it first, so
 * the order of writes and what is read are those of the store below.
 *
 * Safety: nothing of a watcher counts anywhere, so all that a crash costs is the last second, which
 * its upstream sends again. Tickets are this store's own: one write below answers many.
 */
export class LazyStore implements DurableStore {
  readonly #inner: DurableStore;
  readonly #clock: Clock;
  readonly #delayMs: number;
  readonly #staged = new WeakMap<StagedSnapshot, StagedSnapshot>();
  #lastTicket: Ticket = 0;
  /** Handed on and not answered: the ticket below, and the last one here that it answers. */
  #open: { readonly below: Ticket; readonly here: Ticket }[] = [];
  #gathered: EntryBatch[] = [];
  #gatheredBytes = 0;
  #mark: Txnid | null = null;
  #timer: Timer | null = null;

  /** @param diskTimeoutMs what waits here must not look like a disk that does not answer. */
  constructor(
    inner: DurableStore,
    deps: { readonly clock: Clock; readonly diskTimeoutMs: number },
  ) {
    this.#inner = inner;
    this.#clock = deps.clock;
    this.#delayMs = Math.min(LAZY_APPEND_MS, deps.diskTimeoutMs / 4);
  }

  get recovered(): DurableStore["recovered"] {
    return this.#inner.recovered;
  }

  get logStart(): LogPosition {
    return this.#inner.logStart;
  }

  get isFullCheckpointDue(): boolean {
    return this.#inner.isFullCheckpointDue;
  }

  attach(events: StoreEvents): void {
    this.#inner.attach({
      onPersisted: (upTo, lastLogged) => {
        let answered = 0;
        while ((this.#open[answered]?.below ?? Infinity) <= upTo) answered += 1;
        const last = this.#open[answered - 1];
        this.#open = this.#open.slice(answered);
        if (last !== undefined) events.onPersisted(last.here, lastLogged);
      },
      onFailed: (error) => {
        events.onFailed(error);
      },
    });
  }

  /** As `append`, within a second. */
  appendLazily(batches: readonly EntryBatch[], commitMark: Txnid): Ticket {
    this.#gathered.push(...batches);
    for (const { bytes } of batches) this.#gatheredBytes += bytes.length;
    this.#mark = commitMark;
    this.#lastTicket += 1;
    const ticket = this.#lastTicket;
    if (this.#gatheredBytes >= LAZY_APPEND_BYTES_MAX) this.flush();
    else this.#timer ??= this.#clock.setTimer(this.#delayMs, () => this.flush());
    return ticket;
  }

  /** Sends what was gathered, now. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#mark === null) return;
    const below = this.#inner.append(this.#gathered, this.#mark);
    this.#open.push({ below, here: this.#lastTicket });
    this.#gathered = [];
    this.#gatheredBytes = 0;
    this.#mark = null;
  }

  append(batches: readonly EntryBatch[], commitMark: Txnid): Ticket {
    return this.#write((store) => store.append(batches, commitMark));
  }

  setAcceptedEpoch(accepted: Parameters<DurableStore["setAcceptedEpoch"]>[0]): Ticket {
    return this.#write((store) => store.setAcceptedEpoch(accepted));
  }

  setCurrentEpoch(epoch: Parameters<DurableStore["setCurrentEpoch"]>[0]): Ticket {
    return this.#write((store) => store.setCurrentEpoch(epoch));
  }

  setIdentityTable(members: Parameters<DurableStore["setIdentityTable"]>[0]): Ticket {
    return this.#write((store) => store.setIdentityTable(members));
  }

  truncateAfter(position: LogPosition): Ticket {
    return this.#write((store) => store.truncateAfter(position));
  }

  stageSnapshot(info: SnapshotInfo): StagedSnapshot {
    const inner = this.#inner.stageSnapshot(info);
    const staged: StagedSnapshot = {
      info,
      writeRows: (rows) => this.#write(() => inner.writeRows(rows)),
      append: (batches) => this.#write(() => inner.append(batches)),
    };
    this.#staged.set(staged, inner);
    return staged;
  }

  installSnapshot(staged: StagedSnapshot): Ticket {
    return this.#write((store) => store.installSnapshot(this.#staged.get(staged) ?? staged));
  }

  discardStaged(staged: StagedSnapshot): Ticket {
    return this.#write((store) => store.discardStaged(this.#staged.get(staged) ?? staged));
  }

  findPosition(atOrBelow: Txnid): Promise<LogPosition | null> {
    this.flush();
    return this.#inner.findPosition(atOrBelow);
  }

  readBatches(after: Txnid, upTo: Txnid, bytesMax: number): Promise<readonly EntryBatch[]> {
    this.flush();
    return this.#inner.readBatches(after, upTo, bytesMax);
  }

  readCheckpoint(): ReturnType<DurableStore["readCheckpoint"]> {
    return this.#inner.readCheckpoint();
  }

  openSnapshot(): ReturnType<DurableStore["openSnapshot"]> {
    return this.#inner.openSnapshot();
  }

  beginCheckpoint(
    ...args: Parameters<DurableStore["beginCheckpoint"]>
  ): ReturnType<DurableStore["beginCheckpoint"]> {
    return this.#inner.beginCheckpoint(...args);
  }

  close(): Promise<void> {
    this.flush();
    return this.#inner.close();
  }

  #write(write: (store: DurableStore) => Ticket): Ticket {
    this.flush();
    const below = write(this.#inner);
    this.#lastTicket += 1;
    this.#open.push({ below, here: this.#lastTicket });
    return this.#lastTicket;
  }
}
