/** What a list of watches is about. A persistent watch is in the lists of data and child. */
export const WatchKind = { data: 0, child: 1, recursive: 2 } as const;
export type WatchKind = (typeof WatchKind)[keyof typeof WatchKind];

/** One-shot, persistent, or both: they add up, and the one-shot part goes when it fires. */
export const WatchMode = { once: 1, persistent: 2 } as const;

const KINDS = 3;
const NONE = -1;
const RECORDS_INITIAL = 64;

// The ints of one watch. Whose it is, two rings of lists (by path and kind, by watcher), a chain.
const PATH = 0;
const WATCHER = 1;
const KIND_MODES = 2;
// The field behind each of these two points back.
const NEXT_OF_PATH = 3;
const NEXT_OF_WATCHER = 5;
const NEXT_IN_BUCKET = 7;
const FIELDS = 8;

/**
 * Watches as plain ints: 32 bytes each and about as much for the lists' heads and the hash,
 * whatever their number; a million of them is nothing for the garbage collector to look at.
 * Finding, adding and removing one takes constant time; a list costs its own length.
 */
export class WatchStore {
  #ints = new Int32Array(RECORDS_INITIAL * FIELDS);
  #buckets = new Int32Array(RECORDS_INITIAL).fill(NONE);
  #headOfPath = new Int32Array(RECORDS_INITIAL * KINDS).fill(NONE);
  #headOfWatcher = new Int32Array(RECORDS_INITIAL).fill(NONE);
  #sizeOfWatcher = new Int32Array(RECORDS_INITIAL);
  #end = 0;
  #free = NONE;
  #size = 0;

  /** Watches held; a persistent one counts twice. */
  get size(): number {
    return this.#size;
  }

  /** Those of one watcher, counted in the same way. */
  sizeOf(watcher: number): number {
    return this.#sizeOfWatcher[watcher] ?? 0;
  }

  /** Every watcher that ever had one is below it. */
  get watchersEnd(): number {
    return this.#headOfWatcher.length;
  }

  /** The watch of this path, watcher and kind; -1 when there is none. */
  find(path: number, watcher: number, kind: WatchKind): number {
    let at = this.#buckets[this.#bucketOf(path, watcher, kind)] ?? NONE;
    while (at !== NONE) {
      if (
        this.#get(at, PATH) === path &&
        this.#get(at, WATCHER) === watcher &&
        this.kindOf(at) === kind
      ) {
        return at;
      }
      at = this.#get(at, NEXT_IN_BUCKET);
    }
    return NONE;
  }

  /** Adds modes to the watch, which may be new. */
  add(path: number, watcher: number, kind: WatchKind, modes: number): void {
    const known = this.find(path, watcher, kind);
    if (known !== NONE) {
      this.#set(known, KIND_MODES, this.#get(known, KIND_MODES) | (modes << 2));
      return;
    }
    const at = this.#allocate();
    this.#set(at, PATH, path);
    this.#set(at, WATCHER, watcher);
    this.#set(at, KIND_MODES, kind | (modes << 2));
    this.#headOfPath = grown(this.#headOfPath, path * KINDS + KINDS, NONE);
    this.#headOfWatcher = grown(this.#headOfWatcher, watcher + 1, NONE);
    this.#link(at, this.#headOfPath, path * KINDS + kind, NEXT_OF_PATH);
    this.#link(at, this.#headOfWatcher, watcher, NEXT_OF_WATCHER);
    const bucket = this.#bucketOf(path, watcher, kind);
    this.#set(at, NEXT_IN_BUCKET, this.#buckets[bucket] ?? NONE);
    this.#buckets[bucket] = at;
    this.#size += 1;
    this.#sizeOfWatcher = grown(this.#sizeOfWatcher, watcher + 1, 0);
    this.#sizeOfWatcher[watcher] = this.sizeOf(watcher) + 1;
  }

  /** Takes modes away; the watch goes with its last one. */
  removeModes(at: number, modes: number): void {
    const left = this.modesOf(at) & ~modes;
    if (left === 0) this.remove(at);
    else this.#set(at, KIND_MODES, this.kindOf(at) | (left << 2));
  }

