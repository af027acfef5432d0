import { createHash } from "node:crypto";
import type { Chain } from "@quorate/protocol";

/** The chain as every log has it: the first 8 bytes of the block's SHA-256, big-endian. */
export function sha256Chain(block: Uint8Array): Chain {
  return createHash("sha256").update(block).digest().readBigUInt64BE(0) as Chain;
}
