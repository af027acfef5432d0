import { HISTORY_CHUNK_BYTES_MAX, LOG_START } from "@quorate/protocol";
import type {
  CheckpointWriter,
  DurableStore,
  Logger,
  SnapshotInfo,
  SnapshotSource,
  StateMachine,
} from "@quorate/protocol";

export interface CheckpointerDeps {
  readonly store: DurableStore;
  readonly stateMachine: StateMachine;
  readonly logger: Logger;
}

/**
 * Writes a checkpoint whenever enough of the log has been applied, so that the log below it can
 * go (G18). It runs beside everything else: rows are taken in short slices of a consistent image,
 * written at the pace of the state database, and become current in one write at the end.
 */
export class Checkpointer {
  readonly #intervalBytes: number;
  readonly #deps: CheckpointerDeps;
  #bytesAtLast = 0;
  #isRunning = false;
  #generation = 0;

  constructor(intervalBytes: number, deps: CheckpointerDeps) {
    this.#intervalBytes = intervalBytes;
    this.#deps = deps;
  }

  /**
   * Starts one if it is due.
   * @param describe the applied state as of now; only called when one starts. Its position is
   * durable in the log.
   */
  consider(appliedBytes: number, describe: () => SnapshotInfo): void {
    if (this.#isRunning || appliedBytes - this.#bytesAtLast < this.#intervalBytes) return;
    this.#isRunning = true;
    this.#bytesAtLast = appliedBytes;
    this.#run(describe()).catch((error: unknown) => {
      this.#deps.logger.warn("checkpoint failed; the log is kept", {}, error);
    });
  }

  /** The state is being replaced: what is being written must never become current. */
  cancel(): void {
    this.#generation += 1;
  }

  async #run(info: SnapshotInfo): Promise<void> {
    const generation = this.#generation;
    const changes = this.#deps.stateMachine.beginChanges({ full: false });
    let writer: CheckpointWriter | null = null;
    try {
      writer = this.#deps.store.beginCheckpoint(info, { full: false });
      for (;;) {
        if (generation !== this.#generation) break;
        const rows = changes.next(HISTORY_CHUNK_BYTES_MAX);
        if (rows.length === 0) {
          await writer.finish();
          return;
        }
        await writer.write(rows);
      }
      await writer.discard();
    } catch (error) {
      if (generation === this.#generation) changes.abandon();
      await writer?.discard();
      throw error;
    } finally {
      this.#isRunning = false;
    }
  }
}

/** What a node sends that has no checkpoint yet: nothing, and then its whole log. */
export function emptySnapshot(digest: bigint): SnapshotSource {
  return {
    info: { position: LOG_START, digest, members: [] },
    read: () => Promise.resolve([]),
    close: () => undefined,
  };
}
