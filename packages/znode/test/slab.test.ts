import { describe, expect, it } from "vitest";
import { encodeSet, withCaller } from "../src/requests.js";
import { Slab } from "../src/slab.js";

describe("Slab", () => {
  it("gives zeroed pieces of the length asked for that never overlap", () => {
    const slab = new Slab();
    const lengths = [0, 1, 7, 100, 8 * 1024, 8 * 1024 + 1, 100_000, 3, 1000];
    const pieces = Array.from({ length: 40 }, () => lengths)
      .flat()
      .map((length) => slab.piece(length));
    for (const [i, piece] of pieces.entries()) {
      expect(piece.length).toBe(lengths[i % lengths.length]);
      expect(piece.every((byte) => byte === 0)).toBe(true);
      piece.fill(1 + (i % 255));
    }
    for (const [i, piece] of pieces.entries()) {
      expect(piece.every((byte) => byte === 1 + (i % 255))).toBe(true);
    }
  });

  it("goes on where it was behind a piece that has memory of its own", () => {
    const slab = new Slab();
    const before = slab.piece(100);
    const large = slab.piece(8 * 1024 + 1);
    const behind = slab.piece(100);
    expect(large.buffer.byteLength).toBe(large.length);
    expect(behind.buffer).toBe(before.buffer);
    expect(behind.byteOffset).toBe(before.byteOffset + before.length);
  });

  it("keeps requests apart that were encoded one after the other", () => {
    const contents = Array.from({ length: 200 }, (_, i) =>
      withCaller(Uint8Array.of(7), encodeSet({ data: new Uint8Array(500).fill(i), version: i })),
    );
    for (const [i, content] of contents.entries()) {
      expect([...content.subarray(0, 5)]).toEqual([7, 0, 0, 0, i]);
      expect(content.subarray(5)).toEqual(new Uint8Array(500).fill(i));
    }
  });
});
