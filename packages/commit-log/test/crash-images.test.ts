import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { errorCodeOf } from "@quorate/protocol";
import { Expectation, reopen, type Reopened } from "./crash/reopen.js";
import {
  canShim,
  compileShim,
  linesOf,
  makeScratchDirectory,
  makeTempDirectory,
  runWorkload,
} from "./crash/shim.js";

const WAL_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const FRAME_BYTES = FRAME_HEADER_BYTES + 4096;
/** Every so many images have each of their frames damaged: state.db's log is the longer one. */
const IMAGE_STRIDE = { "log.db-wal": 4, "state.db-wal": 10 } as const;

interface Image {
  readonly number: number;
  readonly path: string;
  readonly expected: Expectation;
  readonly synced: string;
}

describe.skipIf(!canShim)("the files of a real store, as they are after each of its syncs", () => {
  let base = "";
  let scratch = "";
  let images: Image[] = [];
  let identity = "";
  let lines: string[] = [];

  beforeAll(async () => {
    base = makeTempDirectory();
    scratch = makeScratchDirectory();
    const library = compileShim(base);
    mkdirSync(join(base, "images"));
    const run = runWorkload(library, base, "mixed", true);
    expect(await run.ended).toBe(0);
    lines = linesOf(run.journal);
    images = lines.flatMap((line, i) => {
      const [kind, number = "", synced = ""] = line.split(" ");
      if (kind !== "sync") return [];
      const expected = new Expectation(lines.slice(0, i));
      return [{ number: Number(number), path: join(run.images, number), expected, synced }];
    });
    identity = reopened(run.directory).identity;
  }, 60_000);

  afterAll(() => {
    for (const path of [base, scratch]) rmSync(path, { recursive: true, force: true });
  });

  function reopened(path: string, change: (copy: string) => void = () => undefined): Reopened {
    const copy = join(scratch, "copy");
    rmSync(copy, { recursive: true, force: true });
    cpSync(path, copy, { recursive: true });
    change(copy);
    const first = reopen(copy);
    if (first.problems.length > 0) {
      // What was repaired once is whole, and stays a stranger until it is re-admitted.
      expect(reopen(copy)).toEqual({ ...first, problems: [] });
    }
    return first;
  }

  /** Either the loss is said, or there is none. */
  function expectNoSilentLoss(image: Image, found: Reopened, what: string): void {
    const where = `image ${String(image.number)}, ${what}: ${found.state}`;
    if (found.damage === null) expect(image.expected.states, where).toContain(found.state);
    else expect(found.identity, where).not.toBe(identity);
  }

  test("F16, F23: a kill at any sync leaves every answered write, and no damage", () => {
    expect(images.length).toBeGreaterThan(80);
    for (const image of images) {
      const found = reopened(image.path);
      expect(found.damage, `image ${String(image.number)}`).toBeNull();
      expectNoSilentLoss(image, found, "whole");
    }
  });

  test("F23: a power cut that takes all unsynced writes leaves them too", () => {
    const synced = join(base, "synced");
    mkdirSync(synced);
    for (const image of images) {
      const file = image.synced;
      rmSync(join(synced, file), { force: true });
      if (existsSync(join(image.path, file))) cpSync(join(image.path, file), join(synced, file));
      // A rollback journal that is gone was deleted: its commit is the deletion.
      for (const name of readdirSync(synced)) {
        const isGone = name.endsWith("-journal") && !existsSync(join(image.path, name));
        if (isGone) rmSync(join(synced, name));
      }
      const found = reopened(synced);
      expect(found.damage, `image ${String(image.number)}`).toBeNull();
      expectNoSilentLoss(image, found, "power cut");
    }
  });

  test("G26: rows, log and table of an installed snapshot change together", () => {
    const seen = new Set<string>();
    for (const image of images) {
      const { state, keys } = reopened(image.path);
      const isInstalled = keys.includes("installed");
      seen.add(keys.join());
      // The epochs of round 4 are in place before its install, those of round 5 come after it.
      const round = Number(state.split(" ")[1]);
      if (round < 4) expect(isInstalled).toBe(false);
      if (round === 5) expect(isInstalled).toBe(true);
    }
    expect(seen).toEqual(new Set(["", "both,k2", "both,installed", "both,k6"]));
  });

  for (const file of ["log.db-wal", "state.db-wal"] as const) {
    test(`G31, F24-F26: any frame of ${file} cut or flipped is never a silent loss`, () => {
      let damaged = 0;
      let whole = 0;
      for (const image of images) {
        if (image.number % IMAGE_STRIDE[file] !== 0) continue;
        if (!existsSync(join(image.path, file))) continue;
        const wal = readFileSync(join(image.path, file));
        const changes: [string, Buffer][] = [];
        for (let at = WAL_HEADER_BYTES; at < wal.length; at += FRAME_BYTES) {
          if (!isCurrent(wal, at)) break;
          const frame = String((at - WAL_HEADER_BYTES) / FRAME_BYTES);
          changes.push([`cut before frame ${frame}`, wal.subarray(0, at)]);
          changes.push([`torn frame ${frame}`, wal.subarray(0, at + 1000)]);
          changes.push([`flip in the header of frame ${frame}`, flip(wal, at + 5)]);
          changes.push([`flip in frame ${frame}`, flip(wal, at + FRAME_HEADER_BYTES + 2000)]);
        }
        for (const [what, bytes] of changes) {
          const found = reopened(image.path, (copy) => writeFileSync(join(copy, file), bytes));
          expectNoSilentLoss(image, found, what);
          if (found.damage === null) whole += 1;
          else damaged += 1;
        }
      }
      expect(whole).toBeGreaterThan(0);
      expect(damaged).toBeGreaterThan(0);
    });
  }

  test("F25, F26: a damaged high-water file is survived or said", () => {
    const image = images.at(-20);
    if (image === undefined) throw new Error("there are images");
    const path = join(image.path, "high-water");
    const bytes = readFileSync(path);
    const changed: [string, Buffer | null][] = [["gone", null]];
    for (const at of [0, 20, 36, 4096, 4100]) {
      changed.push([`cut at ${String(at)}`, bytes.subarray(0, at)]);
    }
    for (let at = 0; at < 36; at += 1) {
      changed.push([`flip at ${String(at)}`, flip(bytes, at)]);
      changed.push([`flip at ${String(at + 4096)}`, flip(bytes, at + 4096)]);
      changed.push([`flips at ${String(at)}`, flip(flip(bytes, at), at + 4096)]);
    }
    for (const [what, change] of changed) {
      const found = reopened(image.path, (copy) => {
        if (change === null) rmSync(join(copy, "high-water"));
        else writeFileSync(join(copy, "high-water"), change);
      });
      expectNoSilentLoss(image, found, what);
      const isLost = change === null || change.length < 36 || what.startsWith("flips");
      expect(found.damage !== null, what).toBe(isLost);
    }
  });

  for (const file of ["log.db", "state.db"]) {
    test(`F25, F27: a bit flipped anywhere in ${file} at rest is never a silent loss`, () => {
      // After a close there is no write-ahead log whose frames would hide the file's own pages.
      const path = join(base, "store");
      const image: Image = { number: 0, path, expected: new Expectation(lines), synced: file };
      const bytes = readFileSync(join(image.path, file));
      let damaged = 0;
      let refused = 0;
      for (let at = 16; at < bytes.length; at += 61) {
        const what = `flip at ${String(at)}`;
        try {
          const found = reopened(image.path, (copy) =>
            writeFileSync(join(copy, file), flip(bytes, at)),
          );
          expectNoSilentLoss(image, found, what);
          if (found.damage !== null) damaged += 1;
        } catch (error) {
          // A flipped version number looks like the work of a newer release.
          if (errorCodeOf(error) !== "ERR_STORE_SCHEMA") throw error;
          refused += 1;
        }
      }
      expect(damaged).toBeGreaterThan(5);
      expect(refused).toBeLessThan(5);
    });
  }
});

function flip(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 0x10;
  return copy;
}

/** Frames of the run of the log before carry another salt. */
function isCurrent(wal: Buffer, frameAt: number): boolean {
  if (frameAt + FRAME_BYTES > wal.length) return false;
  return wal.subarray(frameAt + 8, frameAt + 16).equals(wal.subarray(16, 24));
}
