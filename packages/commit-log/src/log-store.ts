import {
  assert,
  parseBatch,
  QuorateError,
  type AcceptedEpoch,
  type Chain,
  type CheckpointWriter,
  type DurableStore,
  type EntryBatch,
  type Epoch,
  type IdentityTable,
  type LogPosition,
  type RecoveredState,
  type SnapshotInfo,
  type SnapshotSource,
  type StagedSnapshot,
  type StateRows,
  type StoreEvents,
  type Ticket,
  type Txnid,
} from "@quorate/protocol";
import { CheckpointJob, drained, PinnedRows, StagedJob } from "./checkpoint-jobs.js";
import { blockListOf, linkLost, type LogLink } from "./log-link.js";
import { LogView } from "./log-view.js";
import type { StateLink } from "./state-link.js";
import {
  recoveredOf,
  rowsRefOf,
  withDeadline,
  type LogStoreOptions,
  type OpenedStore,
} from "./store-support.js";
import { bufferOf } from "./row-codec.js";
import { closedError, NEVER, TicketLanes } from "./ticket-lanes.js";
import type { CheckpointFact, FromLogWorker, RowsRef } from "./worker-messages.js";

type Status = "open" | "closing" | "failed" | "closed";

/** What happens when a ticket of the log is durable, before anybody is told. */
interface AfterTicket {
  readonly ticket: Ticket;
  action(): void;
}

/** The event loop's side of the store: checks, numbers and hands on; it never waits for a disk. */
export class LogStore implements DurableStore {
  readonly recovered: RecoveredState;
  readonly #log: LogLink;
  readonly #state: StateLink;
  readonly #options: LogStoreOptions;
  readonly #lanes = new TicketLanes();
  readonly #view: LogView;
  readonly #pins = new Map<number, LogPosition>();
  #nextPin = 1;
  #durableEnd: LogPosition;
  #accepted: AcceptedEpoch;
  #currentEpoch: Epoch;
  #checkpoint: CheckpointFact | null;
  #isFullDue: boolean;
  #job: CheckpointJob | null = null;
  #staged: StagedJob | null = null;
  #afterTickets: AfterTicket[] = [];
  #events: StoreEvents | null = null;
  #status: Status = "open";
  #failure: QuorateError | null = null;
  #closed: Promise<void> | null = null;
  #onLogClosed: () => void = () => undefined;

