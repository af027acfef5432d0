import { assert, positionOf } from "@quorate/protocol";
import type {
  DurableStore,
  LogPosition,
  SnapshotInfo,
  StagedSnapshot,
  StateRows,
} from "@quorate/protocol";
import type { TicketLedger } from "./ticket-ledger.js";

interface Staged {
  readonly inner: StagedSnapshot;
  end: LogPosition;
}

/** Snapshots being received beside the state: their writes are in the ledger, their ends known. */
export class StagedHistory {
  readonly #store: DurableStore;
  readonly #ledger: TicketLedger;
  readonly #staged = new Map<StagedSnapshot, Staged>();

  constructor(store: DurableStore, ledger: TicketLedger) {
    this.#store = store;
    this.#ledger = ledger;
  }

  /** @param onRows Told of rows before the store has them, which may move them elsewhere. */
  begin(info: SnapshotInfo, onRows: (rows: StateRows) => void): StagedSnapshot {
    const staged: Staged = { inner: this.#store.stageSnapshot(info), end: info.position };
    const handle: StagedSnapshot = {
      info,
      writeRows: (rows) => {
        onRows(rows);
        return this.#ledger.open(staged.inner.writeRows(rows));
      },
      append: (batches) => {
        const last = batches.at(-1);
        if (last !== undefined) staged.end = positionOf(last);
        return this.#ledger.open(staged.inner.append(batches));
      },
    };
    this.#staged.set(handle, staged);
    return handle;
  }

  /** Hands it over for good: what the store knows of it, and where its history ends. */
  take(handle: StagedSnapshot): Readonly<Staged> {
    const staged = this.#staged.get(handle);
    assert(staged !== undefined, "only what is staged can be installed");
    this.#staged.delete(handle);
    return staged;
  }

  discard(handle: StagedSnapshot): void {
    const staged = this.#staged.get(handle);
    if (staged === undefined) return;
    this.#staged.delete(handle);
    this.#ledger.open(this.#store.discardStaged(staged.inner));
  }
}
