import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { errorCodeOf } from "@quorate/protocol";
import { CrashImages, flip, withFile, type Files, type Image } from "./crash/images.js";
import { canShim, isLong } from "./crash/shim.js";

const PAGE_BYTES = 4096;
const BYTE_STRIDE = isLong ? 1 : 61;
/** Among older versions of a file that are not the last few. */
const VERSION_STRIDE = 6;
const TIMEOUT_MS = isLong ? 600_000 : 60_000;
const FILES = ["log.db", "state.db"] as const;

describe.skipIf(!canShim)("the database files of a real store", () => {
  let crash: CrashImages;
  /** Whole runs of another directory, node or time. */
  let other: CrashImages;

  beforeAll(async () => {
    [crash, other] = await Promise.all([CrashImages.take(), CrashImages.take()]);
  }, 60_000);

  afterAll(() => {
    crash.dispose();
    other.dispose();
  });

  function established(): Image[] {
    return [...crash.images.filter(({ expected }) => expected.isOpen), crash.closed];
  }

  for (const file of FILES) {
    test(
      `F25, F27: a bit flipped anywhere in ${file} at rest is never a silent loss`,
      () => {
        // After a close there is no write-ahead log whose frames would hide the file's own pages.
        const bytes = bytesOf(crash.closed, file);
        let damaged = 0;
        let refused = 0;
        for (let at = 16; at < bytes.length; at += BYTE_STRIDE) {
          try {
            const changed = withFile(crash.closed.files, file, flip(bytes, at));
            if (crash.judge(crash.closed, changed, `flip at ${String(at)}`).damage) damaged += 1;
          } catch (error) {
            // A flipped version number looks like the work of a newer release.
            if (errorCodeOf(error) !== "ERR_STORE_SCHEMA") throw error;
            refused += 1;
          }
        }
        expect(damaged).toBeGreaterThan(5);
        expect(refused).toBeLessThan(5);
      },
      TIMEOUT_MS,
    );

    test(
      `F26: ${file} cut at any page or within one is damage, or loses nothing`,
      () => {
        let damaged = 0;
        for (const image of established()) {
          const bytes = image.files.get(file);
          if (bytes === undefined) continue;
          for (const at of cutsOf(bytes.length)) {
            const changed = withFile(image.files, file, bytes.subarray(0, at));
            if (crash.judge(image, changed, `cut at ${String(at)}`).damage !== null) damaged += 1;
          }
        }
        expect(damaged).toBeGreaterThan(100);
        // Without a write-ahead log, whatever takes a page that is in use is damage.
        const bytes = bytesOf(crash.closed, file);
        for (const at of [0, 1, 50, PAGE_BYTES, bytes.length / 2]) {
          const changed = withFile(crash.closed.files, file, bytes.subarray(0, at));
          expect(crash.judge(crash.closed, changed, `cut at ${String(at)}`).damage).not.toBeNull();
        }
      },
      TIMEOUT_MS,
    );
  }

  test("F26, F32: any of the files gone is damage, or loses nothing", () => {
    for (const image of established()) {
      for (const name of image.files.keys()) {
        crash.judge(image, withFile(image.files, name, null), `${name} gone`);
      }
      for (const file of FILES) {
        const changed = withFile(withFile(image.files, file, null), `${file}-wal`, null);
        const found = crash.judge(image, changed, `${file} gone with its log`);
        // Before the first checkpoint there is nothing to miss in state.db.
        if (file === "log.db") expect(found.damage).not.toBeNull();
      }
      const withoutLog = [...image.files].filter(([name]) => name.startsWith("state.db"));
      const found = crash.judge(image, new Map(withoutLog), "all gone but state.db");
      if (withoutLog.length > 0) expect(found.damage).not.toBeNull();
    }
  });

  test("F33: log.db of another directory beside the rest is damage", () => {
    // Of the same run, so of the same numbers throughout: only what is random tells them apart.
    for (const image of established()) {
      for (const theirs of [image.number - 1, image.number, image.number + 1]) {
        const from = theirs === 0 ? other.closed : other.images[theirs - 1];
        if (from?.expected.isOpen !== true) continue;
        const changed = exchanged(image.files, from.files, "log.db");
        const found = crash.reopened(changed);
        expect(found.damage, `image ${String(image.number)}`).toMatch(/not this directory's/);
      }
    }
  });

  for (const file of FILES) {
    test(
      `F32, F33: an older ${file} beside newer files is damage, or loses nothing`,
      () => {
        const versions = distinct(established(), file);
        expect(versions.length).toBeGreaterThan(10);
        let damaged = 0;
        for (const image of isLong ? established() : versions) {
          for (const [i, older] of versions.entries()) {
            const isOlder = image === crash.closed || older.number < image.number;
            if (!isOlder || older === crash.closed) continue;
            const isNear = image.number - older.number < 4;
            if (!isLong && !isNear && i % VERSION_STRIDE !== 0) continue;
            const changed = exchanged(image.files, older.files, file);
            const what = `${file} of image ${String(older.number)}`;
            if (crash.judge(image, changed, what).damage !== null) damaged += 1;
          }
        }
        // Of state.db some twenty; how many depends on which writes one commit takes together.
        expect(damaged).toBeGreaterThan(file === "log.db" ? 100 : 5);
      },
      TIMEOUT_MS,
    );
  }
});

function bytesOf(image: Image, file: string): Buffer {
  const bytes = image.files.get(file);
  if (bytes === undefined) throw new Error(`${file} is in the image`);
  return bytes;
}

/** Nothing, one byte, within the header, each page's boundary, within each page, the last byte. */
function cutsOf(size: number): number[] {
  const cuts = [1, 50, size - 1];
  for (let at = 0; at < size; at += PAGE_BYTES) cuts.push(at, at + 1000);
  return cuts.filter((at) => at >= 0 && at < size);
}

/** `mine` with a database and its write-ahead log from `theirs`. */
function exchanged(mine: Files, theirs: Files, file: string): Files {
  let changed = mine;
  for (const name of [file, `${file}-wal`, `${file}-journal`]) {
    changed = withFile(changed, name, theirs.get(name) ?? null);
  }
  return changed;
}

/** One image for each content that a database and its log had. */
function distinct(images: readonly Image[], file: string): Image[] {
  const seen = new Map<string, Image>();
  for (const image of images) {
    const parts = [file, `${file}-wal`].map((name) => image.files.get(name)?.toString("latin1"));
    const content = parts.join("|");
    if (!seen.has(content)) seen.set(content, image);
  }
  return [...seen.values()];
}