  constructor(
    log: LogLink,
    state: StateLink,
    { log: opened, isFullDue }: OpenedStore,
    options: LogStoreOptions,
  ) {
    this.#log = log;
    this.#state = state;
    this.#options = options;
    this.recovered = recoveredOf(opened);
    this.#view = new LogView(opened.logStart, opened.lastLogged, opened.commitMark);
    this.#durableEnd = opened.lastLogged;
    this.#accepted = opened.acceptedEpoch;
    this.#currentEpoch = opened.currentEpoch;
    this.#checkpoint = opened.checkpoint;
    this.#isFullDue = isFullDue;
    log.listen({
      onMessage: (message) => this.#receive(message),
      onLost: (error) => this.#fail(linkLost(error)),
    });
    state.listen((error) => this.#fail(error));
  }

  get logStart(): LogPosition {
    return this.#view.start;
  }

  get isFullCheckpointDue(): boolean {
    return this.#isFullDue;
  }

  attach(events: StoreEvents): void {
    assert(this.#events === null, "a store has one receiver of its events");
    this.#events = events;
  }

  append(batches: readonly EntryBatch[], commitMark: Txnid): Ticket {
    if (!this.#canWrite()) return NEVER;
    this.#view.checkAppend(batches, commitMark);
    const ticket = this.#lanes.take("log");
    this.#view.append(batches, commitMark, ticket);
    this.#log.write(ticket, { op: "append", blocks: blockListOf(batches), commitMark }, batches);
    return ticket;
  }

  setAcceptedEpoch(accepted: AcceptedEpoch): Ticket {
    if (!this.#canWrite()) return NEVER;
    const old = this.#accepted;
    const isSame = accepted.epoch === old.epoch && accepted.leader === old.leader;
    assert(isSame || accepted.epoch > old.epoch, "an accepted epoch is promised once", {
      old,
      accepted,
    });
    this.#accepted = accepted;
    const ticket = this.#lanes.take("log");
    const { epoch, leader } = accepted;
    this.#log.write(ticket, { op: "accepted", accepted: { epoch, leader } });
    return ticket;
  }

  setCurrentEpoch(epoch: Epoch): Ticket {
    if (!this.#canWrite()) return NEVER;
    assert(epoch >= this.#currentEpoch, "the current epoch never goes back", { epoch });
    this.#currentEpoch = epoch;
    const ticket = this.#lanes.take("log");
    this.#log.write(ticket, { op: "current", epoch });
    return ticket;
  }

  setIdentityTable(members: IdentityTable): Ticket {
    if (!this.#canWrite()) return NEVER;
    const ticket = this.#lanes.take("log");
    this.#log.write(ticket, { op: "members", members: [...members] });
    return ticket;
  }

  truncateAfter(position: LogPosition): Ticket {
    if (!this.#canWrite()) return NEVER;
    this.#view.checkTruncate(position);
    const ticket = this.#lanes.take("log");
    this.#view.truncate(position);
    const { txnid, chain } = position;
    this.#log.write(ticket, { op: "truncate", after: { txnid, chain } });
    return ticket;
  }

  stageSnapshot(info: SnapshotInfo): StagedSnapshot {
    const staged = new StagedJob(info, {
      writeRows: (rows) => this.#writeStagedRows(rows),
      append: (batches) => {
        if (!this.#canWrite()) return NEVER;
        const ticket = this.#lanes.take("log");
        this.#log.write(ticket, { op: "stageAppend", blocks: blockListOf(batches) }, batches);
        return ticket;
      },
    });
    this.#staged?.end();
    this.#staged = staged;
    if (!this.#canWrite()) return staged;
    this.#log.write(this.#lanes.take("log"), { op: "stage", position: info.position });
    this.#state.request<"stage">({ op: "stage" }).catch(this.#failed);
    return staged;
  }

  installSnapshot(staged: StagedSnapshot): Ticket {
    const job = this.#staged;
    assert(job !== null && job === staged, "the installed snapshot is the one staged");
    job.end();
    this.#staged = null;
    if (!this.#canWrite()) return NEVER;
    if (this.#job?.supersede() === true) {
      this.#job = null;
      this.#state.request<"discard">({ op: "discard" }).catch(this.#failed);
    }
    const { position, digest, members } = job.info;
    const ticket = this.#lanes.take("log");
    this.#view.install(position, job.boundaries, ticket);
    const open = this.#log.gate(ticket);
    // The rows must be on disk before the row that names them.
    this.#state.request<"stageFinish">({ op: "stageFinish" }).then((rows) => {
      const checkpoint = { position, digest, members, ...rows };
      this.#afterTickets.push({ ticket, action: () => this.#become(checkpoint) });
      open({ op: "install", checkpoint });
    }, this.#failed);
    return ticket;
  }

  discardStaged(staged: StagedSnapshot): Ticket {
    if (!this.#canWrite()) return NEVER;
    const ticket = this.#lanes.take("log");
    const isCurrent = this.#staged !== null && this.#staged === staged;
    if (isCurrent) {
      this.#staged?.end();
      this.#staged = null;
      this.#state.request<"stageDrop">({ op: "stageDrop" }).catch(this.#failed);
    }
    // A stage that another has replaced is gone already; its ticket is answered all the same.
    if (isCurrent) this.#log.write(ticket, { op: "discard" });
    else this.#log.write(ticket, { op: "current", epoch: this.#currentEpoch });
    return ticket;
  }

  async findPosition(atOrBelow: Txnid): Promise<LogPosition | null> {
    this.#throwIfEnded();
    const found = this.#view.find(atOrBelow);
    if (found.kind === "known") return found.position;
    return this.#read(this.#state.request<"find">({ op: "find", atOrBelow: found.atOrBelow }));
  }

  async readBatches(after: Txnid, upTo: Txnid, bytesMax: number): Promise<readonly EntryBatch[]> {
    this.#throwIfEnded();
    await this.#lanes.until(this.#view.ticketOf(upTo));
    const slice = await this.#read(
      this.#state.request<"readLog">({ op: "readLog", after, upTo, bytesMax }),
    );
    let at = 0;
    return slice.blocks.lengths.map((length, i) => {
      const bytes = new Uint8Array(slice.bytes, at, length);
      at += length;
      // The reader has compared the chain with the bytes.
      return parseBatch(bytes, () => (slice.blocks.chains[i] ?? 0n) as Chain);
    });
  }

  async *readCheckpoint(): AsyncIterable<StateRows> {
    const source = await this.openSnapshot();
    if (source !== null) yield* drained(source);
  }

  async openSnapshot(): Promise<SnapshotSource | null> {
    this.#throwIfEnded();
    // What is about to become current was told which logs to keep, and this one is not among them.
    for (let due = this.#afterTickets.at(-1); due !== undefined; due = this.#afterTickets.at(-1)) {
      await this.#lanes.until(due.ticket);
    }
    this.#throwIfEnded();
    const checkpoint = this.#checkpoint;
    if (checkpoint === null) return null;
    const pin = this.#nextPin;
    this.#nextPin += 1;
    this.#pins.set(pin, checkpoint.position);
    const rows = rowsRefOf(checkpoint);
    this.#state.request<"pin">({ op: "pin", pin, rows }).catch(this.#failed);
    const { position, digest, members } = checkpoint;
    return new PinnedRows(
      { position, digest, members },
      {
        read: (bytesMax) => this.#read(this.#state.request<"read">({ op: "read", pin, bytesMax })),
        close: () => {
          this.#pins.delete(pin);
          if (this.#status !== "open") return;
          this.#state.request<"unpin">({ op: "unpin", pin }).catch(this.#failed);
        },
      },
    );
  }

  beginCheckpoint(info: SnapshotInfo, options: { readonly full: boolean }): CheckpointWriter {
    assert(this.#job === null, "one checkpoint is written at a time");
    const { txnid } = info.position;
    assert(txnid <= this.#durableEnd.txnid, "a checkpoint stands in the durable log", { txnid });
    assert(txnid >= (this.#checkpoint?.position.txnid ?? 0n), "checkpoints rise", { txnid });
    const job: CheckpointJob = new CheckpointJob(info, {
      request: (request, moved) => this.#state.request(request, moved),
      commit: (rows) => this.#commitCheckpoint(info, rows),
      ended: () => {
        if (this.#job === job) this.#job = null;
      },
      failed: (error) => {
        // A full disk ends this checkpoint only: the log has not lost anything by it.
        if (error.code !== "ERR_STORE_FULL") this.#fail(error);
      },
    });
    this.#job = job;
    job.begin(options.full);
    return job;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** @internal Ends the threads as a crash would, for tests. */
  async abandon(): Promise<void> {
    this.#status = "closed";
    await Promise.all([this.#log.terminate(), this.#state.terminate(closedError())]);
  }

  #writeStagedRows(rows: StateRows): Ticket {
    if (!this.#canWrite()) return NEVER;
    const ticket = this.#lanes.take("state");
    const packed = bufferOf(rows);
    this.#state
      .request<"stageWrite">({ op: "stageWrite", rows: packed }, [packed])
      .then(() => this.#answered("state", ticket), this.#failed);
    return ticket;
  }

  async #commitCheckpoint(info: SnapshotInfo, rows: RowsRef): Promise<void> {
    if (!this.#canWrite()) throw this.#endError();
    const { position, digest, members } = info;
    const checkpoint = { position, digest, members, ...rows };
    let lowest = position.txnid;
    for (const pin of this.#pins.values()) if (pin.txnid < lowest) lowest = pin.txnid;
    const ticket = this.#lanes.take("log");
    this.#afterTickets.push({ ticket, action: () => this.#become(checkpoint) });
    this.#log.write(ticket, { op: "checkpoint", checkpoint, lowest });
    await this.#lanes.until(ticket);
  }

  #become(checkpoint: CheckpointFact): void {
    this.#checkpoint = checkpoint;
    this.#state
      .request<"current">({ op: "current", rows: rowsRefOf(checkpoint) })
      .then((isFullDue) => {
        this.#isFullDue = isFullDue;
      }, this.#failed);
  }

  #receive(message: FromLogWorker): void {
    if (message.kind === "failed") {
      const { code, retryable } = message;
      this.#fail(new QuorateError(code, message.message, { retryable }));
    } else if (message.kind === "closed") this.#onLogClosed();
    else if (message.kind === "persisted") {
      this.#durableEnd = message.lastLogged;
      this.#view.persisted(message.upTo);
      this.#view.startsAt(message.logStart);
      this.#options.meter.count("log_commits");
      this.#options.meter.observe("log_commit_ms", message.commitMs);
      this.#answered("log", message.upTo);
    }
  }

  #answered(lane: "log" | "state", upTo: Ticket): void {
    if (this.#status !== "open" && this.#status !== "closing") return;
    if (lane === "log") {
      const due = this.#afterTickets.filter(({ ticket }) => ticket <= upTo);
      this.#afterTickets = this.#afterTickets.filter(({ ticket }) => ticket > upTo);
      for (const { action } of due) action();
    }
    if (!this.#lanes.answer(lane, upTo)) return;
    this.#events?.onPersisted(this.#lanes.answered, this.#durableEnd);
    this.#lanes.release();
  }

  /** For requests that nobody else hears of. */
  readonly #failed = (error: QuorateError): void => {
    this.#fail(error);
  };

  #fail(error: QuorateError): void {
    if (this.#status !== "open" && this.#status !== "closing") return;
    this.#status = "failed";
    this.#failure = error;
    this.#options.logger.error("the store failed", { code: error.code }, error);
    this.#options.meter.count("store_failures");
    this.#lanes.end(error);
    this.#state.end(error);
    this.#events?.onFailed(error);
  }

  /** Bytes that cannot be read any more are no weather: the next open judges the whole. */
  async #read<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      const failure = error as QuorateError;
      if (failure.code === "ERR_STORE_DAMAGED" || failure.code === "ERR_STORE_IO") {
        this.#fail(failure);
      }
      throw error;
    }
  }

  #canWrite(): boolean {
    assert(this.#events !== null, "a store is attached before its first write");
    return this.#status === "open";
  }

  #throwIfEnded(): void {
    if (this.#status !== "open") throw this.#endError();
  }

  #endError(): QuorateError {
    return this.#failure ?? closedError();
  }

  async #close(): Promise<void> {
    const { diskTimeoutMs } = this.#options;
    const late = new QuorateError("ERR_STORE_TIMEOUT", "the disk did not answer in time");
    const outcome = await withDeadline(this.#closeOrderly(), diskTimeoutMs);
    if (outcome === "late") {
      this.#options.logger.error("the disk did not answer in time", { diskTimeoutMs });
      this.#lanes.end(late);
    }
    this.#status = "closed";
    this.#lanes.end(closedError());
    // A thread that hangs in a disk cannot be ended; the process must not hang with it.
    const ended = Promise.all([this.#log.terminate(), this.#state.terminate(closedError())]);
    const isLate = outcome === "late";
    this.#options.onEnding(ended, isLate);
    if (!isLate) await ended;
  }

  async #closeOrderly(): Promise<void> {
    if (this.#status === "open") {
      this.#status = "closing";
      this.#log.flush();
      await this.#lanes.until(this.#lanes.last).catch(() => undefined);
    }
    await this.#state.close(closedError()).catch(() => undefined);
    this.#log.expectEnd();
    const closed = new Promise<void>((resolve) => {
      this.#onLogClosed = resolve;
      this.#log.send({ kind: "close" });
    });
    await Promise.race([closed, this.#log.exited]);
  }
}
