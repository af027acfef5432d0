import { PROTOCOL_VERSION, QuorateError } from "@quorate/protocol";
import { Packr, RESERVE_START_SPACE, RESET_BUFFER_MODE, REUSE_BUFFER_MODE } from "msgpackr";
import { malformed } from "./fields.js";
import { checkShape } from "./shape.js";

/**
 * Plain msgpack and nothing else: no records, no shared structures, no bundled strings, no
 * extensions. 64-bit integers are bigints in both directions; other integers are numbers.
 */
const packr = new Packr({
  useRecords: false,
  moreTypes: false,
  bundleStrings: false,
  variableMapSize: true,
  int64AsType: "bigint",
});

const bodyAt = { start: 1 };

/** Encodes into the library's buffer and leaves that to the next call. */
const IN_PLACE = REUSE_BUFFER_MODE | RESET_BUFFER_MODE | RESERVE_START_SPACE | 1;

/**
 * The version byte, then `value` in msgpack. The result is a copy of its own size: the library's
 * buffer grows to four times the largest frame, and a view of it would keep all of that alive until
 * the slowest peer has taken the frame.
 */
export function pack(value: readonly unknown[]): Uint8Array {
  const room = packr.pack(value, IN_PLACE) as Buffer & { readonly start: number; end: number };
  const bytes = Buffer.from(room.subarray(room.start, room.end));
  bytes[0] = PROTOCOL_VERSION;
  return bytes;
}

/** The array behind the version byte, its shape checked before anything of it is allocated. */
export function unpackBody(bytes: Uint8Array): readonly unknown[] {
  if (bytes.length === 0) throw malformed("empty");
  if (bytes[0] !== PROTOCOL_VERSION) {
    throw new QuorateError("ERR_PROTOCOL_VERSION", "the peer speaks another protocol version", {
      details: { own: PROTOCOL_VERSION, peer: bytes[0] },
    });
  }
  checkShape(bytes, 1);
  const body: unknown = packr.unpack(bytes, bodyAt);
  if (!Array.isArray(body)) throw malformed("not an array");
  return body;
}
