const encoder = new TextEncoder();

/**
 * Writes UTF-8, for which three bytes a UTF-16 unit are room enough. A path is short and ASCII
 * nearly always: written without a call out of the engine, and without a view for it.
 * @returns how many bytes.
 */
export function writeText(text: string, bytes: Uint8Array, at: number): number {
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return encoder.encodeInto(text, bytes.subarray(at)).written;
    bytes[at + i] = unit;
  }
  return text.length;
}
