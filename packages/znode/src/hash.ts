/**
 * A 64-bit hash for comparing states, not for secrets: two lanes of 32 bits, each a multiply and
 * rotate per word, with different constants so that what collides in one does not in the other.
 *
 * Input is a sequence of parts. Each part is its length as one word, then its bytes as
 * little-endian words, the last one padded with zeros. The result is `high << 32 | low`.
 */
export class Hash64 {
  /** The result after {@link finish}, as signed 32-bit halves. */
  high = 0;
  low = 0;

  start(): void {
    this.high = 0x243f6a88;
    this.low = 0x85a308d3 | 0;
  }

  part(bytes: Uint8Array, length: number, from = 0): void {
    let a = this.high;
    let b = this.low;
    const end = from + length;
    const whole = from + (length & ~3);
    let word = length | 0;
    let at = from;
    for (;;) {
      const ka = Math.imul(word, 0xcc9e2d51);
      a ^= Math.imul((ka << 15) | (ka >>> 17), 0x1b873593);
      a = (Math.imul((a << 13) | (a >>> 19), 5) + 0x66b3a1c9) | 0;
      const kb = Math.imul(word, 0x9e3779b1);
      b ^= Math.imul((kb << 16) | (kb >>> 16), 0x85ebca77);
      b = (Math.imul((b << 18) | (b >>> 14), 9) + 0x27d4eb2f) | 0;
      if (at < whole) {
        word =
          (bytes[at] ?? 0) |
          ((bytes[at + 1] ?? 0) << 8) |
          ((bytes[at + 2] ?? 0) << 16) |
          ((bytes[at + 3] ?? 0) << 24);
        at += 4;
      } else if (at < end) {
        word = 0;
        for (let shift = 0; at < end; at += 1, shift += 8) word |= (bytes[at] ?? 0) << shift;
      } else {
        break;
      }
    }
    this.high = a;
    this.low = b;
  }

  finish(): void {
    // Each half of the result depends on both lanes.
    const a = avalanche((this.high + this.low) | 0);
    const b = avalanche((this.low + Math.imul(a, 0x9e3779b1)) | 0);
    this.high = (a + b) | 0;
    this.low = b;
  }
}

function avalanche(value: number): number {
  let h = value ^ (value >>> 16);
  h = Math.imul(h, 0x7feb352d);
  h ^= h >>> 15;
  h = Math.imul(h, 0x846ca68b);
  return h ^ (h >>> 16);
}
