// Blocks of a document that a script writes, between two comments that a reader does not see.
import { readFileSync, writeFileSync } from "node:fs";

const opening = (name) => `<!-- generated: ${name} -->`;
const CLOSING = "<!-- end of generated -->";

/** The text between the marks, without them; undefined when the document has no such block. */
export function generatedBlock(document, name) {
  const start = document.indexOf(opening(name));
  if (start < 0) return undefined;
  const from = start + opening(name).length;
  const end = document.indexOf(CLOSING, from);
  return end < 0 ? undefined : document.slice(from, end).trim();
}

/** @throws when the document has no such block. */
export function withGeneratedBlock(document, name, content) {
  if (generatedBlock(document, name) === undefined) {
    throw new Error(`the document has no block "${opening(name)}" that ends with "${CLOSING}"`);
  }
  const start = document.indexOf(opening(name));
  const end = document.indexOf(CLOSING, start);
  const body = `${opening(name)}\n\n${content.trim()}\n\n`;
  return document.slice(0, start) + body + document.slice(end);
}

export function writeGeneratedBlock(path, name, content) {
  const before = readFileSync(path, "utf8");
  const after = withGeneratedBlock(before, name, content);
  if (after !== before) writeFileSync(path, after);
  return after !== before;
}

/** A table as the formatter would write it. */
export function markdownTable(head, rows) {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(3, ...all.map((row) => row[column].length)));
  const line = (cells) => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}
