import {
  QuorateError,
  type AcceptedEpoch,
  type DurableStore,
  type EntryBatch,
  type Epoch,
  type IdentityTable,
  type LogPosition,
  type SnapshotInfo,
  type StagedSnapshot,
  type StoreEvents,
  type Ticket,
  type Txnid,
} from "@quorate/protocol";
import { MemoryDisk, type DiskImage } from "@quorate/testkit";
import type { PersistKind } from "../coverage.js";
import type { NodeHost } from "../engine/node-host.js";

/** A disk that says what became durable. */
export class SimDisk extends MemoryDisk {
  readonly #onImage: (image: DiskImage) => void;

  constructor(onImage: (image: DiskImage) => void) {
    super();
    this.#onImage = onImage;
  }

  override commit(image: DiskImage, options: { readonly highWater: boolean }): void {
    super.commit(image, options);
    this.#onImage(image);
  }

  override crash(): void {
    const before = this.image;
    super.crash();
    if (this.image !== null && this.image !== before) this.#onImage(this.image);
  }
}

/**
 * Kill the process when a write of this kind is asked for, or when it has become durable, or while
 * it is asked for and the write before it, of kind `last`, is the last durable one.
 */
export type PersistTrap =
  | { readonly kind: PersistKind; readonly when: "before" | "after" }
  | { readonly kind: PersistKind; readonly when: "between"; readonly last: PersistKind };

export interface StoreObserver {
  /** The trap fell: the process is about to die. */
  onTrap(trap: PersistTrap): void;
}

interface OpenWrite {
  readonly ticket: Ticket;
  readonly kind: PersistKind;
}

/** Tickets of writes that are never answered: above all others, and rising like them. */
const NEVER_ANSWERED_MIN: Ticket = 2 ** 52;

/**
 * Stands between a node and its store: notes the kind of each write, so that a crash can be placed
 * and named by the writes around it, and lets nothing of a dead process pass.
 */
export class WatchedStore implements DurableStore {
  readonly #inner: DurableStore;
  readonly #host: NodeHost;
  readonly #incarnation: number;
  readonly #observer: StoreObserver;
  readonly #open: OpenWrite[] = [];
  readonly #staged = new WeakMap<StagedSnapshot, StagedSnapshot>();
  #last: PersistKind | null = null;
  #unanswered = 0;
  trap: PersistTrap | null = null;

  constructor(inner: DurableStore, host: NodeHost, observer: StoreObserver) {
    this.#inner = inner;
    this.#host = host;
    this.#incarnation = host.incarnation;
    this.#observer = observer;
  }

  get recovered(): DurableStore["recovered"] {
    return this.#inner.recovered;
  }

  get logStart(): DurableStore["logStart"] {
    return this.#inner.logStart;
  }

  get isFullCheckpointDue(): boolean {
    return this.#inner.isFullCheckpointDue;
  }

  /** Kinds of the writes that are not durable yet, oldest first. */
  get openKinds(): readonly PersistKind[] {
    return this.#open.map((write) => write.kind);
  }

  /** The kind of the last write that became durable in this incarnation. */
  get lastKind(): PersistKind | null {
    return this.#last;
  }

  attach(events: StoreEvents): void {
    this.#inner.attach({
      onPersisted: (upTo, lastLogged) => {
        if (!this.#host.isCurrent(this.#incarnation)) return;
        if (this.#note(upTo)) return;
        this.#host.guard(() => events.onPersisted(upTo, lastLogged));
      },
      onFailed: (error: QuorateError) => {
        if (this.#host.isCurrent(this.#incarnation)) {
          this.#host.guard(() => events.onFailed(error));
        }
      },
    });
  }

  append(batches: readonly EntryBatch[], commitMark: Txnid): Ticket {
    return this.#write("append", () => this.#inner.append(batches, commitMark));
  }

  setAcceptedEpoch(accepted: AcceptedEpoch): Ticket {
    return this.#write("acceptedEpoch", () => this.#inner.setAcceptedEpoch(accepted));
  }

