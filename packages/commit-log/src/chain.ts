import { hash } from "node:crypto";
import type { Chain } from "@quorate/protocol";

const HEX_DIGITS = 16;

/** The chain as every log has it: the first 8 bytes of the block's SHA-256, big-endian. */
export function sha256Chain(block: Uint8Array): Chain {
  return chainFrom(chainText(block));
}

/** The same as 16 hexadecimal digits. Without an object for each hash, which small blocks feel. */
export function chainText(block: Uint8Array): string {
  return hash("sha256", block).slice(0, HEX_DIGITS);
}

export function chainFrom(text: string): Chain {
  return BigInt(`0x${text}`) as Chain;
}
