import type { Io } from "../io.js";

export type Phase = "reading" | "raising the epoch" | "importing" | "comparing";

/** Between two lines. */
const LINE_MS = 1000;
const DRAW_MS = 100;
const BAR_CELLS = 24;
const CLEAR_LINE = "\r\u001b[2K";

/**
 * How far it is, on standard error: a line that is drawn over at a terminal, an object a line with
 * --json, nothing elsewhere.
 */
export class Progress {
  readonly #io: Io;
  readonly #json: boolean;
  #phase: Phase = "reading";
  #total: number | null = null;
  #done = 0;
  #toldAt = 0;
  #isDrawn = false;

  constructor(io: Io, json: boolean) {
    this.#io = io;
    this.#json = json;
  }

  begin(phase: Phase, total: number | null): void {
    this.#phase = phase;
    this.#total = total;
    this.#done = 0;
    this.#tell(0);
  }

  add(nodes: number): void {
    this.set(this.#done + nodes);
  }

  set(done: number): void {
    this.#done = done;
    this.#tell(this.#json ? LINE_MS : DRAW_MS);
  }

  /** Leaves the line empty. */
  end(): void {
    if (this.#isDrawn) this.#io.err(CLEAR_LINE);
    this.#isDrawn = false;
  }

  #tell(everyMs: number): void {
    const now = Date.now();
    if (now - this.#toldAt < everyMs) return;
    this.#toldAt = now;
    const [phase, done, total] = [this.#phase, this.#done, this.#total];
    if (this.#json) {
      this.#io.err(`${JSON.stringify({ progress: { phase, nodes: done, total } })}\n`);
    } else if (this.#io.isTerminal) {
      this.#isDrawn = true;
      this.#io.err(`${CLEAR_LINE}${lineOf(phase, done, total)}`);
    }
  }
}

function lineOf(phase: Phase, done: number, total: number | null): string {
  if (total === null || total === 0) return `${phase}  ${done} nodes`;
  const cells = Math.min(Math.floor((done / total) * BAR_CELLS), BAR_CELLS);
  const bar = `${"#".repeat(cells)}${".".repeat(BAR_CELLS - cells)}`;
  return `${phase}  [${bar}] ${done}/${total} nodes`;
}
