import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { runTranscript } from "./support/transcript.js";

const directory = new URL("../testdata/", import.meta.url);
const files = readdirSync(directory).filter((name) => name.endsWith(".txt"));

// UPDATE_TRANSCRIPTS=1 rewrites them. Commit the difference only when you understand it.
describe("the conversation", () => {
  it.each(files)("%s is what it was", async (name) => {
    const url = new URL(name, directory);
    const expected = readFileSync(url, "utf8");
    const actual = await runTranscript(expected.replace(/\n----[^]*?(?=\n\n|$)/g, ""));
    if (process.env["UPDATE_TRANSCRIPTS"] === "1") writeFileSync(url, actual);
    else expect(actual).toBe(expected);
  });
});
