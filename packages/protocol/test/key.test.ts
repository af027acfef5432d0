import { expect, test } from "vitest";
import { isKeyTooLong, KEY_BYTES_MAX } from "../src/index.js";

test.each([
  ["a", 1],
  ["é", 2],
  ["€", 3],
  ["😀", 4],
  ["\ud800", 3],
])("a key of %j fits up to the last byte", (character, bytes) => {
  const rest = KEY_BYTES_MAX % bytes;
  const longest = character.repeat((KEY_BYTES_MAX - rest) / bytes) + "x".repeat(rest);
  expect(new TextEncoder().encode(longest)).toHaveLength(KEY_BYTES_MAX);
  expect(isKeyTooLong(longest)).toBe(false);
  expect(isKeyTooLong(`${longest}x`)).toBe(true);
  expect(isKeyTooLong(longest + character)).toBe(true);
});
