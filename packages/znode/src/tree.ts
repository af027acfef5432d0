import { assert, packRow, ROW_HEADER_BYTES } from "@quorate/protocol";
import type { StateChanges, Txnid } from "@quorate/protocol";
import { AclTable, STORED_CONFIG_ACL, STORED_OPEN_ACL, type AppliedAcl } from "./acl-table.js";
import { ChangeTracker } from "./changes.js";
import { NO_OWNER, ownerKind } from "./create-mode.js";
import type { TreeDigest } from "./digest.js";
import type { Affected } from "./events.js";
import { HEADER_BYTES } from "./node-header.js";
import type { NodeTable } from "./node-table.js";
import {
  BUILT_IN_PATHS,
  CONFIG_PATH,
  parentPathOf,
  pathBytes as bytesOfPath,
  QUOTA_PATH,
  ROOT,
} from "./paths.js";
import {
  addToStats,
  isLimitsPath,
  isStatsPath,
  quotaOwner,
  quotaPathOf,
  statsOf,
  statsPathOf,
} from "./quota.js";
import { checkRowValue, damaged } from "./row.js";
import { RowLoader } from "./row-loader.js";
import type { Sessions } from "./sessions.js";
import {
  CLOSE_SESSION_PATH_BYTES,
  type AclTransaction,
  type CreateTransaction,
  type WriteTransaction,
} from "./transactions.js";
import { Znode, type NodeHome } from "./znode.js";

const LETTER_Z = 0x7a;
const encoder = new TextEncoder();

/** What a deleted node was, as far as somebody has to hear of it. */
export interface DeletedNode extends Affected {
  readonly parent: Znode;
}

/** Nodes and bytes of data of a subtree, its top included. */
export interface SubtreeSize {
  readonly count: number;
  readonly bytes: number;
}

/**
 * The applied tree. Owns Invariant 7's half: its content, digest and images follow from the
 * transactions applied and nothing else. Every change goes through the four write methods.
 */
