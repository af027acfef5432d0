const SHARDS_LOG = 8;
/** Maps that the entries are dealt out to. */
export const SHARDS = 1 << SHARDS_LOG;
/** Shards for the children of one parent. */
const SPREAD_LOG = 4;
/** Characters that decide, before the last slash and behind it. */
const PARENT_CHARACTERS = 24;
const NAME_CHARACTERS = 8;
/** 2^32 over the golden ratio: brings what differs anywhere to the upper bits (Knuth). */
const GOLDEN = 0x9e37_79b1;

/**
 * A map by path, of millions of entries, that never stands still.
 *
 * A Map moves all its entries whenever their number has doubled; that of 500,000 takes hundreds of
 * milliseconds on a busy machine, on every node of the ensemble within the same transaction, and
 * the leader's lease goes with it. So entries are dealt out to many maps, each of which moves its
 * few by itself. Those of one parent lie in a few shards, one behind the other: whoever reads all
 * finds siblings together. Paths that the characters looked at do not tell apart share a shard,
 * which is no worse than one Map.
 */
export class WideMap<V> {
  readonly #shards: (Map<string, V> | undefined)[] = Array.from({ length: SHARDS });
  #size = 0;

  get isEmpty(): boolean {
    return this.#size === 0;
  }

  set(key: string, value: V): void {
    const shard = (this.#shards[shardOf(key)] ??= new Map());
    const before = shard.size;
    shard.set(key, value);
    this.#size += shard.size - before;
  }

  delete(key: string): void {
    if (this.#shards[shardOf(key)]?.delete(key) === true) this.#size -= 1;
  }

  /** Its value, when it was there; it is not any more. */
  take(key: string): V | undefined {
    const shard = this.#shards[shardOf(key)];
    const value = shard?.get(key);
    if (shard?.delete(key) === true) this.#size -= 1;
    return value;
  }

  /** In no particular order. Entries may come and go meanwhile; a new one may be left out. */
  *entries(): Generator<readonly [string, V], undefined> {
    for (const shard of this.#shards) if (shard !== undefined) yield* shard;
  }
}

/** Which of the {@link SHARDS} holds the path. */
export function shardOf(key: string): number {
  const slash = key.lastIndexOf("/");
  let parent = slash;
  for (let i = Math.max(0, slash - PARENT_CHARACTERS); i < slash; i += 1) {
    parent = (Math.imul(parent, 31) + key.charCodeAt(i)) | 0;
  }
  let name = 0;
  for (let i = Math.max(slash + 1, key.length - NAME_CHARACTERS); i < key.length; i += 1) {
    name = (Math.imul(name, 31) + key.charCodeAt(i)) | 0;
  }
  const first = Math.imul(parent, GOLDEN) >>> (32 - SHARDS_LOG);
  const step = Math.imul(name, GOLDEN) >>> (32 - SPREAD_LOG);
  return (first + step) & (SHARDS - 1);
}
