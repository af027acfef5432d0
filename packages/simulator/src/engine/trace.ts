import { hashText } from "./random-stream.js";

/** One readable line of a run: a transition, a fault or a violation. */
export interface TraceLine {
  readonly atMs: number;
  /** 0 for the world outside the nodes. */
  readonly node: number;
  readonly kind: string;
  readonly text: string;
}

const LINES_MAX = 200_000;

/**
 * What happened, as a hash and, when asked for, as lines. Two runs of one seed have one hash: it
 * covers time and kind of every event, and the text of every line.
 */
export class Trace {
  readonly lines: TraceLine[] = [];
  readonly #labels = new Map<string, number>();
  #low = 0x811c9dc5;
  #high = 0xc2b2ae35;
  #onLine: ((line: TraceLine) => void) | null = null;
  lineCount = 0;

  /** Sees each line as it is written. */
  watch(onLine: (line: TraceLine) => void): void {
    this.#onLine = onLine;
  }

  /** Whether every event becomes a line of its own, too. Does not change the hash. */
  showEvents = false;

  event(atUs: number, label: string): void {
    if (this.showEvents) this.#onLine?.({ atMs: atUs / 1000, node: 0, kind: "event", text: label });
    let hash = this.#labels.get(label);
    if (hash === undefined) {
      hash = hashText(label);
      this.#labels.set(label, hash);
    }
    this.mix(hash ^ (atUs | 0));
  }

  line(atMs: number, node: number, kind: string, text: string): void {
    this.mix(hashText(text, hashText(kind) ^ node));
    this.lineCount += 1;
    const line = { atMs, node, kind, text };
    if (this.lines.length < LINES_MAX) this.lines.push(line);
    this.#onLine?.(line);
  }

  mix(value: number): void {
    this.#low = Math.imul(this.#low ^ value, 0x01000193) >>> 0;
    this.#high = (Math.imul(this.#high ^ (value >>> 3), 0x85ebca6b) + this.#low) >>> 0;
  }

  hash(): string {
    return this.#high.toString(16).padStart(8, "0") + this.#low.toString(16).padStart(8, "0");
  }
}
