import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { shardOf, SHARDS, WideMap } from "../src/wide-map.js";

/** Entries in the shard that has most of them. */
function largest(count: number, pathOf: (i: number) => string): number {
  const sizes = new Array<number>(SHARDS).fill(0);
  for (let i = 0; i < count; i += 1) {
    const shard = shardOf(pathOf(i));
    sizes[shard] = (sizes[shard] ?? 0) + 1;
  }
  return Math.max(...sizes);
}

describe("a wide map", () => {
  test("holds what a Map holds, whatever is set, deleted and set again", () => {
    const key = fc.oneof(
      fc.constantFrom("", "/", "/a", "/a/b", "/b/a", "a"),
      fc.string({ maxLength: 40 }),
    );
    const step = fc.tuple(fc.constantFrom("set", "take", "delete"), key, fc.nat());
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const wide = new WideMap<number>();
        const map = new Map<string, number>();
        for (const [what, at, value] of steps) {
          if (what === "set") {
            wide.set(at, value);
            map.set(at, value);
          } else if (what === "take") {
            expect(wide.take(at)).toBe(map.get(at));
            map.delete(at);
          } else {
            wide.delete(at);
            map.delete(at);
          }
          expect(wide.isEmpty).toBe(map.size === 0);
        }
        expect(new Map(wide.entries())).toEqual(map);
      }),
    );
  });

  test("gives out each entry once that stays while others come and go", () => {
    const wide = new WideMap<string>();
    for (let i = 0; i < 1000; i += 1) wide.set(`/p/${i}`, `/p/${i}`);
    const seen: string[] = [];
    for (const [path] of wide.entries()) {
      seen.push(path);
      if (seen.length > 500) continue;
      wide.delete(`/p/${seen.length - 1}`);
      wide.set(`/q/${seen.length}`, `/q/${seen.length}`);
    }
    const stayed = seen.filter((path) => /^\/p\/[5-9]\d\d$/.test(path));
    expect(new Set(stayed).size).toBe(500);
    expect(stayed).toHaveLength(500);
    expect(new Set(seen).size).toBe(seen.length);
  });

  // What moves at a time when a map grows: a Map of as many entries would move all.
  test("deals the nodes of many parents out evenly", () => {
    const count = 200_000;
    const even = count / SHARDS;
    const pathOf = (i: number): string => `/million/parent-${Math.floor(i / 1000)}/node-${i}`;
    expect(largest(count, pathOf)).toBeLessThan(3 * even);
  });

  test.each([
    ["numbered", (i: number) => `/queue/item-${String(i).padStart(10, "0")}`],
    ["named by a hash", (i: number) => `/locks/${(i * 0x9e3779b1).toString(16).padStart(14, "0")}`],
    ["below each other's", (i: number) => `/services/service-${i}/leader`],
  ])("holds at most an eighth of the nodes in one map when they are %s", (_, pathOf) => {
    expect(largest(100_000, pathOf)).toBeLessThan(100_000 / 8);
  });
});
