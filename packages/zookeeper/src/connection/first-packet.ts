import { QuorateError } from "@quorate/protocol";
import type { FrameDecoder } from "../jute/frame.js";
import { CONNECT_BYTES_MAX } from "../limits.js";
import { wordOf } from "../words/words.js";

/** What a connection starts with; null when too little of it has arrived. */
export type FirstPacket =
  | { readonly kind: "word"; readonly word: string }
  | { readonly kind: "connect"; readonly packet: Uint8Array }
  | null;

/** @throws ERR_PROTOCOL_DECODE when it starts with nothing that a client of ZooKeeper says. */
export function firstPacket(decoder: FrameDecoder): FirstPacket {
  const length = decoder.peekLength();
  if (length === null) return null;
  const word = wordOf(length);
  if (word !== null) return { kind: "word", word };
  if (length > CONNECT_BYTES_MAX) {
    throw new QuorateError("ERR_PROTOCOL_DECODE", "no connect request", { details: { length } });
  }
  const packet = decoder.next();
  return packet === null ? null : { kind: "connect", packet };
}
