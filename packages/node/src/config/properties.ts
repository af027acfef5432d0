import { TextError } from "./json-text.js";

export interface Property {
  readonly key: string;
  readonly value: string;
  /** The line on which it begins. */
  readonly line: number;
}

/**
 * Parses Java's properties format, in which ZooKeeper reads a zoo.cfg: comments, continuations,
 * three kinds of separator, escapes. Every occurrence of a key is returned.
 * @throws TextError.
 */
export function parseProperties(text: string): Property[] {
  return [...logicalLines(text)].map(({ content, line }) => {
    const end = keyEnd(content);
    const rest = /^[ \t\f]*[=:]?[ \t\f]*/.exec(content.slice(end))?.[0].length ?? 0;
    return {
      key: unescape(content.slice(0, end), line),
      value: unescape(content.slice(end + rest), line),
      line,
    };
  });
}

function* logicalLines(text: string): Generator<{ content: string; line: number }> {
  const lines = text.split(/\r\n|\r|\n/);
  for (let i = 0; i < lines.length; i += 1) {
    const line = i + 1;
    let content = trimmed(lines[i]);
    // Comments are whole lines, and are not continued.
    if (content === "" || content.startsWith("#") || content.startsWith("!")) continue;
    while (continues(content) && i + 1 < lines.length) {
      i += 1;
      content = content.slice(0, -1) + trimmed(lines[i]);
    }
    if (continues(content)) content = content.slice(0, -1);
    if (content !== "") yield { content, line };
  }
}

function trimmed(line: string | undefined): string {
  return (line ?? "").replace(/^[ \t\f]+/, "");
}

/** An odd number of backslashes at the end: the last one is not itself escaped. */
function continues(content: string): boolean {
  return (/\\*$/.exec(content)?.[0].length ?? 0) % 2 === 1;
}

function keyEnd(content: string): number {
  for (let i = 0; i < content.length; i += 1) {
    if (content[i] === "\\") i += 1;
    else if (/[=: \t\f]/.test(content[i] ?? "")) return i;
  }
  return content.length;
}

const ESCAPES: Readonly<Record<string, string>> = { t: "\t", n: "\n", r: "\r", f: "\f" };

function unescape(text: string, line: number): string {
  return text.replace(/\\(u[0-9a-fA-F]{4}|u|.|$)/g, (_, escaped: string) => {
    if (escaped === "u") throw new TextError(line, 1, "\\u is not followed by four hex digits");
    if (escaped.length === 5) return String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
    return ESCAPES[escaped] ?? escaped;
  });
}
