import * as crypto from "node:crypto";
import type { Chain, ChainHash } from "@quorate/protocol";

/** Added to Node 20 by 20.12, so it is there; the fallback is for look-alike runtimes. */
const oneShot: ((block: Uint8Array) => Buffer) | undefined =
  typeof crypto.hash === "function" ? (block) => crypto.hash("sha256", block, "buffer") : undefined;

/** The first 8 bytes, big-endian, of the block's SHA-256. */
export const chainHash: ChainHash = (block) => {
  const digest = oneShot?.(block) ?? crypto.createHash("sha256").update(block).digest();
  return digest.readBigUInt64BE(0) as Chain;
};
