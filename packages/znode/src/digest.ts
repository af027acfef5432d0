import { Hash64 } from "./hash.js";
import { UNHASHED_BYTES_MAX, UNHASHED_NODES_MAX } from "./limits.js";
import { HEADER_BYTES } from "./node-header.js";
import type { NodeTable } from "./node-table.js";
import { NumberSet } from "./number-set.js";

const TWO_32 = 2 ** 32;

/** A session: where its part of the sum is kept, to be taken out again. */
interface Hashed {
  hashHigh: number;
  hashLow: number;
}

/**
 * Invariant 7: the digest of the state, the sum modulo 2^64 of one {@link Hash64} per node over the
 * parts path (UTF-8), header, ACL (unless it is open) and data, and one per session over its
 * row's key and value. A sum, so neither order nor history matters.
 *
 * Nodes are hashed when the digest is asked for, or when many wait: a node that is written often
 * between two questions is hashed once.
 */
export class TreeDigest {
  readonly #table: NodeTable;
  readonly #hash = new Hash64();
  /** Numbers of nodes; those that went meanwhile are in the list still, or twice. */
  readonly #unhashed = new NumberSet();
  #waiting: number[] = [];
  #unhashedBytes = 0;
  #high = 0;
  #low = 0;

  constructor(table: NodeTable) {
    this.#table = table;
  }

  /** The node is new; `bytes` of data are to be hashed. */
  add(node: number, bytes: number): void {
    this.#wait(node);
    this.#unhashedBytes += bytes;
  }

  /** The node is about to change; `bytes` of data are to be hashed again. */
  touch(node: number, bytes: number): void {
    if (this.#table.isHashed(node)) {
      this.#subtractNode(node);
      this.#wait(node);
    }
    this.#unhashedBytes += bytes;
  }

  /** Between two changes only: no node may be half changed when it is hashed. */
  relieve(): void {
    const isDue =
      this.#waiting.length >= UNHASHED_NODES_MAX || this.#unhashedBytes >= UNHASHED_BYTES_MAX;
    if (isDue) this.#settle();
  }

  remove(node: number): void {
    if (this.#table.isHashed(node)) this.#subtractNode(node);
    else this.#unhashed.delete(node);
  }

  value(): bigint {
    this.#settle();
    return (BigInt(this.#high) << 32n) | BigInt(this.#low);
  }

  /** The node is whole, and will hardly change soon. */
  hashNow(node: number): void {
    this.remove(node);
    this.#hashNode(node);
  }

  /** Nothing is there any more. */
  reset(): void {
    for (const node of this.#waiting) this.#unhashed.delete(node);
    this.#waiting = [];
    this.#unhashedBytes = 0;
    this.#high = 0;
    this.#low = 0;
  }

  /** Something that never changes while it is there. */
  addRow(item: Hashed, key: Uint8Array, value: Uint8Array): void {
    const hash = this.#hash;
    hash.start();
    hash.part(key, key.length);
    hash.part(value, value.length);
    this.#finish();
    item.hashHigh = hash.high;
    item.hashLow = hash.low;
  }

  subtractRow(item: Hashed): void {
    this.#subtract(item.hashHigh, item.hashLow);
  }

  #wait(node: number): void {
    this.#unhashed.add(node);
    this.#waiting.push(node);
  }

  #settle(): void {
    for (const node of this.#waiting) if (this.#unhashed.delete(node)) this.#hashNode(node);
    this.#waiting = [];
    this.#unhashedBytes = 0;
  }

  #subtractNode(node: number): void {
    const view = this.#table.viewOf(node);
    const at = this.#table.hashAt(node);
    this.#subtract(view.getInt32(at), view.getInt32(at + 4));
    this.#table.setHashed(node, false);
  }

  #subtract(high: number, low: number): void {
    const rest = this.#low - (low >>> 0);
    const borrow = rest < 0 ? 1 : 0;
    this.#low = rest >>> 0;
    this.#high = (this.#high - (high >>> 0) - borrow) >>> 0;
  }

  #hashNode(node: number): void {
    const table = this.#table;
    const hash = this.#hash;
    const { bytes, view } = table.pageOf(node);
    const headerAt = table.headerAt(node);
    const pathBytes = table.pathBytes(node);
    const aclBytes = table.aclBytes(node);
    hash.start();
    hash.part(bytes, pathBytes, headerAt - pathBytes);
    hash.part(bytes, HEADER_BYTES, headerAt);
    const aclAt = headerAt + HEADER_BYTES;
    if (aclBytes > 0) hash.part(bytes, aclBytes, aclAt);
    hash.part(bytes, table.restBytes(node) - HEADER_BYTES - aclBytes, aclAt + aclBytes);
    this.#finish();
    const at = table.hashAt(node);
    view.setInt32(at, hash.high);
    view.setInt32(at + 4, hash.low);
    table.setHashed(node, true);
  }

  /** What was hashed joins the sum. */
  #finish(): void {
    const hash = this.#hash;
    hash.finish();
    const low = this.#low + (hash.low >>> 0);
    const carry = low >= TWO_32 ? 1 : 0;
    this.#low = low >>> 0;
    this.#high = (this.#high + (hash.high >>> 0) + carry) >>> 0;
  }
}
