import { isKeyTooLong, type NodeChangeKind } from "@quorate/protocol";
import { parentPathOf, ROOT } from "../paths.js";
import { PathIndex } from "./path-index.js";
import { DataCounts } from "./data-counts.js";
import { WatchKind, WatchMode, WatchStore } from "./watch-store.js";

/** How a watch is set: the one-shot ones by reads, the others for good. */
export type WatchRequest = "data" | "child" | "persistent" | "persistentRecursive";

/** What checkWatches and removeWatches name (ZooKeeper's WatcherType). */
export type WatchType = "children" | "data" | "any" | "persistent" | "persistentRecursive";

const NONE = -1;

/**
 * The watches of one node's clients. Node-local: no part of the replicated state.
 *
 * Exactly the rules of ZooKeeper 3.9.5: the modes that a watcher has on a path add up, a one-shot
 * one goes when it fires and a persistent one stays; whoever watches data and children hears of a
 * deletion once; recursive watches never hear of children changed. What a change costs is
 * proportional to the watches that it fires (and to the path's depth, when any is recursive).
 *
 * Watchers are small numbers of the caller's choice, dense; each has what was added for it until
 * `removeAll`.
 */
export class WatchTable {
  readonly #paths = new PathIndex();
  readonly #store = new WatchStore();
  readonly #counts = new DataCounts();
  #recursiveCount = 0;
  /** Who has heard of the change that is being told; by watcher, the number of that change. */
  #toldAt = new Float64Array(64);
  #change = 0;

  /** A persistent watch counts twice, as in ZooKeeper's watch_count. */
  get size(): number {
    return this.#store.size;
  }

  /** Of one watcher, counted in the same way. */
  sizeOf(watcher: number): number {
    return this.#store.sizeOf(watcher);
  }

  /** Characters of all watched paths. */
  get pathChars(): number {
    return this.#paths.chars;
  }

  /** Of a path that no node can have, none is kept: nothing would fire it. */
  add(path: string, watcher: number, request: WatchRequest): void {
    if (isKeyTooLong(path)) return;
    const id = this.#paths.intern(path);
    const store = this.#store;
    if (request !== "child") this.#countAdded(id, watcher);
    switch (request) {
      case "data":
        store.add(id, watcher, WatchKind.data, WatchMode.once);
        return;
      case "child":
        store.add(id, watcher, WatchKind.child, WatchMode.once);
        return;
      case "persistent":
        store.add(id, watcher, WatchKind.data, WatchMode.persistent);
        store.add(id, watcher, WatchKind.child, WatchMode.persistent);
        return;
      case "persistentRecursive":
        if (store.find(id, watcher, WatchKind.recursive) === NONE) this.#recursiveCount += 1;
        store.add(id, watcher, WatchKind.recursive, WatchMode.persistent);
    }
  }

