import { packRow, type StateChanges } from "@quorate/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ChangeTracker, type Item } from "../src/changes.js";
import { NumberSet } from "../src/number-set.js";

interface Entry extends Item {
  value: number;
}

/** Items with few keys and fewer numbers, which are given out again at once. */
class Items {
  readonly #byKey = new Map<string, Entry>();
  readonly #byNumber: (Entry | undefined)[] = [];
  readonly #unused: number[] = [];
  readonly tracker = new ChangeTracker<Entry>(
    {
      get: (number) => this.#byNumber[number] ?? fail(number),
      values: () => this.#byKey.values(),
    },
    {
      rowOf: ({ rowKey, value }) => packRow(Buffer.from(rowKey), Uint8Array.of(value)),
      tombstoneOf: (key) => packRow(Buffer.from(key), null),
    },
  );
  /** Keys that were touched since the last image that was finished began. */
  readonly touched = new Set<string>();

  put(rowKey: string, value: number): void {
    this.touched.add(rowKey);
    const known = this.#byKey.get(rowKey);
    if (known !== undefined) {
      this.tracker.beforeChange(known);
      known.value = value;
      return;
    }
    const entry = { rowKey, value, number: this.#unused.pop() ?? this.#byNumber.length };
    this.tracker.beforeCreate(entry);
    this.#byKey.set(rowKey, entry);
    this.#byNumber[entry.number] = entry;
  }

  remove(rowKey: string): void {
    const known = this.#byKey.get(rowKey);
    if (known === undefined) return;
    this.touched.add(rowKey);
    this.tracker.beforeDelete(known);
    this.#byKey.delete(rowKey);
    this.#byNumber[known.number] = undefined;
    this.#unused.push(known.number);
  }

  empty(): void {
    this.#byKey.clear();
    this.#byNumber.length = 0;
    this.#unused.length = 0;
    this.touched.clear();
    this.tracker.reset();
  }

  state(): Map<string, number> {
    return new Map([...this.#byKey].map(([key, { value }]) => [key, value]));
  }
}

function fail(number: number): never {
  throw new Error(`nothing has the number ${number}`);
}

interface OpenImage {
  readonly changes: StateChanges;
  readonly isFull: boolean;
  readonly start: ReadonlyMap<string, number>;
  readonly touched: ReadonlySet<string>;
  readonly rows: Map<string, number | null>;
  isRead: boolean;
}

/** Keeps what images hold, as a store does, and judges each row and each image. */
class Store {
  readonly #items: Items;
  #held: ReadonlyMap<string, number> = new Map();
  #open: OpenImage | null = null;
  finished = 0;
  tombstones = 0;

  constructor(items: Items) {
    this.#items = items;
  }

  begin(isFull: boolean): void {
    // One that was read and not abandoned is there to stay once the next begins.
    if (this.#open !== null) {
      if (!this.#open.isRead) return;
      this.#finish(this.#open);
    }
    this.#open = {
      changes: this.#items.tracker.begin(isFull),
      isFull,
      start: this.#items.state(),
      touched: new Set(this.#items.touched),
      rows: new Map(),
      isRead: false,
    };
    this.#items.touched.clear();
  }

  read(bytesMax: number): void {
    const open = this.#open;
    if (open === null || open.isRead) return;
    const given = [...open.changes.next(bytesMax)];
    for (const { key, value } of given) this.#judge(open, Buffer.from(key).toString(), value);
    if (given.length > 0) return;
    open.isRead = true;
    expect(this.#heldAfter(open)).toEqual(open.start);
  }

  abandon(): void {
    if (this.#open === null) return;
    this.#open.changes.abandon();
    for (const key of this.#open.touched) this.#items.touched.add(key);
    this.#open = null;
  }

  empty(): void {
    this.#items.empty();
    this.#open = null;
    // Whoever empties a state begins with a full image, or with no store.
    this.#held = new Map();
  }

  #judge({ isFull, touched, rows }: OpenImage, key: string, value: Uint8Array | null): void {
    expect(rows.has(key), `${key} is given out once`).toBe(false);
    rows.set(key, value?.[0] ?? null);
    if (!isFull) expect(touched.has(key), `${key} was touched`).toBe(true);
    if (value !== null) return;
    this.tombstones += 1;
    expect(!isFull && this.#held.has(key), `${key} needs a tombstone`).toBe(true);
  }

  #heldAfter({ isFull, rows }: OpenImage): Map<string, number> {
    const held = new Map(isFull ? [] : this.#held);
    for (const [key, value] of rows) {
      if (value === null) held.delete(key);
      else held.set(key, value);
    }
    return held;
  }

  #finish(open: OpenImage): void {
    this.#held = this.#heldAfter(open);
    this.#open = null;
    this.finished += 1;
  }
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.constant("put" as const) },
  { weight: 4, arbitrary: fc.constant("remove" as const) },
  { weight: 2, arbitrary: fc.constantFrom("begin" as const, "begin" as const, "full" as const) },
  { weight: 4, arbitrary: fc.constant("read" as const) },
  { weight: 1, arbitrary: fc.constant("abandon" as const) },
);
/** Rarely, for it ends what came before. */
const steps = fc.array(
  fc.tuple(
    fc.oneof({ weight: 60, arbitrary: step }, { weight: 1, arbitrary: fc.constant("empty") }),
    fc.constantFrom("a", "b", "c", "d", "e"),
    fc.nat({ max: 255 }),
  ),
  { maxLength: 200, size: "max" },
);

describe("changes", () => {
  test("make images of the state at their start, without a row or a tombstone too many", () => {
    let finished = 0;
    let tombstones = 0;
    fc.assert(
      fc.property(steps, (sequence) => {
        const items = new Items();
        const store = new Store(items);
        for (const [what, key, value] of sequence) {
          if (what === "put") items.put(key, value);
          else if (what === "remove") items.remove(key);
          else if (what === "read") store.read(value % 3 === 0 ? 1000 : 1);
          else if (what === "abandon") store.abandon();
          else if (what === "empty") store.empty();
          else store.begin(what === "full");
        }
        // What was abandoned, or is still open, must not be missing from the next ones.
        for (let i = 0; i < 2; i += 1) {
          for (let reads = 0; reads < 20; reads += 1) store.read(1);
          store.begin(false);
        }
        for (let reads = 0; reads < 20; reads += 1) store.read(1);
        finished += store.finished;
        tombstones += store.tombstones;
      }),
      { numRuns: 1500 },
    );
    expect(finished).toBeGreaterThan(4000);
    expect(tombstones).toBeGreaterThan(500);
  });
});

describe("a set of numbers", () => {
  test("holds what a Set holds, in order", () => {
    const number = fc.oneof(fc.nat({ max: 70 }), fc.nat({ max: 5000 }));
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), number), { maxLength: 200 }), (sequence) => {
        const numbers = new NumberSet();
        const set = new Set<number>();
        for (const [isAdded, at] of sequence) {
          expect(numbers.has(at)).toBe(set.has(at));
          if (isAdded) {
            numbers.add(at);
            set.add(at);
          } else expect(numbers.delete(at)).toBe(set.delete(at));
        }
        expect([...numbers.values()]).toEqual([...set].sort((a, b) => a - b));
      }),
    );
  });

  test("gives out each number once that stays while others come and go", () => {
    const numbers = new NumberSet();
    for (let i = 0; i < 200; i += 1) numbers.add(i);
    const seen: number[] = [];
    for (const number of numbers.values()) {
      seen.push(number);
      numbers.delete(number);
      numbers.delete(number + 1);
      if (number < 200) numbers.add(1000 + number);
    }
    expect(seen.filter((number) => number < 200)).toEqual(
      Array.from({ length: 100 }, (_, i) => 2 * i),
    );
    expect(new Set(seen).size).toBe(seen.length);
  });
});
