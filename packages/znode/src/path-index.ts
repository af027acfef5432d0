import { assert } from "@quorate/protocol";

const SHARDS_LOG = 8;
const SHARDS = 1 << SHARDS_LOG;
const SLOTS_MIN = 8;
/** Of the slots of a shard, at most so many are taken. */
const FULL_SHARE = 0.7;

/** What the numbers stand for. */
export interface IndexedNodes {
  hasPath(node: number, bytes: Uint8Array, from: number, length: number): boolean;
}

interface Shard {
  /** Two words for each: the number of a node, or 0 for none, and the hash of its path. */
  slots: Int32Array;
  taken: number;
}

/**
 * Finds nodes by the hash of their paths: open addressing over their numbers, so that a million of
 * entries are nothing to the collector. The hash stands beside the number: a look at another node
 * is a look into memory that is far away.
 *
 * Dealt out to shards that grow by themselves: a table of all would be moved within one insertion,
 * which takes as long as 100,000 others, on every node of the ensemble within the same transaction.
 */
export class PathIndex {
  readonly #nodes: IndexedNodes;
  #shards: (Shard | undefined)[] = Array.from({ length: SHARDS });

  constructor(nodes: IndexedNodes) {
    this.#nodes = nodes;
  }

  /** The node with this path, which has this hash; 0 when there is none. */
  find(hash: number, bytes: Uint8Array, from: number, length: number): number {
    const shard = this.#shards[hash >>> (32 - SHARDS_LOG)];
    if (shard === undefined) return 0;
    const { slots } = shard;
    const mask = slots.length - 1;
    for (let at = (hash << 1) & mask; ; at = (at + 2) & mask) {
      const node = slots[at] ?? 0;
      if (node === 0) return 0;
      if (slots[at + 1] !== hash) continue;
      if (this.#nodes.hasPath(node, bytes, from, length)) return node;
    }
  }

  add(hash: number, node: number): void {
    const shard = (this.#shards[hash >>> (32 - SHARDS_LOG)] ??= {
      slots: new Int32Array(2 * SLOTS_MIN),
      taken: 0,
    });
    if (2 * (shard.taken + 1) > shard.slots.length * FULL_SHARE) grow(shard);
    put(shard.slots, hash, node);
    shard.taken += 1;
  }

  remove(hash: number, node: number): void {
    const shard = this.#shards[hash >>> (32 - SHARDS_LOG)];
    assert(shard !== undefined, "a node that goes is in its shard", { node });
    const { slots } = shard;
    const mask = slots.length - 1;
    let hole = (hash << 1) & mask;
    while (slots[hole] !== node) {
      assert(slots[hole] !== 0, "a node that goes is in the index", { node });
      hole = (hole + 2) & mask;
    }
    shard.taken -= 1;
    // What stands behind moves up, unless it would come to stand before its place.
    for (let at = (hole + 2) & mask; slots[at] !== 0; at = (at + 2) & mask) {
      const moved = slots[at + 1] ?? 0;
      const home = (moved << 1) & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      slots[hole] = slots[at] ?? 0;
      slots[hole + 1] = moved;
      hole = at;
    }
    slots[hole] = 0;
  }

  clear(): void {
    this.#shards = Array.from({ length: SHARDS });
  }
}

function grow(shard: Shard): void {
  const before = shard.slots;
  const slots = new Int32Array(before.length * 2);
  for (let at = 0; at < before.length; at += 2) {
    const node = before[at] ?? 0;
    if (node !== 0) put(slots, before[at + 1] ?? 0, node);
  }
  shard.slots = slots;
}

function put(slots: Int32Array, hash: number, node: number): void {
  const mask = slots.length - 1;
  let at = (hash << 1) & mask;
  while (slots[at] !== 0) at = (at + 2) & mask;
  slots[at] = node;
  slots[at + 1] = hash;
}