  remove(at: number): void {
    const path = this.pathOf(at);
    const watcher = this.watcherOf(at);
    const kind = this.kindOf(at);
    this.#unlink(at, this.#headOfPath, path * KINDS + kind, NEXT_OF_PATH);
    this.#unlink(at, this.#headOfWatcher, watcher, NEXT_OF_WATCHER);
    this.#unchain(at, this.#bucketOf(path, watcher, kind));
    this.#set(at, NEXT_IN_BUCKET, this.#free);
    this.#set(at, WATCHER, NONE);
    this.#free = at;
    this.#size -= 1;
    this.#sizeOfWatcher[watcher] = this.sizeOf(watcher) - 1;
  }

  firstOfPath(path: number, kind: WatchKind): number {
    return this.#headOfPath[path * KINDS + kind] ?? NONE;
  }

  nextOfPath(at: number): number {
    return this.#get(at, NEXT_OF_PATH);
  }

  firstOfWatcher(watcher: number): number {
    return this.#headOfWatcher[watcher] ?? NONE;
  }

  nextOfWatcher(at: number): number {
    return this.#get(at, NEXT_OF_WATCHER);
  }

  pathOf(at: number): number {
    return this.#get(at, PATH);
  }

  watcherOf(at: number): number {
    return this.#get(at, WATCHER);
  }

  kindOf(at: number): WatchKind {
    return (this.#get(at, KIND_MODES) & 3) as WatchKind;
  }

  modesOf(at: number): number {
    return this.#get(at, KIND_MODES) >> 2;
  }

  isWatched(path: number): boolean {
    for (let kind = 0; kind < KINDS; kind += 1) {
      if ((this.#headOfPath[path * KINDS + kind] ?? NONE) !== NONE) return true;
    }
    return false;
  }

  #get(at: number, field: number): number {
    return this.#ints[at * FIELDS + field] ?? NONE;
  }

  #set(at: number, field: number, value: number): void {
    this.#ints[at * FIELDS + field] = value;
  }

  #bucketOf(path: number, watcher: number, kind: WatchKind): number {
    const mixed = Math.imul(path * KINDS + kind, 0x9e3779b1) ^ Math.imul(watcher, 0x85ebca77);
    return (mixed ^ (mixed >>> 15)) & (this.#buckets.length - 1);
  }

  #allocate(): number {
    if (this.#free !== NONE) {
      const at = this.#free;
      this.#free = this.#get(at, NEXT_IN_BUCKET);
      return at;
    }
    const at = this.#end;
    this.#end += 1;
    this.#ints = grown(this.#ints, this.#end * FIELDS, NONE);
    if (this.#end > this.#buckets.length) this.#rehash();
    return at;
  }

  /** The newest slot is not filled yet and is left out. */
  #rehash(): void {
    this.#buckets = new Int32Array(this.#buckets.length * 2).fill(NONE);
    for (let at = 0; at < this.#end - 1; at += 1) {
      if (this.watcherOf(at) === NONE) continue;
      const bucket = this.#bucketOf(this.pathOf(at), this.watcherOf(at), this.kindOf(at));
      this.#set(at, NEXT_IN_BUCKET, this.#buckets[bucket] ?? NONE);
      this.#buckets[bucket] = at;
    }
  }

  /** `next` is the field of the list. */
  #link(at: number, heads: Int32Array, head: number, next: number): void {
    const first = heads[head] ?? NONE;
    this.#set(at, next, first);
    this.#set(at, next + 1, NONE);
    if (first !== NONE) this.#set(first, next + 1, at);
    heads[head] = at;
  }

  #unlink(at: number, heads: Int32Array, head: number, next: number): void {
    const after = this.#get(at, next);
    const before = this.#get(at, next + 1);
    if (before === NONE) heads[head] = after;
    else this.#set(before, next, after);
    if (after !== NONE) this.#set(after, next + 1, before);
  }

  #unchain(at: number, bucket: number): void {
    let before = NONE;
    let here = this.#buckets[bucket] ?? NONE;
    while (here !== at) {
      before = here;
      here = this.#get(here, NEXT_IN_BUCKET);
    }
    const after = this.#get(at, NEXT_IN_BUCKET);
    if (before === NONE) this.#buckets[bucket] = after;
    else this.#set(before, NEXT_IN_BUCKET, after);
  }
}

function grown(
  ints: Int32Array<ArrayBuffer>,
  length: number,
  fill: number,
): Int32Array<ArrayBuffer> {
  if (length <= ints.length) return ints;
  const bigger = new Int32Array(Math.max(length, ints.length + (ints.length >> 1)));
  bigger.set(ints);
  bigger.fill(fill, ints.length);
  return bigger;
}
