import type { Random } from "@quorate/protocol";

/**
 * A secret of the process, so that nobody outside can choose paths that fall together: two words.
 * It decides where a path is found, and nothing that anybody could tell.
 */
export type PathKey = readonly [number, number];

export function pathKeyFrom(random: Random): PathKey {
  const drawn = random.nextUint64();
  return [Number(drawn & 0xffff_ffffn), Number(drawn >> 32n)];
}

/** For tests and simulations. */
export const PLAIN_PATH_KEY: PathKey = [0, 0];

const INITIAL_2 = 0x6c79_6765;
const INITIAL_3 = 0x7465_6462;
const LAST = 0xff;
const LAST_ROUNDS = 3;

/**
 * HalfSipHash-1-3 (Aumasson and Bernstein's SipHash on words of 32 bits) of paths. A hash without
 * a key would let clients fill one place of a table with all their nodes.
 */
export class PathHash {
  readonly #low: number;
  readonly #high: number;

  constructor([low, high]: PathKey) {
    this.#low = low | 0;
    this.#high = high | 0;
  }

  /** An int32. */
  of(bytes: Uint8Array, from: number, length: number): number {
    let v0 = this.#low;
    let v1 = this.#high;
    let v2 = INITIAL_2 ^ v0;
    let v3 = INITIAL_3 ^ v1;
    const whole = length >>> 2;
    let at = from;
    for (let i = 0; i <= whole + LAST_ROUNDS; i += 1) {
      let word = 0;
      if (i < whole) {
        word =
          (bytes[at] ?? 0) |
          ((bytes[at + 1] ?? 0) << 8) |
          ((bytes[at + 2] ?? 0) << 16) |
          ((bytes[at + 3] ?? 0) << 24);
        at += 4;
      } else if (i === whole) {
        word = length << 24;
        for (let shift = 0; at < from + length; at += 1, shift += 8) {
          word |= (bytes[at] ?? 0) << shift;
        }
      } else if (i === whole + 1) {
        v2 ^= LAST;
      }
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
    }
    return v1 ^ v3;
  }
}
