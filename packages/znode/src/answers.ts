import { malformed, STAT_BYTES, statAt, viewOf, type Stat } from "./stat.js";

/**
 * Contents of answers, big-endian.
 *   create          Stat | path
 *   set, exists     Stat
 *   get             Stat | data
 *   children        Stat | u32 count | count times: u16 bytes, name; in order of UTF-16 units
 *   delete, broadcast   nothing
 */

export interface CreateResult {
  readonly path: string;
  readonly stat: Stat;
}

export interface GetResult {
  /** A view into the answer. */
  readonly data: Uint8Array;
  readonly stat: Stat;
}

export interface ChildrenResult {
  /** Names, not paths. */
  readonly children: readonly string[];
  readonly stat: Stat;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The answer of set and exists. @throws ERR_PROTOCOL_DECODE. */
export function decodeStat(content: Uint8Array): Stat {
  if (content.length !== STAT_BYTES) throw malformed("Stat", content.length);
  return statAt(content);
}

/** @throws ERR_PROTOCOL_DECODE. */
export function decodeCreateResult(content: Uint8Array): CreateResult {
  return { stat: statAt(content), path: textOf(content, STAT_BYTES, content.length) };
}

/** @throws ERR_PROTOCOL_DECODE. */
export function decodeGetResult(content: Uint8Array): GetResult {
  const stat = statAt(content);
  const data = content.subarray(STAT_BYTES);
  if (data.length !== stat.dataLength) throw malformed("data", content.length);
  return { data, stat };
}

/** @throws ERR_PROTOCOL_DECODE. */
export function decodeChildren(content: Uint8Array): ChildrenResult {
  const stat = statAt(content);
  if (content.length < STAT_BYTES + 4) throw malformed("children", content.length);
  const view = viewOf(content);
  const count = view.getUint32(STAT_BYTES);
  let at = STAT_BYTES + 4;
  // A name takes three bytes at least, so a forged count cannot ask for more than was sent.
  if (count * 3 > content.length - at) throw malformed("children", content.length);
  const children: string[] = [];
  for (let i = 0; i < count; i += 1) {
    if (at + 2 > content.length) throw malformed("children", content.length);
    const nameAt = at + 2;
    at = nameAt + view.getUint16(at);
    if (at > content.length) throw malformed("children", content.length);
    children.push(textOf(content, nameAt, at));
  }
  if (at !== content.length) throw malformed("children", content.length);
  return { children, stat };
}

function textOf(content: Uint8Array, from: number, to: number): string {
  try {
    return decoder.decode(content.subarray(from, to));
  } catch (cause) {
    throw Object.assign(malformed("text", content.length), { cause });
  }
}
