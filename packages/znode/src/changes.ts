import { assert, RowPacker, type PackedRows, type StateChanges } from "@quorate/protocol";
import { NumberSet } from "./number-set.js";
import { WideMap } from "./wide-map.js";

/** What has a row of its own in a checkpoint: a node, or a session. */
export interface Item {
  /** Small, and its own from when it joins the others until it leaves them: then another's. */
  readonly number: number;
  /** Its key for ever. To be told of it may cost something. */
  readonly rowKey: string;
}

/** What images read from: the items. */
export interface ItemSource<T extends Item> {
  /** One that is there. */
  get(number: number): T;
  values(): IterableIterator<T>;
}

/** Of packed rows. */
export interface RowFormat<T extends Item> {
  /** Perhaps a view, only until the item changes. */
  rowOf(item: T): Uint8Array;
  tombstoneOf(rowKey: string): Uint8Array;
}

/** What changed from the start of one image to the start of the next. */
class Changes {
  /** Items that are there, by number. */
  readonly changed = new NumberSet();
  /** Those among them whose keys no image has held: they may go without a tombstone. */
  readonly unheld = new NumberSet();
  /**
   * Keys that images hold and that are gone, each with whether the image begun last is the only
   * one: if that one is abandoned, no tombstone is needed.
   */
  readonly gone = new WideMap<boolean>();
}

/**
 * Remembers which items changed, and serves images of them while they go on changing.
 *
 * An image is copy-on-write: whoever is about to change an item says so first, and the item's row
 * as of the image's start joins the image's queue, unless it was read before.
 *
 * Items that are there are known by number, and by key only those that are gone: nearly every
 * change is of an item that stays, and keys are long.
 */
export class ChangeTracker<T extends Item> {
  readonly #source: ItemSource<T>;
  readonly #format: RowFormat<T>;
  #changes = new Changes();
  /** The one that is being read. */
  #image: Image<T> | null = null;
  /** The one begun last, also when it was read to its end: it may still be lost on the way. */
  #latest: Image<T> | null = null;

  constructor(source: ItemSource<T>, format: RowFormat<T>) {
    this.#source = source;
    this.#format = format;
  }

  /** Before the item changes. */
  beforeChange(item: T): void {
    this.#image?.keep(item);
    this.#changes.changed.add(item.number);
  }

  /** As the item joins the others. */
  beforeCreate(item: T): void {
    const { number } = item;
    const { changed, unheld, gone } = this.#changes;
    this.#image?.pass(number);
    changed.add(number);
    const isHeldByLatestOnly = gone.isEmpty ? undefined : gone.take(item.rowKey);
    if (isHeldByLatestOnly === undefined) unheld.add(number);
    else if (isHeldByLatestOnly) this.#latest?.changes.unheld.add(number);
  }

  /** Before the item leaves the others. */
  beforeDelete(item: T): void {
    const { number } = item;
    const { changed, unheld, gone } = this.#changes;
    this.#image?.keep(item);
    changed.delete(number);
    // Created and deleted between two images: no trace of it is needed.
    if (unheld.delete(number)) return;
    const before = this.#latest?.changes;
    before?.changed.delete(number);
    gone.set(item.rowKey, before?.unheld.delete(number) === true);
  }

  begin(isFull: boolean): StateChanges {
    assert(this.#image === null, "one image is read at a time");
    const image = new Image(this.#source, this.#format, this.#changes, isFull);
    this.#image = image;
    this.#latest = image;
    this.#changes = new Changes();
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
        this.#putBack(image.changes);
      },
    };
  }

  /** The state was emptied: an image of it cannot be read any further. */
  reset(): void {
    this.#image?.invalidate();
    this.#image = null;
    this.#latest = null;
    this.#changes = new Changes();
  }

  /** As if the image that had these changes had not begun: what is since joins them. */
  #putBack(before: Changes): void {
    const { changed, unheld, gone } = this.#changes;
    // Made again since: the image that is lost did not hold it, but an older one does. Such a one
    // is among what no image holds, which is short; what is gone may be all there was.
    if (!before.gone.isEmpty) {
      for (const number of unheld.values()) {
        if (before.gone.take(this.#source.get(number).rowKey) !== undefined) unheld.delete(number);
      }
    }
    for (const number of changed.values()) before.changed.add(number);
    for (const number of unheld.values()) before.unheld.add(number);
    for (const [key, isHeldByLatestOnly] of gone.entries()) {
      if (!isHeldByLatestOnly) before.gone.set(key, false);
    }
    this.#changes = before;
  }
}

/** One image. Owns the rule that each of its rows is given out once, as of its start. */
class Image<T extends Item> {
  /** Of items that go meanwhile, their number is taken out: it may become another's. */
  readonly changes: Changes;
  readonly #source: ItemSource<T>;
  readonly #format: RowFormat<T>;
  readonly #isFull: boolean;
  readonly #rows: Iterator<Uint8Array>;
  readonly #packer = new RowPacker();
  /** Rows saved from a change. Holds at most what the image still has to give out. */
  #kept: Uint8Array[] = [];
  /** Numbers of what has been dealt with, or began after the image did. */
  readonly #passed = new NumberSet();
  #isValid = true;

  constructor(source: ItemSource<T>, format: RowFormat<T>, changes: Changes, isFull: boolean) {
    this.changes = changes;
    this.#source = source;
    this.#format = format;
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
    const { number } = item;
    if (this.#passed.has(number)) return;
    this.#passed.add(number);
    if (this.#isFull || this.changes.changed.has(number)) {
      this.#kept.push(this.#format.rowOf(item).slice());
    }
  }

  pass(number: number): void {
    this.#passed.add(number);
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
      if (this.#passed.has(item.number)) continue;
      this.#passed.add(item.number);
      yield this.#format.rowOf(item);
    }
  }

  *#changedRows(): Generator<Uint8Array, undefined> {
    for (const number of this.changes.changed.values()) {
      if (this.#passed.has(number)) continue;
      this.#passed.add(number);
      yield this.#format.rowOf(this.#source.get(number));
    }
    for (const [key] of this.changes.gone.entries()) yield this.#format.tombstoneOf(key);
  }
}
