import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CrashImages, flip, withFile, type Files } from "./crash/images.js";
import { canShim } from "./crash/shim.js";

describe.skipIf(!canShim)("the files of a real store, as they are after each of its syncs", () => {
  let crash: CrashImages;

  beforeAll(async () => {
    crash = await CrashImages.take();
  }, 60_000);

  afterAll(() => crash.dispose());

  test("F16, F23: a kill at any sync leaves every answered write, and no damage", () => {
    expect(crash.images.length).toBeGreaterThan(100);
    for (const image of crash.images) {
      const found = crash.judge(image, image.files, "whole");
      expect(found.damage, `image ${String(image.number)}`).toBeNull();
    }
  });

  test("F23: a power cut that takes all unsynced writes leaves them too", () => {
    let synced: Files = new Map();
    for (const image of crash.images) {
      synced = withFile(synced, image.synced, image.files.get(image.synced) ?? null);
      // A rollback journal that is gone was deleted: its commit is the deletion.
      for (const name of synced.keys()) {
        const isGone = name.endsWith("-journal") && !image.files.has(name);
        if (isGone) synced = withFile(synced, name, null);
      }
      const found = crash.judge(image, synced, "power cut");
      expect(found.damage, `image ${String(image.number)}`).toBeNull();
    }
  });

  test("G26: rows, log and table of an installed snapshot change together", () => {
    const seen = new Set<string>();
    for (const image of crash.images) {
      const { state, keys } = crash.reopened(image.files);
      const isInstalled = keys.includes("installed");
      seen.add(keys.join());
      // The epochs of round 4 are in place before its install, those of round 5 come after it.
      const round = Number(state.split(" ")[1]);
      if (round < 4) expect(isInstalled).toBe(false);
      if (round === 5) expect(isInstalled).toBe(true);
    }
    expect(seen).toEqual(
      new Set(["", "both,k2", "both,k3", "both,installed", "both,installed,k5", "both,k6"]),
    );
  });

  test("F25, F26: a damaged high-water file is survived or said", () => {
    for (const image of crash.images) {
      const bytes = image.files.get("high-water");
      const isNew = image.expected.states.has("e0:0 0 0");
      if (bytes === undefined || isNew || image.number % 10 !== 0) continue;
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
        const found = crash.judge(image, withFile(image.files, "high-water", change), what);
        const isLost = change === null || change.length < 36 || what.startsWith("flips");
        expect(found.damage !== null, what).toBe(isLost);
      }
    }
  });
});
