import { expect, test } from "vitest";
import { narrow } from "../lib/bundle.mjs";

test("comments have one byte a character, and nothing else is touched", () => {
  const code = 'const a = "\\u2013"; // fine';
  const before = [code, "  // a – b", "  /* – */", "   * @param s –Pipe", "const b = 1 * 2;"];
  const after = [code, "  // a ? b", "  /* ? */", "   * @param s ?Pipe", "const b = 1 * 2;"];
  expect(narrow(before.join("\n"))).toBe(after.join("\n"));
  // What is no comment is left as it is, at two bytes a character.
  expect(narrow('const c = "–";')).toBe('const c = "–";');
});
