const WIDTH = 30;

/** A bar on a terminal; silent elsewhere. */
export class Progress {
  readonly #stream: NodeJS.WriteStream;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  show(done: number, total: number, text: string): void {
    if (!this.#stream.isTTY) return;
    const filled = Math.round((done / total) * WIDTH);
    const bar = "#".repeat(filled).padEnd(WIDTH, ".");
    this.#stream.write(`\r\x1b[K[${bar}] ${done}/${total} ${text}`);
  }

  clear(): void {
    if (this.#stream.isTTY) this.#stream.write("\r\x1b[K");
  }
}
