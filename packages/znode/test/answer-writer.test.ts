import { expect, test } from "vitest";
import { AnswerWriter } from "../src/answer-writer.js";
import { CHILDREN_BYTES_MAX, CHILDREN_MAX } from "../src/limits.js";
import type { Znode } from "../src/znode.js";

/** A directory of one child after the other, of names so long; counts those that are looked at. */
function directory(childCount: number, nameBytes: number): { node: Znode; looks: () => number } {
  let looks = 0;
  const child = {
    path: `/d/${"n".repeat(nameBytes)}`,
    pathBytes: 3 + nameBytes,
    get nextSibling(): unknown {
      looks += 1;
      return looks < childCount ? child : null;
    },
  };
  const node = { path: "/d", pathBytes: 2, childCount, firstChild: child };
  return { node: node as unknown as Znode, looks: () => looks };
}

test("a list of children that cannot be given out is not gathered, nor one that is too long", () => {
  const answers = new AnswerWriter();
  const many = directory(CHILDREN_MAX + 1, 4);
  expect(answers.children(many.node)).toBeNull();
  expect(many.looks()).toBe(0);
  const long = directory(CHILDREN_MAX, 1000);
  expect(answers.children(long.node)).toBeNull();
  expect(long.looks()).toBeLessThanOrEqual(CHILDREN_BYTES_MAX / 1002);
});