export class Tree {
  readonly #table: NodeTable;
  readonly #acls = new AclTable();
  readonly #home: NodeHome;
  readonly #digest: TreeDigest;
  readonly #sessions: Sessions;
  readonly #changes = new ChangeTracker<Znode>(
    {
      get: (number) => this.#node(number, null),
      values: () => this.#all(),
    },
    {
      rowOf: (node) => node.row,
      tombstoneOf: (path) => packRow(encoder.encode(path), null),
    },
  );
  readonly #loader: RowLoader;
  /** Containers and nodes with a time to live. */
  readonly #expirable = new Set<number>();
  /** Paths with limits of their own. */
  readonly #quotas = new Set<string>();
  /** Of the node created last. Null after a delete, which may have taken it. */
  #lastParent: Znode | null = null;
  /** The number of the node whose ACL, when there is none, is another than the open one. */
  #config = 0;
  #approximateBytes = 0;

  constructor(table: NodeTable, digest: TreeDigest, sessions: Sessions) {
    this.#table = table;
    this.#loader = new RowLoader(table);
    this.#home = { table, aclOf: (number) => this.#acls.get(number) };
    this.#digest = digest;
    this.#sessions = sessions;
    this.#plant();
  }

  get(path: string): Znode | undefined {
    const number = this.#table.find(path);
    return number === 0 ? undefined : this.#node(number, path);
  }

  /** Nodes, those that every tree has included. */
  get size(): number {
    return this.#table.size;
  }

  /** Characters of all paths and bytes of all data, as ZooKeeper counts them. */
  get approximateBytes(): number {
    return this.#approximateBytes;
  }

  get hasQuotas(): boolean {
    return this.#quotas.size > 0;
  }

  hasLimits(path: string): boolean {
    return this.#quotas.has(path);
  }

  *expirable(): Generator<Znode, undefined> {
    for (const number of this.#expirable) yield this.#node(number, null);
  }

  /** @throws InvariantError when the parent is missing or another node is there. */
  create(path: string, txnid: Txnid, transaction: CreateTransaction): Znode {
    const { data, owner, timeMs } = transaction;
    const parent = this.#parentOf(path, txnid);
    const acl = this.#useAcl(path, transaction.acl);
    assert(acl !== null, "a transaction's ACL can be read", { path, txnid });
    if (ownerKind(owner) === "session") this.#sessions.require(owner);
    this.#digest.relieve();
    this.#touch(parent);
    const node = this.#add(path, HEADER_BYTES + data.length, txnid);
    node.created(txnid, timeMs, owner);
    this.#setAcl(node, acl);
    this.#table.writeData(node.number, data);
    this.#join(node, parent);
    parent.childChanged(txnid, transaction.counter);
    this.#charge(path, 1, data.length);
    return node;
  }

  /**
   * A node as it was elsewhere; its parent's row says what is to be known of its children. Of the
   * root, which every tree has: what is to be known of it.
   * @throws InvariantError as {@link create}; ERR_STORE_* for a row that is none.
   */
  import(path: string, txnid: Txnid, row: Uint8Array): Znode {
    checkRowValue(row, 0, row.length);
    this.#digest.relieve();
    if (path === ROOT) {
      const root = this.#require(path, txnid);
      const before = root.dataLength;
      this.#touch(root);
      this.#acls.release(root.acl);
      this.#table.replaceRest(root.number, row, 0, row.length);
      this.#useAclOf(root);
      this.#approximateBytes += root.dataLength - before;
      return root;
    }
    const parent = this.#require(parentPathOf(path), txnid);
    const node = this.#add(path, row.length, txnid);
    this.#table.replaceRest(node.number, row, 0, row.length);
    this.#useAclOf(node);
    this.#join(node, parent);
    this.#charge(path, 1, node.dataLength);
    return node;
  }

  /** @throws InvariantError when there is no such node. */
  set(path: string, txnid: Txnid, transaction: WriteTransaction): Znode {
    const node = this.#require(path, txnid);
    const before = node.dataLength;
    this.#digest.relieve();
    this.#changes.beforeChange(node);
    this.#digest.touch(node.number, transaction.data.length);
    this.#table.writeData(node.number, transaction.data);
    node.changed(txnid, transaction.timeMs, transaction.counter);
    this.#approximateBytes += node.dataLength - before;
    this.#charge(path, 0, node.dataLength - before);
    return node;
  }

  /** @throws InvariantError when there is no such node. */
  setAcl(path: string, txnid: Txnid, { acl, aversion }: AclTransaction): Znode {
    const node = this.#require(path, txnid);
    const stored = this.#useAcl(path, acl);
    assert(stored !== null, "a transaction's ACL can be read", { path, txnid });
    this.#digest.relieve();
    this.#touch(node);
    this.#acls.release(node.acl);
    this.#setAcl(node, stored);
    node.aversion = aversion;
    return node;
  }

  /** @throws InvariantError when the node is missing or has children. */
  delete(path: string, txnid: Txnid): DeletedNode {
    const node = this.#require(path, txnid);
    const hash = this.#table.hashFound;
    const { parent, acl, dataLength } = node;
    assert(parent !== null && node.childCount === 0, "a leaf is deleted", { path, txnid });
    assert(!BUILT_IN_PATHS.includes(path), "what every tree has stays", { path, txnid });
    this.#digest.relieve();
    this.#touch(parent);
    this.#changes.beforeDelete(node);
    this.#digest.remove(node.number);
    if (node.owner !== NO_OWNER) this.#own(node, false);
    this.#table.disown(parent.number, node.number);
    this.#table.remove(node.number, hash);
    this.#lastParent = null;
    parent.childChanged(txnid, null);
    this.#acls.release(acl);
    this.#approximateBytes -= path.length + dataLength;
    if (isLimitsPath(path)) this.#quotas.delete(quotaOwner(path));
    this.#charge(path, -1, -dataLength);
    return { path, acl, parent };
  }

  /** Of an absent node: nothing. */
  sizeBelow(path: string): SubtreeSize {
    let count = 0;
    let bytes = 0;
    for (const node of this.subtree(path)) {
      count += 1;
      bytes += node.dataLength;
    }
    return { count, bytes };
  }

  /** The node and all below it, parents first. */
  *subtree(path: string): Generator<Znode, undefined> {
    const top = this.get(path);
    if (top === undefined) return;
    const waiting = [top];
    for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
      yield node;
      for (let child = node.firstChild; child !== null; child = child.nextSibling) {
        waiting.push(child);
      }
    }
  }

  assertWhole(): void {
    this.#loader.assertWhole();
  }

  beginChanges(isFull: boolean): StateChanges {
    return this.#changes.begin(isFull);
  }

  reset(): void {
    this.#digest.reset();
    this.#table.clear();
    this.#lastParent = null;
    this.#acls.clear();
    this.#loader.reset();
    this.#expirable.clear();
    this.#quotas.clear();
    this.#approximateBytes = 0;
    this.#changes.reset();
    this.#plant();
  }

  /**
   * The packed row that begins there.
   * @throws ERR_STORE_DAMAGED, ERR_STORE_SCHEMA.
   */
  restore(rows: Uint8Array, at: number, pathBytes: number, valueBytes: number): void {
    const characters = this.#loader.characters;
    const number = this.#loader.place(rows, at, pathBytes, valueBytes);
    const node = this.#node(number, null);
    this.#useAclOf(node);
    this.#digest.hashNow(node.number);
    this.#approximateBytes += node.dataLength + this.#loader.characters - characters;
    if (node.owner !== NO_OWNER) this.#own(node, true);
    const isSystem = pathBytes > QUOTA_PATH.length && rows[at + ROW_HEADER_BYTES + 1] === LETTER_Z;
    if (isSystem && isLimitsPath(node.path)) this.#quotas.add(quotaOwner(node.path));
  }

  /** A new node, whole, joins the others; the quota that counts for it is charged by the caller. */
  #join(node: Znode, parent: Znode): void {
    const { path } = node;
    this.#changes.beforeCreate(node);
    this.#digest.add(node.number, node.dataLength);
    this.#table.adopt(parent.number, node.number);
    this.#approximateBytes += path.length + node.dataLength;
    if (node.owner !== NO_OWNER) this.#own(node, true);
    if (isLimitsPath(path)) this.#quotas.add(quotaOwner(path));
    if (!isStatsPath(path)) return;
    const { count, bytes } = this.sizeBelow(quotaOwner(path));
    this.#replaceData(node, statsOf(count, bytes));
  }

  #node(number: number, path: string | null): Znode {
    return new Znode(this.#home, number, path);
  }

  *#all(): Generator<Znode, undefined> {
    for (const number of this.#table.numbers()) yield this.#node(number, null);
  }

  /** One of its own, in nobody's list of children yet. */
  #add(path: string, valueBytes: number, txnid: Txnid): Znode {
    assert(this.#table.find(path) === 0, "a node is made where none is", { path, txnid });
    return this.#node(this.#table.addFound(valueBytes), path);
  }

  /** That of its row. @throws ERR_STORE_DAMAGED when it is none. */
  #useAclOf(node: Znode): void {
    if (node.aclBytes === 0) {
      node.aclNumber = this.#emptyAclOf(node.number).number;
      return;
    }
    const acl = this.#acls.use(node.rest.subarray(HEADER_BYTES, HEADER_BYTES + node.aclBytes));
    if (acl === null) throw damaged("its ACL cannot be read");
    node.aclNumber = acl.number;
  }

  #emptyAclOf(number: number): AppliedAcl {
    return number === this.#config ? STORED_CONFIG_ACL : STORED_OPEN_ACL;
  }

  #setAcl(node: Znode, acl: AppliedAcl): void {
    node.aclNumber = acl.number;
    if (acl.bytes.length > 0 || node.aclBytes > 0) this.#table.writeAcl(node.number, acl.bytes);
  }

  #touch(node: Znode): void {
    this.#changes.beforeChange(node);
    this.#digest.touch(node.number, node.dataLength);
  }

  #useAcl(path: string, bytes: Uint8Array): AppliedAcl | null {
    if (bytes.length > 0) return this.#acls.use(bytes);
    return path === CONFIG_PATH ? STORED_CONFIG_ACL : STORED_OPEN_ACL;
  }

  /** Notes, or forgets, whose node it is or when it may go. */
  #own(node: Znode, isThere: boolean): void {
    if (ownerKind(node.owner) !== "session") {
      if (isThere) this.#expirable.add(node.number);
      else this.#expirable.delete(node.number);
      return;
    }
    const session = this.#sessions.claim(node.owner);
    const bytes = CLOSE_SESSION_PATH_BYTES + bytesOfPath(node.path);
    this.#sessions.ephemeralCount += isThere ? 1 : -1;
    if (isThere) {
      session.ephemerals ??= new Set();
      session.ephemerals.add(node.path);
      session.ephemeralBytes += bytes;
    } else {
      session.ephemerals?.delete(node.path);
      session.ephemeralBytes -= bytes;
    }
  }

  /** A part of the transaction that changed the path: the stats of the quota that it counts for. */
  #charge(path: string, count: number, bytes: number): void {
    if (this.#quotas.size === 0) return;
    const quota = quotaPathOf(path, (at) => this.#quotas.has(at));
    const stats = quota === null ? undefined : this.get(statsPathOf(quota));
    if (stats !== undefined) this.#replaceData(stats, addToStats(stats.data, count, bytes));
  }

  /** As ZooKeeper changes stats: neither version nor times tell of it. */
  #replaceData(node: Znode, data: Uint8Array): void {
    this.#changes.beforeChange(node);
    this.#digest.touch(node.number, data.length);
    this.#approximateBytes += data.length - node.dataLength;
    this.#table.writeData(node.number, data);
  }

  /** Of a node to be created: most have the parent of the one before. */
  #parentOf(path: string, txnid: Txnid): Znode {
    const parentPath = parentPathOf(path);
    if (parentPath !== this.#lastParent?.path) {
      this.#lastParent = this.#require(parentPath, txnid);
    }
    return this.#lastParent;
  }

  #require(path: string, txnid: Txnid): Znode {
    const node = this.get(path);
    if (node === undefined) assert(false, "a transaction finds its node", { path, txnid });
    return node;
  }

  #plant(): void {
    for (const path of BUILT_IN_PATHS) {
      const parent = path === ROOT ? 0 : this.#table.find(parentPathOf(path));
      this.#table.find(path);
      const node = this.#node(this.#table.addFound(HEADER_BYTES), path);
      if (parent !== 0) this.#table.adopt(parent, node.number);
      if (path === CONFIG_PATH) this.#config = node.number;
      node.aclNumber = this.#emptyAclOf(node.number).number;
      this.#approximateBytes += path.length;
      this.#digest.add(node.number, 0);
    }
  }
}
