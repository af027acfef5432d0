import { assert, ChurnMap, type SessionOwner, type Txnid } from "@quorate/protocol";
import { STORED_OPEN_ACL, type StoredAcl } from "./acl-table.js";
import { NO_OWNER, ownerKind } from "./create-mode.js";
import { isLimitsPath } from "./quota.js";

/** So many records that go at once, as behind a multi, are not taken out one by one. */
const CLEARED_AT_ONCE_MIN = 64;

/** What a judgement needs to know of a node; a Znode is one, too. */
export interface NodeView {
  readonly version: number;
  readonly creates: number;
  readonly childCount: number;
  readonly aversion: number;
  readonly owner: bigint;
  readonly acl: StoredAcl;
  readonly dataLength: number;
  readonly mtime: number;
}

/**
 * A node as it will be once everything prepared is applied (ZooKeeper's ChangeRecord). Filled by
 * whoever prepares, and then changed by its own transaction alone (see {@link Overlay.putParent}).
 */
export class NodeRecord implements NodeView {
  readonly path: string;
  /** The newest transaction that touches the node: with it the record has done its service. */
  readonly txnid: Txnid;
  exists = true;
  version = 0;
  creates = 0;
  childCount = 0;
  aversion = 0;
  owner = NO_OWNER;
  acl: StoredAcl = STORED_OPEN_ACL;
  dataLength = 0;
  mtime = 0;
  /** Of nodes that are a part of the quotas; null elsewhere, or when the older data are newest. */
  data: Uint8Array | null = null;

  constructor(path: string, txnid: Txnid) {
    this.path = path;
    this.txnid = txnid;
  }

  /** One that says what is so far. */
  static of(path: string, node: NodeView, txnid: Txnid): NodeRecord {
    const record = new NodeRecord(path, txnid);
    record.version = node.version;
    record.creates = node.creates;
    record.childCount = node.childCount;
    record.aversion = node.aversion;
    record.owner = node.owner;
    record.acl = node.acl;
    record.dataLength = node.dataLength;
    record.mtime = node.mtime;
    if (node instanceof NodeRecord) record.data = node.data;
    return record;
  }
}

/** What becomes of a node as children come or go. */
export interface Children {
  readonly creates: number;
  /** Negative: they go. */
  readonly childrenAdded: number;
}

/** A session as it will be. */
export interface PreparedSession {
  readonly id: bigint;
  /** False: it is being closed. */
  readonly isOpen: boolean;
  readonly owner: SessionOwner;
  readonly ephemeralBytes: number;
  readonly txnid: Txnid;
}

type Prepared = NodeRecord | PreparedSession;

/**
 * Prepared and not yet applied changes. Bounded by the outstanding entries and what they touch. A
 * multi is one step of it: {@link begin}, then {@link keep} or {@link rollBack}.
 */
export class Overlay {
  readonly #nodes = new ChurnMap<string, NodeRecord>();
  readonly #sessions = new ChurnMap<bigint, PreparedSession>();
  /** Paths of ephemerals whose newest record is in the overlay, by their session. */
  readonly #ephemerals = new ChurnMap<bigint, Set<string>>();
  /** In the order of their txnids; from #oldest on, the others are released. */
  #records: Prepared[] = [];
  #oldest = 0;
  /** Of a multi: what stood before in the place of each of its records, which are the last ones. */
  #undo: (Prepared | undefined)[] | null = null;
  #touchesLimits = false;

  get size(): number {
    return this.#nodes.size + this.#sessions.size;
  }

  /** Whether there may be limits among the records. */
  get touchesLimits(): boolean {
    return this.#touchesLimits;
  }

  get(path: string): NodeRecord | undefined {
    return this.#nodes.size === 0 ? undefined : this.#nodes.get(path);
  }

  session(id: bigint): PreparedSession | undefined {
    // Most of the time: and the hash of a number of 64 bits is dear.
    return this.#sessions.size === 0 ? undefined : this.#sessions.get(id);
  }

  /** Of nodes that are there and of nodes that are not. */
  nodes(): IterableIterator<NodeRecord> {
    return this.#nodes.values();
  }

