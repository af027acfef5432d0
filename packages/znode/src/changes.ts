import { assert, RowPacker, type PackedRows, type StateChanges } from "@quorate/protocol";
import { WideMap } from "./wide-map.js";

/** What has a row of its own in a checkpoint: a node, or a session. */
export interface Item {
  readonly rowKey: string;
  /** The generation of changes in which the item was last marked as changed. */
  changedIn: number;
  /** The image that has dealt with the item, or that began before the item did. */
  imagedBy: number;
}

/** What images read from: the items, by key. */
export interface ItemSource<T extends Item> {
  get(rowKey: string): T | undefined;
  values(): IterableIterator<T>;
}

/** Of packed rows. */
export interface RowFormat<T extends Item> {
  /** Perhaps a view, only until the item changes. */
  rowOf(item: T): Uint8Array;
  tombstoneOf(rowKey: string): Uint8Array;
}

/** Key to whether the item was in the last image that was read: only then it needs a tombstone. */
type ChangedKeys = WideMap<boolean>;

/**
 * Remembers which items changed, and serves images of them while they go on changing.
 *
 * An image is copy-on-write: whoever is about to change an item says so first, and the item's row
 * as of the image's start joins the image's queue, unless it was read before.
 */
export class ChangeTracker<T extends Item> {
  readonly #source: ItemSource<T>;
  readonly #format: RowFormat<T>;
  #changed: ChangedKeys = new WideMap();
  /** Rises whenever #changed is another map. Items start at 0, so the first must be greater. */
  #generation = 1;
  /** The one that is being read. */
  #image: Image<T> | null = null;
  /** The one begun last, also when it was read to its end: it may still be lost on the way. */
  #latest: Image<T> | null = null;
  #imageCount = 0;

  constructor(source: ItemSource<T>, format: RowFormat<T>) {
    this.#source = source;
    this.#format = format;
  }

  /** Before the item changes. */
  beforeChange(item: T): void {
    this.#image?.keep(item);
    if (item.changedIn === this.#generation) return;
    item.changedIn = this.#generation;
    this.#changed.setIfAbsent(item.rowKey, true);
  }

  /** Before the new item joins the others. */
  beforeCreate(item: T): void {
    if (this.#image !== null) this.#image.keepAbsent(item);
    item.changedIn = this.#generation;
    this.#changed.setIfAbsent(item.rowKey, false);
  }

  /** Before the item leaves the others. */
  beforeDelete(item: T): void {
    if (this.#image !== null) {
      this.#image.keep(item);
      this.#image.forget(item.rowKey);
    }
    const wasImaged = this.#changed.get(item.rowKey);
    // Created and deleted between two images: no trace of it is needed.
    if (wasImaged === false) this.#changed.delete(item.rowKey);
    else this.#changed.set(item.rowKey, true);
  }

  begin(isFull: boolean): StateChanges {
    assert(this.#image === null, "one image is read at a time");
    this.#imageCount += 1;
    const keys = this.#changed;
    const image = new Image(this.#imageCount, this.#source, this.#format, keys, isFull);
    this.#image = image;
    this.#latest = image;
    this.#changed = new WideMap();
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
        this.#putBack(keys);
      },
    };
  }

  /** The state was emptied: an image of it cannot be read any further. */
  reset(): void {
    this.#image?.invalidate();
    this.#image = null;
    this.#latest = null;
    this.#changed = new WideMap();
    this.#generation += 1;
  }

  #putBack(keys: ChangedKeys): void {
    for (const [key, wasImaged] of this.#changed.entries()) {
      // What the abandoned image knew is older, and so is the last image that was finished.
      keys.setIfAbsent(key, wasImaged);
    }
    this.#changed = keys;
    this.#generation += 1;
  }
}

/** One image. Owns the rule that each of its rows is given out once, as of its start. */
class Image<T extends Item> {
  readonly #id: number;
  readonly #source: ItemSource<T>;
  readonly #format: RowFormat<T>;
  readonly #keys: ChangedKeys;
  readonly #isFull: boolean;
  readonly #rows: Iterator<Uint8Array>;
  readonly #packer = new RowPacker();
  /** Rows saved from a change. Holds at most what the image still has to give out. */
  #kept: Uint8Array[] = [];
  /** Keys that have been dealt with and have no item that could say so. */
  readonly #gone = new Set<string>();
  #isValid = true;

  constructor(
    id: number,
    source: ItemSource<T>,
    format: RowFormat<T>,
    keys: ChangedKeys,
    isFull: boolean,
  ) {
    this.#id = id;
    this.#source = source;
    this.#format = format;
    this.#keys = keys;
    this.#isFull = isFull;
    this.#rows = isFull ? this.#allRows() : this.#changedRows();
  }

  next(bytesMax: number): PackedRows {
    assert(this.#isValid, "an image is not read after the state was reset");
    const packer = this.#packer;
    do {
      const row = this.#kept.pop() ?? this.#nextRow();
      if (row === null) break;
      packer.addPacked(row);
    } while (packer.byteLength < bytesMax);
    return packer.take();
  }

  keep(item: T): void {
    if (item.imagedBy === this.#id) return;
    item.imagedBy = this.#id;
    if (this.#isFull || this.#keys.has(item.rowKey))
      this.#kept.push(this.#format.rowOf(item).slice());
  }

  keepAbsent(item: T): void {
    item.imagedBy = this.#id;
    if (this.#isFull || this.#gone.has(item.rowKey)) return;
    const wasImaged = this.#keys.get(item.rowKey);
    if (wasImaged === undefined) return;
    this.#gone.add(item.rowKey);
    if (wasImaged) this.#kept.push(this.#format.tombstoneOf(item.rowKey));
  }

  /** An item that was dealt with leaves the others. */
  forget(rowKey: string): void {
    if (!this.#isFull && this.#keys.has(rowKey)) this.#gone.add(rowKey);
  }

  invalidate(): void {
    this.#isValid = false;
  }

  #nextRow(): Uint8Array | null {
    const next = this.#rows.next();
    return next.done === true ? null : next.value;
  }

  *#allRows(): Generator<Uint8Array, undefined> {
    for (const item of this.#source.values()) {
      if (item.imagedBy === this.#id) continue;
      item.imagedBy = this.#id;
      yield this.#format.rowOf(item);
    }
  }

  *#changedRows(): Generator<Uint8Array, undefined> {
    for (const [key, wasImaged] of this.#keys.entries()) {
      if (this.#gone.has(key)) continue;
      const item = this.#source.get(key);
      if (item === undefined) {
        this.#gone.add(key);
        if (wasImaged) yield this.#format.tombstoneOf(key);
      } else if (item.imagedBy !== this.#id) {
        item.imagedBy = this.#id;
        yield this.#format.rowOf(item);
      }
    }
  }
}
