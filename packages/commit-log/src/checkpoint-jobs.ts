import {
  assert,
  PackedRows,
  positionOf,
  QuorateError,
  type CheckpointWriter,
  type EntryBatch,
  type LogPosition,
  type SnapshotInfo,
  type SnapshotSource,
  type StagedSnapshot,
  type StateRows,
  type Ticket,
} from "@quorate/protocol";
import { continued } from "./log-view.js";
import { bufferOf } from "./row-codec.js";
import type { RowsRef, StateAnswers, StateRequest } from "./worker-messages.js";

interface StageHost {
  writeRows(rows: StateRows): Ticket;
  append(batches: readonly EntryBatch[]): Ticket;
}

export class StagedJob implements StagedSnapshot {
  readonly info: SnapshotInfo;
  readonly boundaries: LogPosition[] = [];
  readonly #host: StageHost;
  #end: LogPosition;
  #isEnded = false;

  constructor(info: SnapshotInfo, host: StageHost) {
    this.info = info;
    this.#host = host;
    this.#end = info.position;
  }

  writeRows(rows: StateRows): Ticket {
    assert(!this.#isEnded, "a staged snapshot is written before its install or discard");
    return this.#host.writeRows(rows);
  }

  append(batches: readonly EntryBatch[]): Ticket {
    assert(!this.#isEnded, "a staged snapshot is written before its install or discard");
    this.#end = continued(this.#end, batches);
    for (const batch of batches) this.boundaries.push(positionOf(batch));
    return this.#host.append(batches);
  }

  end(): void {
    this.#isEnded = true;
  }
}

interface CheckpointHost {
  request<O extends StateRequest["op"]>(
    request: Extract<StateRequest, { readonly op: O }>,
    moved?: readonly ArrayBuffer[],
  ): Promise<StateAnswers[O]>;
  commit(rows: RowsRef): Promise<void>;
  ended(): void;
  failed(error: QuorateError): void;
}

export class CheckpointJob implements CheckpointWriter {
  readonly #info: SnapshotInfo;
  readonly #host: CheckpointHost;
  #status: "writing" | "finishing" | "committing" | "ended" | "superseded" = "writing";
  #begun: Promise<unknown> = Promise.resolve();

  constructor(info: SnapshotInfo, host: CheckpointHost) {
    this.#info = info;
    this.#host = host;
  }

  begin(full: boolean): void {
    this.#begun = this.#ask(this.#host.request<"begin">({ op: "begin", full }));
    // Reported by the first write or by the finish.
    this.#begun.catch(() => undefined);
  }

  async write(rows: StateRows): Promise<void> {
    this.#throwIfSuperseded();
    assert(this.#status === "writing", "rows are written before the checkpoint ends", {
      position: this.#info.position,
    });
    const packed = bufferOf(rows);
    const written = this.#ask(this.#host.request<"write">({ op: "write", rows: packed }, [packed]));
    await Promise.all([this.#begun, written]);
    this.#throwIfSuperseded();
  }

  async finish(): Promise<void> {
    this.#throwIfSuperseded();
    assert(this.#status === "writing", "a checkpoint ends once");
    this.#status = "finishing";
    try {
      const finished = this.#ask(this.#host.request<"finish">({ op: "finish" }));
      const [, rows] = await Promise.all([this.#begun, finished]);
      this.#throwIfSuperseded();
      this.#status = "committing";
      await this.#host.commit(rows);
      this.#status = "ended";
      this.#host.ended();
    } catch (error) {
      if (this.#status === "finishing") this.#status = "writing";
      throw error;
    }
  }

  async discard(): Promise<void> {
    if (this.#status !== "writing") return;
    this.#status = "ended";
    const discarded = this.#ask(this.#host.request<"discard">({ op: "discard" }));
    this.#host.ended();
    await discarded;
  }

  /**
   * An installed snapshot replaced the state that the rows were a change of. False when it is too
   * late: log.db is about to name the rows, and the install comes after that.
   */
  supersede(): boolean {
    if (this.#status === "committing" || this.#status === "ended") return false;
    this.#status = "superseded";
    return true;
  }

  #throwIfSuperseded(): void {
    if (this.#status !== "superseded") return;
    throw new QuorateError("ERR_STORE_COMPACTED", "an installed snapshot replaced this state");
  }

  async #ask<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      this.#throwIfSuperseded();
      if (error instanceof QuorateError) this.#host.failed(error);
      throw error;
    }
  }
}

interface PinHost {
  read(bytesMax: number): Promise<ArrayBuffer>;
  close(): void;
}

export class PinnedRows implements SnapshotSource {
  readonly info: SnapshotInfo;
  readonly #host: PinHost;
  #isClosed = false;

  constructor(info: SnapshotInfo, host: PinHost) {
    this.info = info;
    this.#host = host;
  }

  async read(bytesMax: number): Promise<StateRows> {
    assert(!this.#isClosed, "a snapshot is read before it is closed");
    return new PackedRows(new Uint8Array(await this.#host.read(bytesMax)));
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#host.close();
  }
}

const ROWS_BYTES_PER_READ = 256 * 1024;

/** All rows of a snapshot; closes it at the end or when the reader leaves. Reads one step ahead. */
export async function* drained(source: SnapshotSource): AsyncGenerator<StateRows> {
  const readOn = (): Promise<StateRows> => {
    const rows = source.read(ROWS_BYTES_PER_READ);
    // A reader that leaves does not ask what became of it; who stays is told below.
    rows.catch(() => undefined);
    return rows;
  };
  try {
    for (let next = readOn(); ;) {
      const rows = await next;
      if (rows.length === 0) return;
      next = readOn();
      yield rows;
    }
  } finally {
    source.close();
  }
}