  contains(path: string, watcher: number, type: WatchType): boolean {
    const id = this.#paths.find(path);
    if (id === NONE) return false;
    const has = (kind: WatchKind, modes: number): boolean => {
      const at = this.#store.find(id, watcher, kind);
      return at !== NONE && (this.#store.modesOf(at) & modes) !== 0;
    };
    return kindsOf(type).some((kind) => has(kind, modesOf(type)));
  }

  /** False when there was none. */
  remove(path: string, watcher: number, type: WatchType): boolean {
    const id = this.#paths.find(path);
    if (id === NONE) return false;
    let hasRemoved = false;
    for (const kind of kindsOf(type)) {
      const at = this.#store.find(id, watcher, kind);
      if (at === NONE || (this.#store.modesOf(at) & modesOf(type)) === 0) continue;
      hasRemoved = true;
      if (kind === WatchKind.recursive) this.#recursiveCount -= 1;
      this.#store.removeModes(at, modesOf(type));
      this.#countRemoved(id, watcher, kind);
    }
    this.#forgetUnwatched(id);
    return hasRemoved;
  }

  /**
   * The watcher is gone, and all that it watched: costs what it had. With `max`, at most so many
   * are removed; false when there are more, and only then is the number in use still.
   */
  removeAll(watcher: number, max = Number.POSITIVE_INFINITY): boolean {
    const store = this.#store;
    let left = max;
    for (let at = store.firstOfWatcher(watcher); at !== NONE;) {
      if (left === 0) return false;
      left -= 1;
      const next = store.nextOfWatcher(at);
      const path = store.pathOf(at);
      const kind = store.kindOf(at);
      if (kind === WatchKind.recursive) this.#recursiveCount -= 1;
      store.remove(at);
      this.#countRemoved(path, watcher, kind);
      this.#forgetUnwatched(path);
      at = next;
    }
    return true;
  }

  /**
   * A change happened: calls `fire` once for each watcher that is to hear of it. One-shot watches
   * that fire are gone, also those of a watcher that had heard of it by another one.
   * `fire` must not touch this table.
   */
  trigger(kind: NodeChangeKind, path: string, fire: (watcher: number) => void): void {
    if (this.#store.size === 0) return;
    this.#change += 1;
    const id = this.#paths.find(path);
    if (kind === "childrenChanged") {
      if (id !== NONE) this.#fire(id, WatchKind.child, fire);
    } else {
      if (id !== NONE) {
        this.#fire(id, WatchKind.data, fire);
        if (kind === "deleted") this.#fire(id, WatchKind.child, fire);
      }
      if (this.#recursiveCount > 0) this.#fireRecursive(id, path, fire);
    }
    if (id !== NONE) this.#forgetUnwatched(id);
  }

  /**
   * Each path with those who watch its data or below it, in no order. This, and the next two, leave
   * out watches of children, as ZooKeeper's wchp, wchc and wchs do.
   */
  *byPath(): IterableIterator<readonly [path: string, watchers: readonly number[]]> {
    for (let id = 0; id < this.#paths.end; id += 1) {
      const path = this.#paths.pathOf(id);
      if (path === null) continue;
      const watchers = [...this.#ofPath(id, WatchKind.data)];
      for (const watcher of this.#ofPath(id, WatchKind.recursive)) {
        if (this.#store.find(id, watcher, WatchKind.data) === NONE) watchers.push(watcher);
      }
      if (watchers.length > 0) yield [path, watchers];
    }
  }

  /** The same by watcher. */
  *byWatcher(): IterableIterator<readonly [watcher: number, paths: readonly string[]]> {
    const store = this.#store;
    for (let watcher = 0; watcher < store.watchersEnd; watcher += 1) {
      const paths: string[] = [];
      for (let at = store.firstOfWatcher(watcher); at !== NONE; at = store.nextOfWatcher(at)) {
        const id = store.pathOf(at);
        const kind = store.kindOf(at);
        const isFirst = kind === WatchKind.recursive || kind === WatchKind.data;
        const isTwice =
          kind === WatchKind.recursive && store.find(id, watcher, WatchKind.data) !== NONE;
        const path = isFirst && !isTwice ? this.#paths.pathOf(id) : null;
        if (path !== null) paths.push(path);
      }
      if (paths.length > 0) yield [watcher, paths];
    }
  }

  /** How many they are. */
  dataSummary(): { readonly watchers: number; readonly paths: number; readonly total: number } {
    const { watchers, paths, total } = this.#counts;
    return { watchers, paths, total };
  }

  *#ofPath(id: number, kind: WatchKind): IterableIterator<number> {
    const store = this.#store;
    for (let at = store.firstOfPath(id, kind); at !== NONE; at = store.nextOfPath(at)) {
      yield store.watcherOf(at);
    }
  }

  #fireRecursive(id: number, path: string, fire: (watcher: number) => void): void {
    if (id !== NONE) this.#fire(id, WatchKind.recursive, fire);
    for (let above = path; above !== ROOT;) {
      above = parentPathOf(above);
      const aboveId = this.#paths.find(above);
      if (aboveId !== NONE) this.#fire(aboveId, WatchKind.recursive, fire);
    }
  }

  #fire(id: number, kind: WatchKind, fire: (watcher: number) => void): void {
    const store = this.#store;
    for (let at = store.firstOfPath(id, kind); at !== NONE;) {
      const next = store.nextOfPath(at);
      const watcher = store.watcherOf(at);
      store.removeModes(at, WatchMode.once);
      this.#countRemoved(id, watcher, kind);
      at = next;
      if (!this.#isTold(watcher)) fire(watcher);
    }
  }

  #isTold(watcher: number): boolean {
    if (watcher >= this.#toldAt.length) {
      const bigger = new Float64Array(Math.max(watcher + 1, this.#toldAt.length * 2));
      bigger.set(this.#toldAt);
      this.#toldAt = bigger;
    }
    if (this.#toldAt[watcher] === this.#change) return true;
    this.#toldAt[watcher] = this.#change;
    return false;
  }

  #isDataWatched(id: number): boolean {
    const { data, recursive } = WatchKind;
    const store = this.#store;
    return store.firstOfPath(id, data) !== NONE || store.firstOfPath(id, recursive) !== NONE;
  }

  #hasDataWatch(id: number, watcher: number): boolean {
    const { data, recursive } = WatchKind;
    const store = this.#store;
    return store.find(id, watcher, data) !== NONE || store.find(id, watcher, recursive) !== NONE;
  }

  /** Before it is added. */
  #countAdded(id: number, watcher: number): void {
    if (this.#hasDataWatch(id, watcher)) return;
    this.#counts.add(watcher, !this.#isDataWatched(id));
  }

  /** After modes of it, or it, are removed. */
  #countRemoved(id: number, watcher: number, kind: WatchKind): void {
    if (kind === WatchKind.child || this.#hasDataWatch(id, watcher)) return;
    this.#counts.remove(watcher, !this.#isDataWatched(id));
  }

  #forgetUnwatched(id: number): void {
    if (!this.#store.isWatched(id)) this.#paths.forget(id);
  }
}

function kindsOf(type: WatchType): readonly WatchKind[] {
  switch (type) {
    case "children":
      return [WatchKind.child];
    case "data":
      return [WatchKind.data];
    case "persistent":
      return [WatchKind.data, WatchKind.child];
    case "persistentRecursive":
      return [WatchKind.recursive];
    case "any":
      return [WatchKind.data, WatchKind.child, WatchKind.recursive];
  }
}

function modesOf(type: WatchType): number {
  switch (type) {
    case "children":
    case "data":
      return WatchMode.once;
    case "persistent":
    case "persistentRecursive":
      return WatchMode.persistent;
    case "any":
      return WatchMode.once | WatchMode.persistent;
  }
}
