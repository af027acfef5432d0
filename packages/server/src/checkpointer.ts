import {
  errorCodeOf,
  formatTxnid,
  HISTORY_CHUNK_BYTES_MAX,
  LOG_INTERVALS_MAX,
  QuorateError,
} from "@quorate/protocol";
import type {
  CheckpointWriter,
  Clock,
  DurableStore,
  Logger,
  Meter,
  SnapshotInfo,
  StateMachine,
  Txnid,
} from "@quorate/protocol";

export interface CheckpointerDeps {
  readonly store: DurableStore;
  readonly stateMachine: StateMachine;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter?: Meter;
  /** Log bytes applied since the start; grows only. */
  appliedBytes(): number;
  /** The applied state as of now. */
  describe(): SnapshotInfo;
  /** The own log is durable up to here. */
  lastLogged(): Txnid;
  /** There was no room for a checkpoint for so long that the log may grow no further. */
  onOverdue(error: QuorateError): void;
}

/** After a checkpoint that failed, the next one is tried after this share of the usual bytes. */
const RETRY_SHARE = 1 / 8;
/** While nothing is written, so that no bytes call for the next. */
const RETRY_PAUSE_MS = 1000;

/**
 * Writes a checkpoint whenever enough of the log has been applied, so that the log below it can
 * go (G18). It runs beside everything else: rows are taken in short slices of a consistent image,
 * written at the pace of the state database, and become current in one write at the end.
 *
 * All nodes apply the same bytes, so all would write at the same moment, for ever. So the first one
 * of each comes sooner by a share of its own (see checkpoint-turns.ts). A restart counts on from
 * the checkpoint that it has loaded, hence keeps its turn.
 */
export class Checkpointer {
  readonly #intervalBytes: number;
  readonly #deps: CheckpointerDeps;
  #bytesAtLast = 0;
  #bytesAtFinished = 0;
  /** The last one that was tried found no room. */
  #isOutOfRoom = false;
  #isRunning = false;
  #generation = 0;
  /** A checkpoint's image stands, and waits for the log below it to be durable. */
  #awaited: { readonly txnid: Txnid; readonly resolve: () => void } | null = null;

  /** @param share Of the interval, by which the first one comes sooner. */
  constructor(intervalBytes: number, share: number, deps: CheckpointerDeps) {
    this.#intervalBytes = intervalBytes;
    this.#bytesAtLast = -intervalBytes * share;
    this.#deps = deps;
  }

