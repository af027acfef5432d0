import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Io } from "../io.js";

/** Lines that are kept. The oldest go. */
export const HISTORY_LINES_MAX = 1000;
/** Characters of a line that is kept. */
const LINE_CHARS_MAX = 4096;

/** What was typed in earlier shells, newest first, for this user alone. */
export class History {
  readonly #file: string | null;

  constructor(env: Io["env"]) {
    const { XDG_STATE_HOME: state, HOME: home } = env;
    const root =
      state !== undefined && state !== "" ? state : home && join(home, ".local", "state");
    this.#file = root === undefined || root === "" ? null : join(root, "quorate", "history");
  }

  load(): string[] {
    if (this.#file === null) return [];
    try {
      const lines = readFileSync(this.#file, "utf8").split("\n").filter(isKept);
      return lines.reverse().slice(0, HISTORY_LINES_MAX);
    } catch {
      // The first time, or not for us: then there is none.
      return [];
    }
  }

  /** False when it cannot be kept. */
  save(newestFirst: readonly string[]): boolean {
    if (this.#file === null) return false;
    const lines = newestFirst.filter(isKept).slice(0, HISTORY_LINES_MAX).reverse();
    try {
      mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 });
      writeFileSync(this.#file, lines.map((line) => `${line}\n`).join(""), { mode: 0o600 });
      return true;
    } catch {
      // A read-only home: the shell is of use without it.
      return false;
    }
  }
}

/** Passwords are not. */
export function isKept(line: string): boolean {
  return line.trim() !== "" && line.length <= LINE_CHARS_MAX && !/^\s*addauth\b/.test(line);
}
