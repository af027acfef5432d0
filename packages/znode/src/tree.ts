import { assert, type StateChanges, type StateRow, type Txnid } from "@quorate/protocol";
import { AclTable, STORED_CONFIG_ACL, STORED_OPEN_ACL, type AppliedAcl } from "./acl-table.js";
import { ChangeTracker } from "./changes.js";
import { NO_OWNER, ownerKind } from "./create-mode.js";
import type { TreeDigest } from "./digest.js";
import { BUILT_IN_PATHS, CONFIG_PATH, parentPathOf, pathBytes, ROOT } from "./paths.js";
import {
  addToStats,
  isLimitsPath,
  isStatsPath,
  quotaOwner,
  quotaPathOf,
  statsOf,
  statsPathOf,
} from "./quota.js";
import { Pages } from "./pages.js";
import { readRow, rowOf, rowPath, tombstoneOf } from "./row.js";
import type { Sessions } from "./sessions.js";
import {
  CLOSE_SESSION_PATH_BYTES,
  type AclTransaction,
  type CreateTransaction,
  type WriteTransaction,
} from "./transactions.js";
import { HEADER_BYTES, Znode } from "./znode.js";

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
  readonly #nodes = new Map<string, Znode>();
  readonly #acls = new AclTable();
  readonly #pages = new Pages();
  readonly #digest: TreeDigest;
  readonly #sessions: Sessions;
  readonly #changes = new ChangeTracker<Znode>(this.#nodes, { rowOf, tombstoneOf });
  /** Parents named by restored rows and not restored themselves yet. */
  readonly #awaited = new Set<Znode>();
  /** Of the row restored last. */
  #lastParent: Znode | null = null;
  /** Containers and nodes with a time to live. */
  readonly #expirable = new Set<Znode>();
  /** Paths with limits of their own. */
  readonly #quotas = new Set<string>();
  #approximateBytes = 0;

  constructor(digest: TreeDigest, sessions: Sessions) {
    this.#digest = digest;
    this.#sessions = sessions;
    this.#plant();
  }

  get(path: string): Znode | undefined {
    return this.#nodes.get(path);
  }

  /** Nodes, those that every tree has included. */
  get size(): number {
    return this.#nodes.size;
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

  expirable(): IterableIterator<Znode> {
    return this.#expirable.values();
  }

  /** @throws InvariantError when the parent is missing or another node is there. */
  create(path: string, txnid: Txnid, transaction: CreateTransaction): Znode {
    assert(!this.#nodes.has(path), "a node is created where none is", { path, txnid });
    const parent = this.#require(parentPathOf(path), txnid);
    const acl = this.#useAcl(path, transaction.acl);
    assert(acl !== null, "a transaction's ACL can be read", { path, txnid });
    if (ownerKind(transaction.owner) === "session") this.#sessions.require(transaction.owner);
    this.#digest.relieve();
    this.#touch(parent);
    const { data, owner, timeMs } = transaction;
    const node = new Znode(path, parent, data.length, this.#pages);
    node.created(txnid, timeMs, owner);
    node.write(data, this.#pages);
    if (acl !== STORED_OPEN_ACL) node.acl = acl;
    this.#join(node, parent);
    parent.childChanged(txnid, transaction.counter);
    this.#charge(path, 1, transaction.data.length);
    return node;
  }

  /**
   * A node as it was elsewhere; its parent's row says what is to be known of its children. Of the
   * root, which every tree has: what is to be known of it.
   * @throws InvariantError as {@link create}; ERR_STORE_* for a row that is none.
   */
  import(path: string, txnid: Txnid, row: Uint8Array): Znode {
    const useAcl = (bytes: Uint8Array): AppliedAcl | null => this.#useAcl(path, bytes);
    this.#digest.relieve();
    if (path === ROOT) {
      const root = this.#require(path, txnid);
      const before = root.dataLength;
      this.#touch(root);
      this.#acls.release(root.acl);
      readRow(row, root, this.#pages, useAcl);
      this.#approximateBytes += root.dataLength - before;
      return root;
    }
    assert(!this.#nodes.has(path), "a node is imported where none is", { path, txnid });
    const parent = this.#require(parentPathOf(path), txnid);
    const node = new Znode(path, parent, row.length - HEADER_BYTES, this.#pages);
    readRow(row, node, this.#pages, useAcl);
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
    this.#digest.touch(node, transaction.data.length);
    node.write(transaction.data, this.#pages);
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
    node.acl = stored;
    node.aversion = aversion;
    return node;
  }

  /**
   * The node as it was, of which only the path, the parent and the ACL may be read any more.
   * @throws InvariantError when the node is missing or has children.
   */
  delete(path: string, txnid: Txnid): Znode {
    const node = this.#require(path, txnid);
    const parent = node.parent;
    assert(parent !== null && node.childCount === 0, "a leaf is deleted", { path, txnid });
    assert(!BUILT_IN_PATHS.includes(path), "what every tree has stays", { path, txnid });
    this.#digest.relieve();
    this.#touch(parent);
    this.#changes.beforeDelete(node);
    this.#digest.remove(node);
    this.#nodes.delete(path);
    parent.disown(node);
    parent.childChanged(txnid, null);
    this.#acls.release(node.acl);
    this.#approximateBytes -= path.length + node.dataLength;
    if (node.owner !== NO_OWNER) this.#own(node, false);
    if (isLimitsPath(path)) this.#quotas.delete(quotaOwner(path));
    this.#charge(path, -1, -node.dataLength);
    node.free(this.#pages);
    return node;
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
    const top = this.#nodes.get(path);
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
    assert(this.#awaited.size === 0, "every restored node has its parent");
  }

  beginChanges(isFull: boolean): StateChanges {
    return this.#changes.begin(isFull);
  }

  reset(): void {
    for (const node of this.#nodes.values()) this.#digest.remove(node);
    this.#nodes.clear();
    this.#acls.clear();
    this.#pages.clear();
    this.#awaited.clear();
    this.#lastParent = null;
    this.#expirable.clear();
    this.#quotas.clear();
    this.#approximateBytes = 0;
    this.#changes.reset();
    this.#plant();
  }

  /** @throws ERR_STORE_DAMAGED, ERR_STORE_SCHEMA. */
  restore(row: StateRow): void {
    const path = rowPath(row);
    const length = Math.max(0, (row.value?.length ?? 0) - HEADER_BYTES);
    const known = this.#nodes.get(path);
    const node = known ?? this.#hang(path, length);
    readRow(row.value, node, this.#pages, (bytes) => this.#useAcl(path, bytes));
    if (known !== undefined) this.#awaited.delete(node);
    this.#digest.hashNow(node, row.key);
    this.#approximateBytes += node.dataLength;
    if (node.owner !== NO_OWNER) this.#own(node, true);
    if (isLimitsPath(path)) this.#quotas.add(quotaOwner(path));
  }

  /** A new node, whole, joins the others; the quota that counts for it is charged by the caller. */
  #join(node: Znode, parent: Znode): void {
    const { path } = node;
    this.#changes.beforeCreate(node);
    this.#digest.touch(node, node.dataLength);
    this.#nodes.set(path, node);
    parent.adopt(node);
    this.#approximateBytes += path.length + node.dataLength;
    if (node.owner !== NO_OWNER) this.#own(node, true);
    if (isLimitsPath(path)) this.#quotas.add(quotaOwner(path));
    if (!isStatsPath(path)) return;
    const { count, bytes } = this.sizeBelow(quotaOwner(path));
    this.#replaceData(node, statsOf(count, bytes));
  }

  #touch(node: Znode): void {
    this.#changes.beforeChange(node);
    this.#digest.touch(node, node.dataLength);
  }

  #useAcl(path: string, bytes: Uint8Array): AppliedAcl | null {
    if (bytes.length > 0) return this.#acls.use(bytes);
    return path === CONFIG_PATH ? STORED_CONFIG_ACL : STORED_OPEN_ACL;
  }

  /** Notes, or forgets, whose node it is or when it may go. */
  #own(node: Znode, isThere: boolean): void {
    if (ownerKind(node.owner) !== "session") {
      if (isThere) this.#expirable.add(node);
      else this.#expirable.delete(node);
      return;
    }
    const session = this.#sessions.claim(node.owner);
    const bytes = CLOSE_SESSION_PATH_BYTES + pathBytes(node.path);
    this.#sessions.ephemeralCount += isThere ? 1 : -1;
    if (isThere) {
      session.ephemerals ??= new Set();
      session.ephemerals.add(node);
      session.ephemeralBytes += bytes;
    } else {
      session.ephemerals?.delete(node);
      session.ephemeralBytes -= bytes;
    }
  }

  /** A part of the transaction that changed the path: the stats of the quota that it counts for. */
  #charge(path: string, count: number, bytes: number): void {
    if (this.#quotas.size === 0) return;
    const quota = quotaPathOf(path, (at) => this.#quotas.has(at));
    const stats = quota === null ? undefined : this.#nodes.get(statsPathOf(quota));
    if (stats !== undefined) this.#replaceData(stats, addToStats(stats.data, count, bytes));
  }

  /** As ZooKeeper changes stats: neither version nor times tell of it. */
  #replaceData(node: Znode, data: Uint8Array): void {
    this.#changes.beforeChange(node);
    this.#digest.touch(node, data.length);
    this.#approximateBytes += data.length - node.dataLength;
    node.write(data, this.#pages);
  }

  #require(path: string, txnid: Txnid): Znode {
    const node = this.#nodes.get(path);
    if (node === undefined) assert(false, "a transaction finds its node", { path, txnid });
    return node;
  }

  /** A node for a restored row, made with its ancestors when rows come children first. */
  #hang(path: string, dataLength: number): Znode {
    const parent = this.#parentOf(path);
    const node = new Znode(path, parent, dataLength, this.#pages);
    this.#nodes.set(path, node);
    parent.adopt(node);
    this.#approximateBytes += path.length;
    return node;
  }

  #parentOf(path: string): Znode {
    // Most rows have the parent of the row before them.
    const last = this.#lastParent;
    if (path.lastIndexOf("/") === last?.path.length && path.startsWith(last.path)) return last;
    const parentPath = parentPathOf(path);
    let parent = this.#nodes.get(parentPath);
    if (parent === undefined) {
      parent = this.#hang(parentPath, 0);
      this.#awaited.add(parent);
    }
    this.#lastParent = parent;
    return parent;
  }

  #plant(): void {
    for (const path of BUILT_IN_PATHS) {
      const parent = path === ROOT ? null : (this.#nodes.get(parentPathOf(path)) ?? null);
      const node = new Znode(path, parent, 0, this.#pages);
      if (path === CONFIG_PATH) node.acl = STORED_CONFIG_ACL;
      parent?.adopt(node);
      this.#nodes.set(path, node);
      this.#approximateBytes += path.length;
      this.#digest.touch(node, 0);
    }
  }
}
