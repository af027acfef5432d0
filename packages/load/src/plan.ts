import { CONNECTION_LOSS } from "./connection.js";
import { keyChooser } from "./keys.js";
import { KEYS_MAX, Kind, type LoadOrder } from "./order.js";
import { seededRandom } from "./random.js";

/** Of a hundred requests of `mixed`. */
const READS_PER_HUNDRED = 90;

export type PlanOptions = Pick<LoadOrder, "workload" | "keys" | "keyChoice" | "seed">;

/**
 * Which request is next. `advance` chooses it and the two fields tell it: an object for each would
 * be garbage, a hundred thousand times a second.
 */
export class Plan {
  kind: Kind = Kind.set;
  key = 0;
  readonly #workload: PlanOptions["workload"];
  readonly #random: () => number;
  readonly #nextKey: () => number;
  /** Nodes that were created and not yet deleted again. */
  readonly #created: number[] = [];
  #fresh = -1;

  constructor({ workload, keys, keyChoice, seed }: PlanOptions) {
    this.#workload = workload;
    this.#random = seededRandom(seed);
    this.#nextKey = keyChooser(keyChoice, keys, seededRandom(seed + 1));
  }

  /** Nodes that the load left behind. */
  get leftovers(): readonly number[] {
    return this.#created;
  }

  advance(): void {
    switch (this.#workload) {
      case "set":
      case "get":
        this.kind = Kind[this.#workload];
        this.key = this.#nextKey();
        return;
      case "mixed":
        this.kind = this.#random() * 100 < READS_PER_HUNDRED ? Kind.get : Kind.set;
        this.key = this.#nextKey();
        return;
      case "create-delete": {
        const created = this.#created.pop();
        if (created !== undefined) {
          this.kind = Kind.remove;
          this.key = created;
          return;
        }
        this.kind = Kind.create;
        this.#fresh = (this.#fresh + 1) % KEYS_MAX;
        this.key = this.#fresh;
        return;
      }
    }
  }

  /** What came of one: a node that was created, or may have been, is deleted next. */
  answered(kind: Kind, key: number, error: string | null): void {
    const isUnknown = error === CONNECTION_LOSS;
    if (kind === Kind.create && (error === null || isUnknown)) this.#created.push(key);
    if (kind === Kind.remove && isUnknown) this.#created.push(key);
  }
}
