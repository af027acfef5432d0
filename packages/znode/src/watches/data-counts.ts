const WATCHERS_INITIAL = 64;

/** Counts of watches of data and of what is below a path, kept so that asking costs nothing. */
export class DataCounts {
  /** Pairs of a path and a watcher. */
  total = 0;
  /** Paths with any. */
  paths = 0;
  /** Watchers with any. */
  watchers = 0;
  #ofWatcher = new Int32Array(WATCHERS_INITIAL);

  add(watcher: number, isFirstOfPath: boolean): void {
    if (watcher >= this.#ofWatcher.length) {
      const bigger = new Int32Array(Math.max(watcher + 1, this.#ofWatcher.length * 2));
      bigger.set(this.#ofWatcher);
      this.#ofWatcher = bigger;
    }
    this.total += 1;
    if (isFirstOfPath) this.paths += 1;
    const before = this.#ofWatcher[watcher] ?? 0;
    if (before === 0) this.watchers += 1;
    this.#ofWatcher[watcher] = before + 1;
  }

  remove(watcher: number, wasLastOfPath: boolean): void {
    this.total -= 1;
    if (wasLastOfPath) this.paths -= 1;
    const left = (this.#ofWatcher[watcher] ?? 1) - 1;
    if (left === 0) this.watchers -= 1;
    this.#ofWatcher[watcher] = left;
  }
}
