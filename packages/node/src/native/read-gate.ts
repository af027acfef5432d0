import { ChurnMap } from "@quorate/protocol";

/**
 * Holds back reads until the writes that the same connection asked for before them are answered,
 * so that a pipelined client sees its own writes (Invariant 8). Writes need not be answered in
 * order: a refusal may overtake a commit.
 */
export class ReadGate {
  #nextWrite = 1;
  /** Unanswered writes, in order of arrival. */
  readonly #writes = new ChurnMap<number, true>();
  readonly #waiting: { readonly behind: number; readonly run: () => void }[] = [];

  beginWrite(): number {
    const write = this.#nextWrite;
    this.#nextWrite += 1;
    this.#writes.set(write, true);
    return write;
  }

  endWrite(write: number): void {
    this.#writes.delete(write);
    if (this.#waiting.length > 0) this.#release();
  }

  /** Runs `read` now, or as soon as every earlier write is answered. */
  passRead(run: () => void): void {
    if (this.#writes.size === 0) run();
    else this.#waiting.push({ behind: this.#nextWrite - 1, run });
  }

  #release(): void {
    const oldest = this.#writes.keys().next().value ?? Number.POSITIVE_INFINITY;
    for (;;) {
      const first = this.#waiting[0];
      if (first === undefined || first.behind >= oldest) return;
      this.#waiting.shift();
      first.run();
    }
  }
}
