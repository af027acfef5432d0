import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { Expectation, reopen, type Reopened } from "./reopen.js";
import {
  compileShim,
  linesOf,
  makeScratchDirectory,
  makeTempDirectory,
  runWorkload,
} from "./shim.js";

/** What a directory holds: names and bytes. */
export type Files = ReadonlyMap<string, Buffer>;

/** The store's files at one instant. */
export interface Image {
  readonly number: number;
  readonly files: Files;
  readonly expected: Expectation;
  /** The file whose sync made the image. */
  readonly synced: string;
}

/**
 * The files of one run of the mixed workload, copied at each of its syncs, and the judge of what
 * an open makes of them. The directory of a trial is in memory and written anew for each, so a
 * trial takes a millisecond or two.
 */
export class CrashImages {
  readonly images: readonly Image[];
  /** After the orderly end of the run. */
  readonly closed: Image;
  readonly #identity: string;
  readonly #scratch: string;

  private constructor(images: readonly Image[], closed: Image, scratch: string) {
    this.images = images;
    this.closed = closed;
    this.#scratch = scratch;
    this.#identity = this.reopened(closed.files).identity;
  }

  static async take(): Promise<CrashImages> {
    const base = makeTempDirectory();
    try {
      const library = compileShim(base);
      mkdirSync(join(base, "images"));
      const run = runWorkload(library, base, "mixed", true);
      expect(await run.ended).toBe(0);
      const lines = linesOf(run.journal);
      const images = lines.flatMap((line, i) => {
        const [kind, number = "", synced = ""] = line.split(" ");
        if (kind !== "sync") return [];
        const expected = new Expectation(lines.slice(0, i), lines);
        const files = filesIn(join(run.images, number));
        return [{ number: Number(number), files, expected, synced }];
      });
      const expected = new Expectation(lines, lines);
      const closed = { number: 0, files: filesIn(run.directory), expected, synced: "" };
      return new CrashImages(images, closed, makeScratchDirectory());
    } finally {
      rmSync(base, { recursive: true });
    }
  }

  dispose(): void {
    rmSync(this.#scratch, { recursive: true });
  }

  /** What an open makes of these files. */
  reopened(files: Files): Reopened {
    const directory = this.#scratch;
    for (const name of readdirSync(directory)) rmSync(join(directory, name));
    for (const [name, bytes] of files) writeFileSync(join(directory, name), bytes);
    const first = reopen(directory);
    if (first.problems.length > 0) {
      // What was repaired once is whole, and stays a stranger until it is re-admitted.
      expect(reopen(directory)).toEqual({ ...first, problems: [] });
    }
    return first;
  }

  /**
   * Opens an image with something done to it. Either nothing that was answered is missing, or the
   * loss is said, and what is left is the history up to some batch.
   */
  judge(image: Image, changed: Files, what: string): Reopened {
    const found = this.reopened(changed);
    const where = `image ${String(image.number)}, ${what}: ${found.state}`;
    if (found.damage === null) {
      expect(image.expected.states, where).toContain(found.state);
      expect(image.expected.keys, where).toContain(found.keys.join());
      // Before its first open returned, a directory may begin anew.
      if (image.expected.isOpen) expect(found.identity, where).toBe(this.#identity);
    } else {
      expect(image.expected.ends, where).toContain(found.state.split(" ")[0]);
      expect(found.identity, where).not.toBe(this.#identity);
    }
    return found;
  }
}

function filesIn(directory: string): Files {
  const names = readdirSync(directory).filter((name) => !/-shm$|^lock/.test(name));
  return new Map(names.map((name) => [name, readFileSync(join(directory, name))]));
}

/** The same files but for one; null removes it. */
export function withFile(files: Files, name: string, bytes: Buffer | null): Files {
  const changed = new Map(files);
  if (bytes === null) changed.delete(name);
  else changed.set(name, bytes);
  return changed;
}

export function flip(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 0x10;
  return copy;
}
