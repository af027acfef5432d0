import { BATCH_BYTES_MAX, FRAME_MESSAGES_MAX, KEY_BYTES_MAX } from "@quorate/protocol";
import { malformed } from "./fields.js";
import {
  FRAME_DEPTH_MAX,
  FRAME_TOKENS_MAX,
  MESSAGE_FIELDS_MAX,
  MEMBERS_MAX,
} from "./wire-limits.js";

const REFUSED = 255;
const ARRAY = 254;
const BYTES = 253;
const TEXT = 252;

/** What may follow each first byte: so many bytes, or one of the classes above. */
const classOf: Uint8Array = (() => {
  const table = new Uint8Array(256).fill(REFUSED);
  table.fill(0, 0x00, 0x80); // small unsigned integers
  table.fill(ARRAY, 0x90, 0xa0);
  table.fill(TEXT, 0xa0, 0xc0);
  table.fill(BYTES, 0xc4, 0xc7);
  table.fill(TEXT, 0xd9, 0xdc);
  table.fill(ARRAY, 0xdc, 0xde);
  for (const [token, size] of [
    [0xc0, 0], // nil
    [0xc2, 0], // false
    [0xc3, 0], // true
    [0xcb, 8], // float 64: integers above 2^32
    [0xcc, 1],
    [0xcd, 2],
    [0xce, 4],
    [0xcf, 8],
    [0xd3, 8],
  ] as const) {
    table[token] = size;
  }
  return table;
})();

const elementsMax = [FRAME_MESSAGES_MAX, MESSAGE_FIELDS_MAX, MEMBERS_MAX * 2];

/**
 * Walks over a msgpack value and allocates nothing, so that the decoder behind it meets only
 * arrays, integers, text, bytes, booleans and nil, in the counts and lengths that a frame may
 * have: a declared length is believed only after this. Maps, extensions and records, which could
 * make the decoder do more than read, are refused.
 * @throws ERR_PROTOCOL_DECODE.
 */
export function checkShape(bytes: Uint8Array, start: number): void {
  const end = bytes.length;
  const left = new Uint32Array(FRAME_DEPTH_MAX);
  let depth = -1;
  let at = start;
  for (let tokens = 1; ; tokens += 1) {
    if (tokens > FRAME_TOKENS_MAX) throw malformed("too many values");
    if (at >= end) throw malformed("truncated");
    const token = bytes[at] ?? 0;
    const kind = classOf[token] ?? REFUSED;
    at += 1;
    if (depth >= 0) left[depth] = (left[depth] ?? 0) - 1;
    else if (kind !== ARRAY) throw malformed("not an array");
    if (kind < TEXT) {
      at += kind;
    } else if (kind === REFUSED) {
      throw malformed("unexpected type", { token });
    } else {
      const headBytes = lengthBytes(token);
      if (at + headBytes > end) throw malformed("truncated");
      const length = declaredLength(bytes, at, token, headBytes);
      at += headBytes;
      if (kind === ARRAY) {
        depth += 1;
        if (length > (elementsMax[depth] ?? -1)) throw malformed("array", { length, depth });
        left[depth] = length;
      } else {
        if (length > (kind === TEXT ? KEY_BYTES_MAX : BATCH_BYTES_MAX)) {
          throw malformed("length", { length });
        }
        at += length;
      }
    }
    while (depth >= 0 && left[depth] === 0) depth -= 1;
    if (depth < 0) break;
  }
  if (at !== end) throw malformed(at > end ? "truncated" : "trailing bytes");
}

function lengthBytes(token: number): number {
  switch (token) {
    case 0xc4:
    case 0xd9:
      return 1;
    case 0xc5:
    case 0xda:
    case 0xdc:
      return 2;
    case 0xc6:
    case 0xdb:
    case 0xdd:
      return 4;
    default:
      return 0;
  }
}

function declaredLength(bytes: Uint8Array, at: number, token: number, headBytes: number): number {
  if (headBytes === 0) return token < 0xa0 ? token & 0x0f : token & 0x1f;
  let length = 0;
  for (let i = 0; i < headBytes; i += 1) length = length * 256 + (bytes[at + i] ?? 0);
  return length;
}
