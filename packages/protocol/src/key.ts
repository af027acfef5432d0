import { KEY_BYTES_MAX } from "./limits.js";

/** Whether a key takes more than KEY_BYTES_MAX bytes of UTF-8; counted, not estimated. */
export function isKeyTooLong(key: string): boolean {
  // A UTF-16 unit takes one to three bytes: most keys need no counting.
  if (key.length * 3 <= KEY_BYTES_MAX) return false;
  return key.length > KEY_BYTES_MAX || utf8BytesOf(key) > KEY_BYTES_MAX;
}

function utf8BytesOf(text: string): number {
  let bytes = 0;
  // By code point; a lone surrogate becomes U+FFFD, of as many bytes.
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x1_0000 ? 3 : 4;
  }
  return bytes;
}
