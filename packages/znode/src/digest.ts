import { Hash64 } from "./hash.js";
import { UNHASHED_BYTES_MAX, UNHASHED_NODES_MAX } from "./limits.js";
import { HEADER_BYTES } from "./node-header.js";
import type { Znode } from "./znode.js";

const TWO_32 = 2 ** 32;

/** Where a part of the sum is kept, to be taken out again. */
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
  readonly #hash = new Hash64();
  /** By number. */
  readonly #unhashed = new Map<number, Znode>();
  #unhashedBytes = 0;
  #high = 0;
  #low = 0;

  /** The node is new; `bytes` of data are to be hashed. */
  add(node: Znode, bytes: number): void {
    this.#unhashed.set(node.number, node);
    this.#unhashedBytes += bytes;
  }

  /** The node is about to change; `bytes` of data are to be hashed again. */
  touch(node: Znode, bytes: number): void {
    if (node.isHashed) {
      this.subtract(node);
      node.isHashed = false;
      this.#unhashed.set(node.number, node);
    }
    this.#unhashedBytes += bytes;
  }

  /** Between two changes only: no node may be half changed when it is hashed. */
  relieve(): void {
    const isDue =
      this.#unhashed.size >= UNHASHED_NODES_MAX || this.#unhashedBytes >= UNHASHED_BYTES_MAX;
    if (isDue) this.#settle();
  }

  remove(node: Znode): void {
    if (node.isHashed) this.subtract(node);
    else this.#unhashed.delete(node.number);
  }

  value(): bigint {
    this.#settle();
    return (BigInt(this.#high) << 32n) | BigInt(this.#low);
  }

  #settle(): void {
    for (const node of this.#unhashed.values()) this.#hashNode(node);
    this.#unhashed.clear();
    this.#unhashedBytes = 0;
  }

  /** The node is whole, and will hardly change soon. */
  hashNow(node: Znode): void {
    this.remove(node);
    this.#hashNode(node);
  }

  /** Nothing is there any more. */
  reset(): void {
    this.#unhashed.clear();
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
    this.#add(item);
  }

  subtract(item: Hashed): void {
    const low = this.#low - (item.hashLow >>> 0);
    const borrow = low < 0 ? 1 : 0;
    this.#low = low >>> 0;
    this.#high = (this.#high - (item.hashHigh >>> 0) - borrow) >>> 0;
  }

  #hashNode(node: Znode): void {
    const hash = this.#hash;
    const { bytes, headerAt, pathBytes, aclBytes, dataLength } = node;
    hash.start();
    hash.part(bytes, pathBytes, headerAt - pathBytes);
    hash.part(bytes, HEADER_BYTES, headerAt);
    const aclAt = headerAt + HEADER_BYTES;
    if (aclBytes > 0) hash.part(bytes, aclBytes, aclAt);
    hash.part(bytes, dataLength, aclAt + aclBytes);
    this.#add(node);
    node.isHashed = true;
  }

  #add(item: Hashed): void {
    const hash = this.#hash;
    hash.finish();
    item.hashHigh = hash.high;
    item.hashLow = hash.low;
    const low = this.#low + (hash.low >>> 0);
    const carry = low >= TWO_32 ? 1 : 0;
    this.#low = low >>> 0;
    this.#high = (this.#high + (hash.high >>> 0) + carry) >>> 0;
  }
}
