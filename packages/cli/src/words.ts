import { usageError } from "./report.js";

const WORD = /\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|((?:[^\s"'\\]|\\.)+))(?=\s|$)/sy;

/** The words of a line: apart by spaces, whole within quotes. @throws ERR_ARG_VALUE. */
export function wordsOf(line: string): string[] {
  const words: string[] = [];
  const text = line.trimEnd();
  WORD.lastIndex = 0;
  while (WORD.lastIndex < text.length) {
    const found = WORD.exec(text);
    if (found === null) throw usageError("a quote is open, or stands within a word");
    const [, double, single, plain] = found;
    words.push(single ?? unescaped(double ?? plain ?? ""));
  }
  return words;
}

/** Written so that {@link wordsOf} reads it as one word. */
export function quotedWord(word: string): string {
  return /^[^\s"'\\]+$/.test(word) ? word : `"${word.replaceAll(/["\\]/g, "\\$&")}"`;
}

function unescaped(text: string): string {
  return text.replaceAll(/\\(.)/gs, "$1");
}
