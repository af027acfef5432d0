const CUT_OFF = "(cut off)\n";

/** Text for an operator, up to a bound; what is beyond it is cut off, and the text says so. */
export class TextLines {
  readonly #bytesMax: number;
  readonly #parts: string[] = [];
  #length = 0;
  #isFull = false;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Nothing more is taken. */
  get isFull(): boolean {
    return this.#isFull;
  }

  text(text: string): void {
    if (this.#isFull || this.#add(text, this.#bytesMax)) return;
    this.#isFull = true;
    this.#parts.push(CUT_OFF);
  }

  line(text: string): void {
    this.text(`${text}\n`);
  }

  /** Lines that are cut off alone, so early that what follows them has `reserveBytes`. */
  list(lines: Iterable<string>, reserveBytes: number): void {
    for (const line of lines) {
      if (this.#add(`${line}\n`, this.#bytesMax - reserveBytes)) continue;
      this.text(CUT_OFF);
      return;
    }
  }

  bytes(): Uint8Array {
    return new TextEncoder().encode(this.#parts.join(""));
  }

  #add(text: string, bytesMax: number): boolean {
    const length = this.#length + Buffer.byteLength(text);
    if (length > bytesMax) return false;
    this.#length = length;
    this.#parts.push(text);
    return true;
  }
}