  /** Paths of a session's ephemerals as far as they are in the overlay. */
  ephemeralsOf(id: bigint): ReadonlySet<string> | undefined {
    return this.#ephemerals.get(id);
  }

  put(record: NodeRecord): void {
    const { path } = record;
    const previous = this.#nodes.get(path);
    this.#undo?.push(previous);
    this.#records.push(record);
    this.#replace(path, previous, record);
    if (!this.#touchesLimits && isLimitsPath(path)) this.#touchesLimits = true;
  }

  /**
   * Children of the node, which is newest as told, come or go. The parent of ten thousand in one
   * multi has one record: what the multi puts there first is what it takes back.
   */
  putParent(
    path: string,
    node: NodeView,
    txnid: Txnid,
    { creates, childrenAdded }: Children,
  ): void {
    const isOwn = node instanceof NodeRecord && node.txnid === txnid;
    const record = isOwn ? node : NodeRecord.of(path, node, txnid);
    record.creates = creates;
    record.childCount += childrenAdded;
    if (!isOwn) this.put(record);
  }

  putSession(record: PreparedSession): void {
    const { id } = record;
    const previous = this.#sessions.get(id);
    this.#undo?.push(previous);
    this.#records.push(record);
    this.#sessions.set(id, record);
  }

  begin(): void {
    assert(this.#undo === null, "one multi is prepared at a time");
    this.#undo = [];
  }

  keep(): void {
    this.#undo = null;
  }

  /** As it was at {@link begin}. */
  rollBack(): void {
    const undo = this.#undo ?? [];
    this.#undo = null;
    for (let i = undo.length - 1; i >= 0; i -= 1) {
      const record = this.#records.pop();
      const previous = undo[i];
      if (record === undefined) break;
      if (isNode(record)) this.#replace(record.path, record, previous as NodeRecord | undefined);
      else if (previous === undefined) this.#sessions.delete(record.id);
      else this.#sessions.set(record.id, previous as PreparedSession);
    }
    if (this.size === 0) this.#touchesLimits = false;
  }

  /** Transactions up to this one are applied: what came no later is no longer pending. */
  release(upTo: Txnid): void {
    const waiting = this.#records.length - this.#oldest;
    if (waiting >= CLEARED_AT_ONCE_MIN && (this.#records.at(-1)?.txnid ?? upTo) <= upTo) {
      this.clear();
      return;
    }
    for (;;) {
      const record = this.#records[this.#oldest];
      if (record === undefined || record.txnid > upTo) break;
      this.#oldest += 1;
      if (isNode(record)) {
        if (this.#nodes.get(record.path) === record) {
          this.#replace(record.path, record, undefined);
        }
      } else if (this.#sessions.get(record.id) === record) {
        this.#sessions.delete(record.id);
      }
    }
    if (this.#oldest === this.#records.length) {
      this.#records = [];
      this.#oldest = 0;
      this.#touchesLimits = false;
    } else if (this.#oldest > 1024 && this.#oldest * 2 > this.#records.length) {
      this.#records = this.#records.slice(this.#oldest);
      this.#oldest = 0;
    }
  }

  clear(): void {
    this.#nodes.clear();
    this.#sessions.clear();
    this.#ephemerals.clear();
    this.#records = [];
    this.#oldest = 0;
    this.#undo = null;
    this.#touchesLimits = false;
  }

  #replace(path: string, previous: NodeRecord | undefined, next: NodeRecord | undefined): void {
    if (next === undefined) this.#nodes.delete(path);
    else this.#nodes.set(path, next);
    if (previous !== undefined && isEphemeral(previous)) this.#disown(previous);
    if (next !== undefined && isEphemeral(next)) {
      const paths = this.#ephemerals.get(next.owner);
      if (paths === undefined) this.#ephemerals.set(next.owner, new Set([path]));
      else paths.add(path);
    }
  }

  #disown({ owner, path }: NodeRecord): void {
    const paths = this.#ephemerals.get(owner);
    paths?.delete(path);
    if (paths?.size === 0) this.#ephemerals.delete(owner);
  }
}

function isNode(record: Prepared): record is NodeRecord {
  return "path" in record;
}

function isEphemeral({ exists, owner }: NodeRecord): boolean {
  return exists && owner !== NO_OWNER && ownerKind(owner) === "session";
}
