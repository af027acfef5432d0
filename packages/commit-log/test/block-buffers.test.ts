import { expect, test } from "vitest";
import { BlockBuffers, KEPT_BYTES_MAX } from "../src/block-buffers.js";

const KIB = 1024;

test("a buffer that came back is taken again, for any length of its size", () => {
  const buffers = new BlockBuffers();
  const first = buffers.take(70 * KIB);
  expect(first.byteLength).toBe(128 * KIB);
  expect(buffers.take(128 * KIB)).not.toBe(first);
  buffers.give([first]);
  expect(buffers.take(65 * KIB)).toBe(first);
  expect(buffers.keptBytes).toBe(0);
});

test("a buffer is never given out for more than it holds, nor for a fraction of it", () => {
  const buffers = new BlockBuffers();
  buffers.give([buffers.take(1), buffers.take(1000 * KIB)]);
  expect(buffers.take(200 * KIB).byteLength).toBe(256 * KIB);
  expect(buffers.keptBytes).toBe(64 * KIB + 1024 * KIB);
});

test("at the bound those that waited longest are let go", () => {
  const buffers = new BlockBuffers();
  const count = KEPT_BYTES_MAX / (1024 * KIB);
  const large = Array.from({ length: count + 1 }, () => buffers.take(1024 * KIB));
  buffers.give(large);
  expect(buffers.keptBytes).toBe(KEPT_BYTES_MAX);
  const left = Array.from({ length: count }, () => buffers.take(1024 * KIB));
  expect(left).toEqual(large.slice(1));
  expect(left).not.toContain(large[0]);
  buffers.give([buffers.take(KEPT_BYTES_MAX * 2)]);
  expect(buffers.keptBytes).toBe(0);
});
