import {
  assert,
  QuorateError,
  type CheckpointWriter,
  type EntryBatch,
  type SnapshotInfo,
  type SnapshotSource,
  type StagedSnapshot,
  type StateRow,
  type Ticket,
} from "@quorate/protocol";
import { appendTo, emptyLog, type LogSlice } from "./log-slice.js";
import type { StateRows } from "./memory-disk.js";

export interface StagedContent {
  readonly info: SnapshotInfo;
  readonly log: LogSlice;
  readonly rows: StateRows;
}

/** Rows and entries beside the current state; a crash forgets them. */
export class MemoryStaged implements StagedSnapshot {
  readonly info: SnapshotInfo;
  readonly #write: () => Ticket;
  readonly #rows = new Map<string, Uint8Array>();
  #log: LogSlice;
  #taken = false;

  constructor(info: SnapshotInfo, write: () => Ticket) {
    this.info = info;
    this.#write = write;
    this.#log = emptyLog(info.position);
  }

  writeRows(rows: readonly StateRow[]): Ticket {
    assert(!this.#taken, "a staged snapshot is written before its install or discard");
    putRows(this.#rows, rows);
    return this.#write();
  }

  append(batches: readonly EntryBatch[]): Ticket {
    assert(!this.#taken, "a staged snapshot is written before its install or discard");
    this.#log = appendTo(this.#log, batches);
    return this.#write();
  }

  take(): StagedContent {
    this.#taken = true;
    return { info: this.info, log: this.#log, rows: this.#rows };
  }
}

interface CheckpointHost {
  pause(): Promise<void>;
  finish(rows: StateRows): Promise<void>;
  ended(): void;
}

export class MemoryCheckpoint implements CheckpointWriter {
  readonly info: SnapshotInfo;
  readonly #rows: Map<string, Uint8Array>;
  readonly #host: CheckpointHost;
  #status: "writing" | "ended" | "superseded" = "writing";

  constructor(info: SnapshotInfo, base: StateRows, host: CheckpointHost) {
    this.info = info;
    this.#rows = new Map(base);
    this.#host = host;
  }

  async write(rows: readonly StateRow[]): Promise<void> {
    this.#throwIfSuperseded();
    assert(this.#status === "writing", "rows are written before the checkpoint ends");
    putRows(this.#rows, rows);
    await this.#host.pause();
    this.#throwIfSuperseded();
  }

  async finish(): Promise<void> {
    this.#throwIfSuperseded();
    assert(this.#status === "writing", "a checkpoint ends once");
    this.#status = "ended";
    try {
      await this.#host.finish(this.#rows);
    } finally {
      this.#host.ended();
    }
  }

  discard(): Promise<void> {
    if (this.#status === "writing") {
      this.#status = "ended";
      this.#host.ended();
    }
    return Promise.resolve();
  }

  /** An installed snapshot replaced the state that the rows were a change of. */
  supersede(): void {
    this.#status = "superseded";
  }

  #throwIfSuperseded(): void {
    if (this.#status !== "superseded") return;
    throw new QuorateError("ERR_STORE_COMPACTED", "an installed snapshot replaced this state");
  }
}

interface SnapshotHost {
  /** Of rows in one read. */
  readonly bytesMax: number;
  pause(): Promise<void>;
  close(): void;
}

export class MemorySnapshot implements SnapshotSource {
  readonly info: SnapshotInfo;
  readonly #rows: readonly StateRow[];
  readonly #host: SnapshotHost;
  #at = 0;
  #closed = false;

  constructor(info: SnapshotInfo, rows: readonly StateRow[], host: SnapshotHost) {
    this.info = info;
    this.#rows = rows;
    this.#host = host;
  }

  async read(bytesMax: number): Promise<readonly StateRow[]> {
    assert(!this.#closed, "a snapshot is read before it is closed");
    const from = this.#at;
    const most = Math.min(bytesMax, this.#host.bytesMax);
    for (let bytes = 0; this.#at < this.#rows.length && bytes < most; this.#at += 1) {
      const row = this.#rows[this.#at];
      bytes += (row?.key.length ?? 0) + (row?.value?.length ?? 0);
    }
    const rows = this.#rows.slice(from, this.#at);
    await this.#host.pause();
    return rows;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#host.close();
  }
}

const FULL_EVERY = 4;

/** Now and then, so that whoever writes checkpoints meets both kinds. */
export function isFullDue(checkpoint: { readonly generation: number } | null): boolean {
  return (checkpoint?.generation ?? 0) % FULL_EVERY === 1;
}

/** In key order. */
export function sortedRows(rows: StateRows): readonly StateRow[] {
  const keys = [...rows.keys()].sort((a, b) => (a < b ? -1 : 1));
  return keys.map((key) => ({ key: bytesOf(key), value: rows.get(key) ?? null }));
}

function putRows(into: Map<string, Uint8Array>, rows: readonly StateRow[]): void {
  for (const { key, value } of rows) {
    const text = Buffer.from(key.buffer, key.byteOffset, key.length).toString("latin1");
    if (value === null) into.delete(text);
    else into.set(text, value.slice());
  }
}

function bytesOf(key: string): Uint8Array {
  return new Uint8Array(Buffer.from(key, "latin1"));
}
