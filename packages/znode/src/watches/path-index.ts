import { ChurnMap } from "@quorate/protocol";

/** Small maps grow, and are renewed, in steps of well below a millisecond. */
const SHARDS = 256;

/** Numbers for paths: dense, given anew once a path is forgotten. */
export class PathIndex {
  readonly #shards = Array.from({ length: SHARDS }, () => new ChurnMap<string, number>());
  readonly #paths: (string | null)[] = [];
  readonly #free: number[] = [];
  #chars = 0;

  /** Characters of all that have a number. */
  get chars(): number {
    return this.#chars;
  }

  /** Numbers ever given; every number is below it. */
  get end(): number {
    return this.#paths.length;
  }

  /** -1 when the path has none. */
  find(path: string): number {
    return this.#shardOf(path).get(path) ?? -1;
  }

  /** The path's number, a new one if it has none. */
  intern(path: string): number {
    const shard = this.#shardOf(path);
    const known = shard.get(path);
    if (known !== undefined) return known;
    const id = this.#free.pop() ?? this.#paths.length;
    this.#paths[id] = path;
    shard.set(path, id);
    this.#chars += path.length;
    return id;
  }

  /** Null for a number that is free. */
  pathOf(id: number): string | null {
    return this.#paths[id] ?? null;
  }

  forget(id: number): void {
    const path = this.#paths[id];
    if (path === null || path === undefined) return;
    this.#shardOf(path).delete(path);
    this.#paths[id] = null;
    this.#chars -= path.length;
    this.#free.push(id);
  }

  /** By length and the last characters, where paths differ most. */
  #shardOf(path: string): ChurnMap<string, number> {
    const { length } = path;
    let hash = length;
    for (let i = Math.max(0, length - 6); i < length; i += 1) {
      hash = (hash * 31 + path.charCodeAt(i)) | 0;
    }
    const shard = this.#shards[(hash ^ (hash >>> 8)) & (SHARDS - 1)];
    if (shard === undefined) throw new RangeError("no such shard");
    return shard;
  }
}
