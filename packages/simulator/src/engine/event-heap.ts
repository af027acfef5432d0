/** One thing that will happen. Ordered by time, ties by the order of scheduling. */
export interface SimEvent {
  readonly atUs: number;
  readonly sequence: number;
  /** Constant per kind of event and node: it goes into the trace hash. */
  readonly label: string;
  run: (() => void) | null;
}

function isBefore(a: SimEvent, b: SimEvent): boolean {
  return a.atUs < b.atUs || (a.atUs === b.atUs && a.sequence < b.sequence);
}

export class EventHeap {
  readonly #items: SimEvent[] = [];

  get size(): number {
    return this.#items.length;
  }

  peek(): SimEvent | undefined {
    return this.#items[0];
  }

  push(event: SimEvent): void {
    const items = this.#items;
    let at = items.length;
    items.push(event);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = items[up] as SimEvent;
      if (!isBefore(event, parent)) break;
      items[at] = parent;
      at = up;
    }
    items[at] = event;
  }

  pop(): SimEvent | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (top === undefined || last === undefined || items.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= items.length) break;
      const right = child + 1;
      if (right < items.length && isBefore(items[right] as SimEvent, items[child] as SimEvent)) {
        child = right;
      }
      const smaller = items[child] as SimEvent;
      if (!isBefore(smaller, last)) break;
      items[at] = smaller;
      at = child;
    }
    items[at] = last;
    return top;
  }
}
