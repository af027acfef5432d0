import type { StateChanges, StateRow } from "@quorate/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ZnodeMachine } from "../src/index.js";
import { Driver, rowsOf, runAsk } from "./harness.js";
import { anyAsk, askLists, type Ask } from "./asks.js";

/** What a store keeps of images: the newest row of each key. */
class RowStore {
  readonly #rows = new Map<string, StateRow>();

  write(rows: Iterable<StateRow>): void {
    for (const row of rows) {
      const key = new TextDecoder().decode(row.key);
      if (row.value === null) this.#rows.delete(key);
      else this.#rows.set(key, row);
    }
  }

  rows(): StateRow[] {
    return [...this.#rows.values()];
  }
}

type Step =
  | { readonly kind: "ask"; readonly ask: Ask }
  | { readonly kind: "begin"; readonly isFull: boolean }
  | { readonly kind: "read"; readonly bytesMax: number }
  | { readonly kind: "abandon" };

const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant("ask" as const), ask: anyAsk }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("begin" as const), isFull: fc.boolean() }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("read" as const), bytesMax: fc.nat({ max: 300 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("abandon" as const) }) },
);

function restored(rows: readonly StateRow[]): ZnodeMachine {
  const machine = new ZnodeMachine();
  for (const row of rows) machine.restore([row]);
  return machine;
}

interface OpenImage {
  readonly image: StateChanges;
  readonly store: RowStore;
  readonly digest: bigint;
  readonly keys: Set<string>;
  /** To its end, and not yet durable: it may still be lost. */
  isRead: boolean;
}

/** Writes images beside the finished one, as a checkpoint does, and judges each at its end. */
class Checkpointer {
  readonly #driver: Driver;
  #finished = new RowStore();
  #open: OpenImage | null = null;
  finishedCount = 0;

  constructor(driver: Driver) {
    this.#driver = driver;
  }

  begin(isFull: boolean): void {
    if (this.#open !== null) return;
    const store = new RowStore();
    if (!isFull) store.write(this.#finished.rows());
    const digest = this.#driver.machine.digest();
    const image = this.#driver.machine.beginChanges({ full: isFull });
    this.#open = { image, store, digest, keys: new Set(), isRead: false };
  }

  read(bytesMax: number): void {
    if (this.#open === null) return;
    if (this.#open.isRead) {
      this.#finish(this.#open);
      return;
    }
    const { image, store, digest, keys } = this.#open;
    const rows = image.next(bytesMax);
    for (const row of rows) {
      const key = new TextDecoder().decode(row.key);
      expect(keys.has(key), `${key} is given out once`).toBe(false);
      keys.add(key);
    }
    store.write(rows);
    if (rows.length > 0) return;
    expect(restored(store.rows()).digest()).toBe(digest);
    expect(restored(store.rows().reverse()).digest()).toBe(digest);
    this.#open.isRead = true;
  }

  #finish({ store }: OpenImage): void {
    this.#finished = store;
    this.#open = null;
    this.finishedCount += 1;
  }

  abandon(): void {
    this.#open?.image.abandon();
    this.#open = null;
  }

  readToEnd(): void {
    while (this.#open !== null) this.read(100);
  }
}

describe("images", () => {
  test("restore to the digest at their start, whatever happens while they are read", () => {
    let finished = 0;
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 120, size: "max" }), (sequence) => {
        const driver = new Driver();
        const checkpointer = new Checkpointer(driver);
        for (const step of sequence) {
          if (step.kind === "ask") {
            runAsk(driver, step.ask);
          } else if (step.kind === "begin") checkpointer.begin(step.isFull);
          else if (step.kind === "read") checkpointer.read(step.bytesMax);
          else checkpointer.abandon();
        }
        checkpointer.readToEnd();
        checkpointer.begin(false);
        checkpointer.readToEnd();
        finished += checkpointer.finishedCount;
      }),
      { numRuns: 400 },
    );
    expect(finished).toBeGreaterThan(400);
  });

  test("a restored machine goes on like the one that made the image", () => {
    const lists = fc.tuple(askLists(40), askLists(40));
    fc.assert(
      fc.property(lists, ([before, after]) => {
        const first = new Driver();
        for (const ask of before) runAsk(first, ask);
        const second = new ZnodeMachine();
        second.restore(rowsOf(first.machine.beginChanges({ full: true })));
        const seen = first.applied.length;
        for (const ask of after) runAsk(first, ask);
        for (const entry of first.applied.slice(seen)) second.apply(entry);
        expect(second.digest()).toBe(first.machine.digest());
      }),
    );
  });
});
