import { assert, type StateChanges, type StateRow, type Txnid } from "@quorate/protocol";
import { ChangeTracker } from "./changes.js";
import { TreeDigest } from "./digest.js";
import { BUILT_IN_PATHS, parentPathOf, ROOT } from "./paths.js";
import { readRow, rowPath } from "./row.js";
import type { WriteTransaction } from "./transactions.js";
import { NO_DATA, Znode } from "./znode.js";

/**
 * The applied tree. Owns Invariant 7's half: its content, digest and images follow from the
 * transactions applied and nothing else. Every change goes through the three write methods.
 */
export class Tree {
  readonly #nodes = new Map<string, Znode>();
  readonly #digest = new TreeDigest();
  readonly #changes = new ChangeTracker(this.#nodes);
  /** Parents named by restored rows and not restored themselves yet. */
  readonly #awaited = new Set<Znode>();

  constructor() {
    this.#plant();
  }

  get(path: string): Znode | undefined {
    return this.#nodes.get(path);
  }

  /** Nodes, those that every tree has included. */
  get size(): number {
    return this.#nodes.size;
  }

  /** @throws InvariantError when the parent is missing or another node is there. */
  create(path: string, txnid: Txnid, transaction: WriteTransaction): Znode {
    const existing = this.#nodes.get(path);
    if (existing !== undefined) {
      assert(existing.czxid === txnid, "a node is created where none is", { path, txnid });
      return existing;
    }
    const parent = this.#require(parentPathOf(path), txnid);
    this.#digest.relieve();
    this.#touch(parent);
    const node = new Znode(path, parent);
    node.data = copyOf(transaction.data);
    node.czxid = node.mzxid = node.pzxid = txnid;
    node.ctime = node.mtime = transaction.timeMs;
    this.#changes.beforeCreate(node);
    this.#digest.touch(node, node.data.length);
    this.#nodes.set(path, node);
    parent.adopt(node);
    parent.creates = transaction.counter;
    parent.pzxid = txnid;
    return node;
  }

  /** @throws InvariantError when there is no such node. */
  set(path: string, txnid: Txnid, transaction: WriteTransaction): Znode {
    const node = this.#require(path, txnid);
    this.#digest.relieve();
    this.#changes.beforeChange(node);
    this.#digest.touch(node, transaction.data.length);
    overwrite(node, transaction.data);
    node.mzxid = txnid;
    node.mtime = transaction.timeMs;
    node.version = transaction.counter;
    return node;
  }

  /** @throws InvariantError when the node is missing or has children. */
  delete(path: string, txnid: Txnid): void {
    const node = this.#nodes.get(path);
    if (node === undefined) {
      const parent = this.#require(parentPathOf(path), txnid);
      // Only this very transaction may have removed it before.
      assert(parent.pzxid === txnid, "a node is deleted where one is", { path, txnid });
      return;
    }
    const parent = node.parent;
    assert(parent !== null && node.childCount === 0, "a leaf is deleted", { path, txnid });
    this.#digest.relieve();
    this.#touch(parent);
    this.#changes.beforeDelete(node);
    this.#digest.remove(node);
    this.#nodes.delete(path);
    parent.disown(node);
    parent.pzxid = txnid;
  }

  digest(): bigint {
    this.#assertWhole();
    return this.#digest.value();
  }

  beginChanges(isFull: boolean): StateChanges {
    this.#assertWhole();
    return this.#changes.begin(isFull);
  }

  reset(): void {
    for (const node of this.#nodes.values()) this.#digest.remove(node);
    this.#nodes.clear();
    this.#awaited.clear();
    this.#changes.reset();
    this.#plant();
  }

  /** @throws ERR_STORE_DAMAGED, ERR_STORE_SCHEMA. */
  restore(rows: readonly StateRow[]): void {
    for (const row of rows) {
      const node = this.#claim(rowPath(row));
      this.#digest.relieve();
      this.#digest.touch(node, row.value?.length ?? 0);
      readRow(row.value, node);
      this.#awaited.delete(node);
    }
  }

  #touch(node: Znode): void {
    this.#changes.beforeChange(node);
    this.#digest.touch(node, node.data.length);
  }

  #require(path: string, txnid: Txnid): Znode {
    const node = this.#nodes.get(path);
    if (node === undefined) assert(false, "a transaction finds its node", { path, txnid });
    return node;
  }

  #assertWhole(): void {
    assert(this.#awaited.size === 0, "every restored node has its parent");
  }

  /** The node of a restored row, made with its ancestors when rows come children first. */
  #claim(path: string): Znode {
    const known = this.#nodes.get(path);
    if (known !== undefined) return known;
    const parent = this.#claim(parentPathOf(path));
    const node = new Znode(path, parent);
    this.#nodes.set(path, node);
    parent.adopt(node);
    this.#awaited.add(node);
    return node;
  }

  #plant(): void {
    for (const path of BUILT_IN_PATHS) {
      const parent = path === ROOT ? null : (this.#nodes.get(parentPathOf(path)) ?? null);
      const node = new Znode(path, parent);
      parent?.adopt(node);
      this.#nodes.set(path, node);
      this.#digest.touch(node, 0);
    }
  }
}

/**
 * Into the memory that the node has, when it is as much. A write that leaves memory of its own
 * behind, outside of the collector's heap, costs more in collections than all the rest of it.
 * Images and answers hold copies, so nobody sees the old bytes change.
 */
function overwrite(node: Znode, data: Uint8Array): void {
  if (data.length > 0 && data.length === node.data.length) node.data.set(data);
  else node.data = copyOf(data);
}

/** Never shares memory with its source, which may be a Buffer, whose `slice` copies nothing. */
function copyOf(data: Uint8Array): Uint8Array {
  return data.length === 0 ? NO_DATA : new Uint8Array(data);
}
