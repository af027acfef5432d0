import { join } from "node:path";
import { expect, it } from "vitest";
import { walk } from "../lib/files.mjs";
import { checkSnippets, snippetsIn, snippetsOf } from "../lib/snippets.mjs";

const root = join(import.meta.dirname, "../..");
const block = (text, info = "ts") => snippetsOf("page.md", `\`\`\`${info}\n${text}\n\`\`\`\n`);

// One compilation for all: it is the slow part.
it("compiles every program that a document shows, and finds what is wrong in one", () => {
  const pages = walk(root).filter((path) => path.endsWith(".md"));
  const shown = snippetsIn(root, pages);
  expect(shown.length).toBeGreaterThanOrEqual(10);
  const planted = [
    ...block('import { embed } from "@quorate/node";\nawait embed(7);'),
    ...block('import { nothing } from "@quorate/client";'),
    ...block("known(1);"),
    ...block("const x = ;"),
    ...block("use(known, { known });", "ts fragment"),
    ...block('use(known);\nconst x: number = "1";', "ts fragment"),
  ];
  const found = checkSnippets(root, [...shown, ...planted]);
  expect(found.filter((text) => !text.startsWith("page.md"))).toEqual([]);
  expect(found).toEqual([
    expect.stringContaining("page.md:3: Argument of type 'number'"),
    expect.stringContaining("page.md:2: Module '\"@quorate/client\"' has no exported member"),
    expect.stringContaining("page.md:2: Cannot find name 'known'"),
    expect.stringContaining("page.md:2: Expression expected"),
    expect.stringContaining("page.md:3: Type 'string' is not assignable"),
  ]);
}, 60_000);
