import type { WatchTable } from "./watch-table.js";

/** Who watches, under the small, dense numbers that a table of watches asks for. */
export class WatcherNumbers<Watcher> {
  readonly #table: WatchTable;
  readonly #watchers: (Watcher | null)[] = [];
  readonly #free: number[] = [];
  /** Numbers whose watcher is gone, with watches to be taken down. */
  readonly #retired: number[] = [];

  constructor(table: WatchTable) {
    this.#table = table;
  }

  draw(watcher: Watcher): number {
    const number = this.#free.pop() ?? this.#watchers.length;
    this.#watchers[number] = watcher;
    return number;
  }

  /** Null once it is retired. */
  watcherOf(number: number): Watcher | null {
    return this.#watchers[number] ?? null;
  }

  /** It hears of nothing any more. Its watches stay until they are taken down: may be very many. */
  retire(number: number): void {
    this.#watchers[number] = null;
    this.#retired.push(number);
  }

  /** Not from within a trigger. At most `max` watches; true when there is more to do. */
  takeDown(max: number): boolean {
    const [number] = this.#retired;
    if (number === undefined) return false;
    if (this.#table.removeAll(number, max)) {
      this.#retired.shift();
      this.#free.push(number);
    }
    return this.#retired.length > 0;
  }
}
