export interface Violation {
  readonly checker: string;
  readonly text: string;
  readonly atMs: number;
}

/** Where checkers report. The first violation ends the run: what follows it proves nothing. */
export class Violations {
  readonly found: Violation[] = [];
  readonly #now: () => number;
  readonly #onFirst: (violation: Violation) => void;

  constructor(now: () => number, onFirst: (violation: Violation) => void) {
    this.#now = now;
    this.#onFirst = onFirst;
  }

  report(checker: string, text: string): void {
    const violation = { checker, text, atMs: this.#now() };
    this.found.push(violation);
    if (this.found.length === 1) this.#onFirst(violation);
  }

  /** States what must hold. */
  expect(condition: boolean, checker: string, text: () => string): void {
    if (!condition) this.report(checker, text());
  }
}