  /** Starts one if it is due. */
  consider(): void {
    if (this.#isRunning) return;
    const appliedBytes = this.#deps.appliedBytes();
    if (this.#isOutOfRoom && this.#isOverdue()) {
      this.#deps.onOverdue(this.#overdue());
      return;
    }
    if (appliedBytes - this.#bytesAtLast < this.#intervalBytes) return;
    this.#startedAttempt().catch((error: unknown) => this.#failed(error));
  }

  /** The state is being replaced: what is being written must never become current. */
  cancel(): void {
    this.#generation += 1;
    this.#release();
  }

  /**
   * The state is about to become that of a checkpoint of another node's, and the log above it is
   * applied next. That node's next one comes after a whole interval, the own one sooner by the
   * share.
   */
  installed(share: number): void {
    const appliedBytes = this.#deps.appliedBytes();
    this.#bytesAtLast = appliedBytes - this.#intervalBytes * share;
    this.#bytesAtFinished = appliedBytes;
  }

  /** The own log is durable up to here. */
  logged(upTo: Txnid): void {
    if (this.#awaited !== null && this.#awaited.txnid <= upTo) this.#release();
  }

  /**
   * Writes checkpoints, again and again, until the log is well within its bound: what is logged and
   * not applied yet counts as soon as the node leads, and would end that role at once.
   *
   * Liveness: it waits for room alone. A replicated state that cannot be saved fails here for ever,
   * and on all nodes alike: a log that grows is a lesser evil than an ensemble without a leader.
   */
  async shortenLog(isOver: () => boolean): Promise<void> {
    while (!this.#isRunning && this.#bytesAbove > this.#bytesMax / 2 && !isOver()) {
      try {
        await this.#startedAttempt();
      } catch (error) {
        if (isOver()) return;
        this.#failed(error);
        if (!this.#isOutOfRoom) return;
        await new Promise<void>((resolve) => {
          this.#deps.clock.setTimer(RETRY_PAUSE_MS, resolve);
        });
      }
    }
  }

  async #startedAttempt(): Promise<void> {
    const { appliedBytes: bytesOf, clock, logger } = this.#deps;
    const appliedBytes = bytesOf();
    const from = clock.now();
    this.#isRunning = true;
    this.#bytesAtLast = appliedBytes;
    try {
      const info = this.#deps.describe();
      if (await this.#run(info)) {
        const ms = Math.round(clock.now() - from);
        logger.info("checkpoint written", { position: formatTxnid(info.position.txnid), ms });
        this.#bytesAtFinished = appliedBytes;
      }
      this.#isOutOfRoom = false;
    } finally {
      this.#isRunning = false;
    }
  }

  /** The log is kept, and the next one tried sooner. */
  #failed(error: unknown): void {
    const { logger, meter } = this.#deps;
    this.#bytesAtLast -= this.#intervalBytes * (1 - RETRY_SHARE);
    const code = errorCodeOf(error) ?? "ERR_SERVER_INTERNAL";
    this.#isOutOfRoom = code === "ERR_STORE_FULL";
    const fields = { code, bytes: this.#bytesAbove, bytesMax: this.#bytesMax };
    if (code === "ERR_STORE_CLOSED") {
      logger.warn("checkpoint failed; the log is kept", fields, error);
      return;
    }
    meter?.count("checkpoint_failures");
    if (this.#isOutOfRoom) {
      logger.error("no room for a checkpoint; the log grows until there is", fields, error);
    } else logger.error("a checkpoint failed; the log grows until one is written", fields, error);
  }

  /** Of the log above the last finished checkpoint. */
  get #bytesAbove(): number {
    return this.#deps.appliedBytes() - this.#bytesAtFinished;
  }

  #isOverdue(): boolean {
    return this.#bytesAbove > this.#bytesMax;
  }

  get #bytesMax(): number {
    return this.#intervalBytes * LOG_INTERVALS_MAX;
  }

  #overdue(): QuorateError {
    return new QuorateError("ERR_STORE_FULL", "no room for a checkpoint, and the log is too long", {
      retryable: true,
      details: { bytes: this.#bytesAbove, bytesMax: this.#bytesMax },
    });
  }

  /** True when it became current. */
  async #run(info: SnapshotInfo): Promise<boolean> {
    const generation = this.#generation;
    const full = this.#deps.store.isFullCheckpointDue;
    const changes = this.#deps.stateMachine.beginChanges({ full });
    let writer: CheckpointWriter | null = null;
    try {
      await this.#untilLogged(info.position.txnid);
      if (generation !== this.#generation) return false;
      writer = this.#deps.store.beginCheckpoint(info, { full });
      for (;;) {
        if (generation !== this.#generation) break;
        const rows = changes.next(HISTORY_CHUNK_BYTES_MAX);
        if (rows.length === 0) {
          await writer.finish();
          return true;
        }
        await writer.write(rows);
      }
      await writer.discard();
      return false;
    } catch (error) {
      if (generation === this.#generation) changes.abandon();
      await writer?.discard();
      throw error;
    }
  }

  /**
   * A checkpoint stands on what is durable in the own log, and the applied state runs ahead of it
   * for as long as others are faster and there is no pause. So the image is of a state that will
   * be durable in a moment (G18).
   */
  #untilLogged(txnid: Txnid): Promise<void> {
    if (txnid <= this.#deps.lastLogged()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#awaited = { txnid, resolve };
    });
  }

  #release(): void {
    this.#awaited?.resolve();
    this.#awaited = null;
  }
}