  setCurrentEpoch(epoch: Epoch): Ticket {
    return this.#write("currentEpoch", () => this.#inner.setCurrentEpoch(epoch));
  }

  setIdentityTable(members: IdentityTable): Ticket {
    return this.#write("members", () => this.#inner.setIdentityTable(members));
  }

  truncateAfter(position: LogPosition): Ticket {
    return this.#write("truncate", () => this.#inner.truncateAfter(position));
  }

  stageSnapshot(info: SnapshotInfo): StagedSnapshot {
    const inner = this.#inner.stageSnapshot(info);
    const staged: StagedSnapshot = {
      info: inner.info,
      writeRows: (rows) => this.#write("stage", () => inner.writeRows(rows)),
      append: (batches) => this.#write("stage", () => inner.append(batches)),
    };
    this.#staged.set(staged, inner);
    return staged;
  }

  installSnapshot(staged: StagedSnapshot): Ticket {
    return this.#write("install", () => this.#inner.installSnapshot(this.#innerOf(staged)));
  }

  discardStaged(staged: StagedSnapshot): Ticket {
    return this.#write("stage", () => this.#inner.discardStaged(this.#innerOf(staged)));
  }

  findPosition(atOrBelow: Txnid): Promise<LogPosition | null> {
    return this.#inner.findPosition(atOrBelow);
  }

  readBatches(after: Txnid, upTo: Txnid, bytesMax: number): Promise<readonly EntryBatch[]> {
    return this.#inner.readBatches(after, upTo, bytesMax);
  }

  readCheckpoint(): ReturnType<DurableStore["readCheckpoint"]> {
    return this.#inner.readCheckpoint();
  }

  openSnapshot(): ReturnType<DurableStore["openSnapshot"]> {
    return this.#inner.openSnapshot();
  }

  beginCheckpoint(
    info: SnapshotInfo,
    options: { readonly full: boolean },
  ): ReturnType<DurableStore["beginCheckpoint"]> {
    return this.#inner.beginCheckpoint(info, options);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #write(kind: PersistKind, write: () => Ticket): Ticket {
    if (!this.#host.isCurrent(this.#incarnation)) return this.#neverAnswered();
    if (this.trap?.when === "before" && this.trap.kind === kind) {
      // The crash lies between what is durable and this write: the disk sees it as asked for.
      this.#open.push({ ticket: NEVER_ANSWERED_MIN, kind });
      this.#spring(this.trap);
      return this.#neverAnswered();
    }
    if (!this.#host.mayCall(this.#incarnation)) return this.#neverAnswered();
    const ticket = write();
    this.#open.push({ ticket, kind });
    if (this.#isBetween(this.trap)) this.#spring(this.trap);
    return ticket;
  }

  /** True when the process died of it. */
  #note(upTo: Ticket): boolean {
    let hasTrapped = false;
    while (this.#open.length > 0) {
      const first = this.#open[0] as OpenWrite;
      if (first.ticket > upTo) break;
      this.#open.shift();
      this.#last = first.kind;
      if (this.trap?.when === "after" && this.trap.kind === first.kind) hasTrapped = true;
    }
    if (this.trap === null || !(hasTrapped || this.#isBetween(this.trap))) return false;
    this.#spring(this.trap);
    return true;
  }

  #isBetween(trap: PersistTrap | null): trap is PersistTrap {
    return (
      trap?.when === "between" && trap.last === this.#last && trap.kind === this.#open[0]?.kind
    );
  }

  #spring(trap: PersistTrap): void {
    this.trap = null;
    this.#observer.onTrap(trap);
    this.#host.end("killed");
  }

  #innerOf(staged: StagedSnapshot): StagedSnapshot {
    const inner = this.#staged.get(staged);
    if (inner === undefined) throw new QuorateError("ERR_STORE_CLOSED", "no such staged snapshot");
    return inner;
  }

  #neverAnswered(): Ticket {
    this.#unanswered += 1;
    return NEVER_ANSWERED_MIN + this.#unanswered;
  }
}
