import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CrashImages, flip, withFile } from "./crash/images.js";
import { canShim, isLong } from "./crash/shim.js";

const WAL_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const FRAME_BYTES = FRAME_HEADER_BYTES + 4096;
/** Before the frame and within its page; in the long form within its header and at its end too. */
const CUTS_AT = [0, FRAME_HEADER_BYTES + 1000, ...(isLong ? [12, FRAME_BYTES - 1] : [])];
/** In its size after commit and its page; in the long form each of its fields, both ends of it. */
const FLIPS_AT = [
  5,
  FRAME_HEADER_BYTES + 2000,
  ...(isLong ? [3, 11, 20, FRAME_HEADER_BYTES, FRAME_BYTES - 1] : []),
];

describe.skipIf(!canShim)("the write-ahead logs of a real store, after each of its syncs", () => {
  let crash: CrashImages;

  beforeAll(async () => {
    crash = await CrashImages.take();
  }, 60_000);

  afterAll(() => crash.dispose());

  for (const file of ["log.db-wal", "state.db-wal"] as const) {
    test(`G31, F24-F26: every frame of ${file} cut or flipped is never a silent loss`, () => {
      const count = { frames: 0, whole: 0, damaged: 0 };
      for (const image of crash.images) {
        const wal = image.files.get(file);
        if (wal === undefined) continue;
        for (const [what, bytes] of changesOf(wal, count)) {
          const found = crash.judge(image, withFile(image.files, file, bytes), what);
          if (found.damage === null) count.whole += 1;
          else count.damaged += 1;
        }
      }
      expect(count.frames).toBeGreaterThan(400);
      expect(count.whole).toBeGreaterThan(500);
      expect(count.damaged).toBeGreaterThan(500);
    }, 120_000);
  }
});

function* changesOf(wal: Buffer, count: { frames: number }): Generator<[string, Buffer | null]> {
  yield ["gone", null];
  for (const at of [0, 1, WAL_HEADER_BYTES - 1])
    yield [`cut at ${String(at)}`, wal.subarray(0, at)];
  for (let at = 0; at < Math.min(wal.length, WAL_HEADER_BYTES); at += 4) {
    yield [`flip at ${String(at)}`, flip(wal, at)];
  }
  for (let at = WAL_HEADER_BYTES; isCurrent(wal, at); at += FRAME_BYTES) {
    count.frames += 1;
    for (const within of CUTS_AT) {
      yield [`cut at ${String(at)}+${String(within)}`, wal.subarray(0, at + within)];
    }
    for (const within of FLIPS_AT) {
      yield [`flip at ${String(at)}+${String(within)}`, flip(wal, at + within)];
    }
  }
}

/** Frames of the run of the log before carry another salt. */
function isCurrent(wal: Buffer, frameAt: number): boolean {
  if (frameAt + FRAME_BYTES > wal.length) return false;
  return wal.subarray(frameAt + 8, frameAt + 16).equals(wal.subarray(16, 24));
}
