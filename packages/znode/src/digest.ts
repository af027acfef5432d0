import { KEY_BYTES_MAX } from "@quorate/protocol";
import { Hash64 } from "./hash.js";
import { UNHASHED_BYTES_MAX, UNHASHED_NODES_MAX } from "./limits.js";
import { ROW_HEADER_BYTES, writeRowHeader } from "./row.js";
import type { Znode } from "./znode.js";

const TWO_32 = 2 ** 32;
const encoder = new TextEncoder();

/**
 * Invariant 7: the digest of a tree, the sum modulo 2^64 of one {@link Hash64} per node over the
 * parts path (UTF-8), row header and data. A sum, so neither order nor history matters.
 *
 * Nodes are hashed when the digest is asked for, or when many wait: a node that is written often
 * between two questions is hashed once.
 */
export class TreeDigest {
  readonly #hash = new Hash64();
  readonly #header = new Uint8Array(ROW_HEADER_BYTES);
  readonly #headerView = new DataView(this.#header.buffer);
  readonly #path = new Uint8Array(KEY_BYTES_MAX);
  readonly #unhashed = new Set<Znode>();
  #unhashedBytes = 0;
  #high = 0;
  #low = 0;

  /** The node is new, or about to change; `bytes` of data are to be hashed again. */
  touch(node: Znode, bytes: number): void {
    if (node.isHashed) {
      this.#subtract(node);
      node.isHashed = false;
    }
    this.#unhashed.add(node);
    this.#unhashedBytes += bytes;
  }

  /** Between two changes only: no node may be half changed when it is hashed. */
  relieve(): void {
    const isDue =
      this.#unhashed.size >= UNHASHED_NODES_MAX || this.#unhashedBytes >= UNHASHED_BYTES_MAX;
    if (isDue) this.#settle();
  }

  remove(node: Znode): void {
    if (node.isHashed) this.#subtract(node);
    else this.#unhashed.delete(node);
  }

  value(): bigint {
    this.#settle();
    return (BigInt(this.#high) << 32n) | BigInt(this.#low);
  }

  #settle(): void {
    for (const node of this.#unhashed) this.#add(node);
    this.#unhashed.clear();
    this.#unhashedBytes = 0;
  }

  #add(node: Znode): void {
    const hash = this.#hash;
    hash.start();
    hash.part(this.#path, encoder.encodeInto(node.path, this.#path).written);
    writeRowHeader(node, this.#headerView);
    hash.part(this.#header, ROW_HEADER_BYTES);
    hash.part(node.data, node.data.length);
    hash.finish();
    node.hashHigh = hash.high;
    node.hashLow = hash.low;
    node.isHashed = true;
    const low = this.#low + (hash.low >>> 0);
    const carry = low >= TWO_32 ? 1 : 0;
    this.#low = low >>> 0;
    this.#high = (this.#high + (hash.high >>> 0) + carry) >>> 0;
  }

  #subtract(node: Znode): void {
    const low = this.#low - (node.hashLow >>> 0);
    const borrow = low < 0 ? 1 : 0;
    this.#low = low >>> 0;
    this.#high = (this.#high - (node.hashHigh >>> 0) - borrow) >>> 0;
  }
}
