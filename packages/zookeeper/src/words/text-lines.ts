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
    if (this.#isFull) return;
    // A UTF-16 unit takes three bytes at most.
    this.#length += text.length * 3;
    if (this.#length > this.#bytesMax) {
      this.#isFull = true;
      this.#parts.push("(cut off)\n");
      return;
    }
    this.#parts.push(text);
  }

  line(text: string): void {
    this.text(`${text}\n`);
  }

  bytes(): Uint8Array {
    return new TextEncoder().encode(this.#parts.join(""));
  }
}
