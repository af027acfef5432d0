import { randomBytes } from "node:crypto";
import type { Random } from "@quorate/protocol";

const POOL_BYTES = 4096;

/** Unpredictable randomness of the operating system. */
export function createRandom(): Random {
  let pool = randomBytes(POOL_BYTES);
  let at = 0;
  const nextUint64 = (): bigint => {
    if (at + 8 > POOL_BYTES) {
      pool = randomBytes(POOL_BYTES);
      at = 0;
    }
    at += 8;
    return pool.readBigUInt64BE(at - 8);
  };
  return { nextUint64, next: () => Number(nextUint64() >> 11n) / 2 ** 53 };
}
