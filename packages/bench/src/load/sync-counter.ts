import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { endianness } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Counts the syncs of processes, as the operating system is asked for them: a library that is
 * preloaded into each. Linux only, like the reading of CPU times; needs the C++ compiler that
 * better-sqlite3 needs.
 */
export class SyncCounter {
  readonly #directory: string;
  readonly #library: string;

  constructor(directory: string) {
    mkdirSync(directory, { recursive: true });
    this.#directory = directory;
    this.#library = join(directory, "sync-counter.so");
    const source = fileURLToPath(new URL("./sync-counter.cc", import.meta.url));
    const compiler = process.env["CXX"] ?? "c++";
    execFileSync(compiler, ["-shared", "-fPIC", "-O1", "-o", this.#library, source, "-ldl"]);
  }

  /** The environment of a process to come, whose count begins at 0. */
  environmentOf(name: string): NodeJS.ProcessEnv {
    const path = this.#pathOf(name);
    writeFileSync(path, Buffer.alloc(8));
    return { ...process.env, LD_PRELOAD: this.#library, SYNC_COUNTER: path };
  }

  countOf(name: string): number {
    const bytes = readFileSync(this.#pathOf(name));
    return Number(endianness() === "LE" ? bytes.readBigUInt64LE() : bytes.readBigUInt64BE());
  }

  #pathOf(name: string): string {
    return join(this.#directory, `${name}.syncs`);
  }
}
