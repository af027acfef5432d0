import { assert, type StateChanges, type StateRow } from "@quorate/protocol";
import { rowOf, tombstoneOf } from "./row.js";
import type { Znode } from "./znode.js";

/** What images read from: the tree, by path. */
export interface NodeSource {
  get(path: string): Znode | undefined;
  values(): IterableIterator<Znode>;
}

/** Path to whether the node was in the last image that was read: only then it needs a tombstone. */
type ChangedPaths = Map<string, boolean>;

/**
 * Remembers which paths changed, and serves images of them while the tree goes on changing.
 *
 * An image is copy-on-write: whoever is about to change a node says so first, and the node's row
 * as of the image's start joins the image's queue, unless it was read before.
 */
export class ChangeTracker {
  readonly #nodes: NodeSource;
  #changed: ChangedPaths = new Map();
  /** Rises whenever #changed is another map. Nodes start at 0, so the first must be greater. */
  #generation = 1;
  /** The one that is being read. */
  #image: Image | null = null;
  /** The one begun last, also when it was read to its end: it may still be lost on the way. */
  #latest: Image | null = null;
  #imageCount = 0;

  constructor(nodes: NodeSource) {
    this.#nodes = nodes;
  }

  /** Before the node changes. */
  beforeChange(node: Znode): void {
    this.#image?.keep(node);
    if (node.changedIn === this.#generation) return;
    node.changedIn = this.#generation;
    if (!this.#changed.has(node.path)) this.#changed.set(node.path, true);
  }

  /** Before the new node joins the tree. */
  beforeCreate(node: Znode): void {
    if (this.#image !== null) this.#image.keepAbsent(node);
    node.changedIn = this.#generation;
    if (!this.#changed.has(node.path)) this.#changed.set(node.path, false);
  }

  /** Before the node leaves the tree. */
  beforeDelete(node: Znode): void {
    if (this.#image !== null) {
      this.#image.keep(node);
      this.#image.forget(node.path);
    }
    const wasImaged = this.#changed.get(node.path);
    // Created and deleted between two images: no trace of it is needed.
    if (wasImaged === false) this.#changed.delete(node.path);
    else this.#changed.set(node.path, true);
  }

  begin(isFull: boolean): StateChanges {
    assert(this.#image === null, "one image is read at a time");
    this.#imageCount += 1;
    const paths = this.#changed;
    const image = new Image(this.#imageCount, this.#nodes, paths, isFull);
    this.#image = image;
    this.#latest = image;
    this.#changed = new Map();
    this.#generation += 1;
    return {
      next: (bytesMax) => {
        const rows = image.next(bytesMax);
        if (rows.length === 0 && this.#image === image) this.#image = null;
        return rows;
      },
      abandon: () => {
        if (this.#latest !== image) return;
        this.#latest = null;
        this.#image = null;
        this.#putBack(paths);
      },
    };
  }

  /** The tree was emptied: an image of it cannot be read any further. */
  reset(): void {
    this.#image?.invalidate();
    this.#image = null;
    this.#latest = null;
    this.#changed = new Map();
    this.#generation += 1;
  }

  #putBack(paths: ChangedPaths): void {
    for (const [path, wasImaged] of this.#changed) {
      // What the abandoned image knew is older, and so is the last image that was finished.
      if (!paths.has(path)) paths.set(path, wasImaged);
    }
    this.#changed = paths;
    this.#generation += 1;
  }
}

/** One image. Owns the rule that each of its rows is given out once, as of its start. */
class Image {
  readonly #id: number;
  readonly #nodes: NodeSource;
  readonly #paths: ChangedPaths;
  readonly #isFull: boolean;
  readonly #rows: Iterator<StateRow>;
  /** Rows saved from a change. Holds at most what the image still has to give out. */
  #kept: StateRow[] = [];
  /** Paths that have been dealt with and have no node that could say so. */
  readonly #gone = new Set<string>();
  #isValid = true;

  constructor(id: number, nodes: NodeSource, paths: ChangedPaths, isFull: boolean) {
    this.#id = id;
    this.#nodes = nodes;
    this.#paths = paths;
    this.#isFull = isFull;
    this.#rows = isFull ? this.#allRows() : this.#changedRows();
  }

  next(bytesMax: number): readonly StateRow[] {
    assert(this.#isValid, "an image is not read after the state was reset");
    const rows: StateRow[] = [];
    let bytes = 0;
    while (bytes < bytesMax || rows.length === 0) {
      const row = this.#kept.pop() ?? this.#nextRow();
      if (row === null) break;
      rows.push(row);
      bytes += row.key.length + (row.value?.length ?? 0);
    }
    return rows;
  }

  keep(node: Znode): void {
    if (node.imagedBy === this.#id) return;
    node.imagedBy = this.#id;
    if (this.#isFull || this.#paths.has(node.path)) this.#kept.push(rowOf(node));
  }

  keepAbsent(node: Znode): void {
    node.imagedBy = this.#id;
    if (this.#isFull || this.#gone.has(node.path)) return;
    const wasImaged = this.#paths.get(node.path);
    if (wasImaged === undefined) return;
    this.#gone.add(node.path);
    if (wasImaged) this.#kept.push(tombstoneOf(node.path));
  }

  /** A node that was dealt with leaves the tree. */
  forget(path: string): void {
    if (!this.#isFull && this.#paths.has(path)) this.#gone.add(path);
  }

  invalidate(): void {
    this.#isValid = false;
  }

  #nextRow(): StateRow | null {
    const next = this.#rows.next();
    return next.done === true ? null : next.value;
  }

  *#allRows(): Generator<StateRow, undefined> {
    for (const node of this.#nodes.values()) {
      if (node.imagedBy === this.#id) continue;
      node.imagedBy = this.#id;
      yield rowOf(node);
    }
  }

  *#changedRows(): Generator<StateRow, undefined> {
    for (const [path, wasImaged] of this.#paths) {
      if (this.#gone.has(path)) continue;
      const node = this.#nodes.get(path);
      if (node === undefined) {
        this.#gone.add(path);
        if (wasImaged) yield tombstoneOf(path);
      } else if (node.imagedBy !== this.#id) {
        node.imagedBy = this.#id;
        yield rowOf(node);
      }
    }
  }
}
