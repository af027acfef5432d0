import { NODE_ID_MAX, QuorateError, type ErrorCode } from "@quorate/protocol";
import { TextError } from "./json-text.js";
import type { Origin } from "./located.js";
import { parseProperties } from "./properties.js";
import { fileError, readText } from "./text-file.js";
import { portOf } from "./zoo-server-line.js";

const WHAT = "the ZooKeeper configuration";

export interface ZooEntry {
  readonly value: string;
  readonly line: number;
}

/** The lines of a zoo.cfg by their keys, and what is told of them. */
export class ZooEntries {
  readonly warnings: string[] = [];
  readonly #file: string;
  readonly #entries: ReadonlyMap<string, ZooEntry>;

  /** @throws ERR_CONFIG_FILE. */
  constructor(file: string) {
    this.#file = file;
    this.#entries = entriesOf(file);
  }

  all(): Iterable<readonly [key: string, entry: ZooEntry]> {
    return this.#entries;
  }

  get(key: string): ZooEntry | undefined {
    return this.#entries.get(key);
  }

  at(line: number): Origin {
    return { kind: "file", file: this.#file, line };
  }

  wholeNumber(key: string): number | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (!/^[1-9]\d{0,8}$/.test(entry.value)) {
      throw this.bad(key, "it must be a whole number above 0", entry.line);
    }
    return Number(entry.value);
  }

  isTrue(key: string): boolean {
    const entry = this.#entries.get(key);
    if (entry === undefined) return false;
    const value = entry.value.toLowerCase();
    if (value !== "true" && value !== "false") {
      throw this.bad(key, "it must be true or false", entry.line);
    }
    return value === "true";
  }

  clientPort(): { readonly number: number; readonly line: number } | undefined {
    const entry = this.#entries.get("clientPort");
    if (entry === undefined) return undefined;
    const number = portOf(entry.value);
    if (number === null) throw this.bad("clientPort", "it must be a port, 1..65535", entry.line);
    return { number, line: entry.line };
  }

  warn(message: string, line: number): void {
    this.warnings.push(`${message} (${this.#file}:${line})`);
  }

  bad(key: string, why: string, line: number): QuorateError {
    return this.error("ERR_CONFIG_VALUE", `${key}: ${why}`, line);
  }

  error(code: ErrorCode, message: string, line: number): QuorateError {
    const details = { file: this.#file, line };
    return new QuorateError(code, `${message} (${this.#file}:${line})`, { details });
  }
}

function entriesOf(file: string): ReadonlyMap<string, ZooEntry> {
  const entries = new Map<string, ZooEntry>();
  try {
    for (const { key, value, line } of parseProperties(readText(WHAT, file))) {
      const name = key.trim();
      const before = entries.get(name);
      // ZooKeeper takes the last one in silence.
      if (before !== undefined) {
        throw new TextError(line, 1, `the key "${name}" is given before, in line ${before.line}`);
      }
      entries.set(name, { value: value.trim(), line });
    }
  } catch (error) {
    if (error instanceof TextError) throw fileError(WHAT, file, error.message);
    throw error;
  }
  return entries;
}

/** N of `server.N`; null for any other key. */
export function serverIdOf(key: string): number | null {
  return key.startsWith("server.") ? nodeIdOf(key.slice("server.".length)) : null;
}

export function nodeIdOf(text: string): number | null {
  const id = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  return id >= 1 && id <= NODE_ID_MAX ? id : null;
}
