import { describe, expect, it } from "vitest";
import fc from "fast-check";
import { parseJson, TextError } from "../src/config/json-text.js";
import { plainOf, valueAt } from "../src/config/located.js";

const parse = (text: string) => parseJson(text, (line) => ({ kind: "file", file: "f", line }));

function errorOf(text: string): string {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof TextError) return error.message;
    throw error;
  }
  return "accepted";
}

function accepts(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch {
    return false;
  }
}

/** JSON.parse lets a repeated key pass; here that is an error of its own. */
const isRepeat = (message: string): boolean => message.includes("is given before");

describe("JSON with places", () => {
  it("reads what JSON.parse reads", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), fc.constantFrom(undefined, 1, "\t"), (json, space) => {
        const text = JSON.stringify(JSON.parse(json), null, space);
        expect(plainOf(parse(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  it("refuses what JSON.parse refuses, and nothing else but repeated keys", () => {
    const pieces = fc.constantFrom(
      ...'{}[],:"\\ \n\r\t01-.eE+truefalsn/'.split(""),
      "true",
      "null",
      '"a"',
      '"b":',
      "\\u00e9",
      "\u0001",
      "\u00a0",
    );
    const mutated = fc
      .tuple(fc.json({ maxDepth: 3 }), fc.nat(), fc.nat(3), pieces)
      .map(([text, at, drop, piece]) => {
        const from = at % (text.length + 1);
        return text.slice(0, from) + piece + text.slice(from + drop);
      });
    fc.assert(
      fc.property(
        fc.oneof(
          mutated,
          fc.array(pieces).map((all) => all.join("")),
        ),
        (text) => {
          const message = errorOf(text);
          if (isRepeat(message)) return;
          expect(message === "accepted").toBe(accepts(() => JSON.parse(text)));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("knows the line of every value, whatever ends the lines", () => {
    for (const end of ["\n", "\r\n", "\r"]) {
      const located = parse(
        ['{ "a": 1,', '  "b": [', '    "x",', '    { "c": null }', "] }"].join(end),
      );
      const lineOf = (...path: string[]): unknown => valueAt(located, path)?.origin;
      expect(lineOf("a")).toMatchObject({ line: 1 });
      expect(lineOf("b")).toMatchObject({ line: 2 });
      expect(lineOf("b", "0")).toMatchObject({ line: 3 });
      expect(lineOf("b", "1", "c")).toMatchObject({ line: 4 });
    }
  });

  it.each([
    ["", "line 1, column 1: a value is expected"],
    ["{\n  nodeId: 1 }", "line 2, column 3: a key in quotes is expected"],
    ['{\n  "a": 1,\n}', "line 3, column 1: a key in quotes is expected"],
    ['{ "a" 1 }', "line 1, column 7: a colon is expected"],
    ['{ "a": 1\r\n  "b": 2 }', "line 2, column 3: a comma or } is expected"],
    ["[1 2]", "line 1, column 4: a comma or ] is expected"],
    ['{ "a": }', "line 1, column 8: a value is expected"],
    ['{ "a": "never', "line 1, column 8: this string does not end, or holds a wrong character"],
    ["{} x", "line 1, column 4: nothing may follow the value"],
    ["// no\n{}", "line 1, column 1: a value is expected"],
    ['{ "a": 1,\n  "a": 2 }', 'line 2, column 3: the key "a" is given before, in line 1'],
    ["[".repeat(100), "line 1, column 34: it is nested too deeply"],
  ])("says where it stops: %j", (text, message) => {
    expect(errorOf(text)).toBe(message);
  });

  it("does not quote the text, which may hold a secret", () => {
    expect(errorOf('{ "secret": "hunter2-hunter2 }')).not.toContain("hunter2");
  });

  it("reads a long string in one go", () => {
    const long = "x".repeat(900_000);
    expect(plainOf(parse(JSON.stringify([long])))).toEqual([long]);
    expect(errorOf(`["${long}`)).toContain("does not end");
  });
});
