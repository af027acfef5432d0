import type { JuteWriter } from "../jute/writer.js";

/**
 * From the state machine's answers to ZooKeeper's records. A Stat has the same bytes in both, so
 * it is copied and not read.
 */

const STAT_BYTES = 68;

const OWNER_AT = 44;
const DATA_LENGTH_AT = 52;
const encoder = new TextEncoder();
const CONTAINER = 0x80;
const TTL = 0xff;

/**
 * Clients are shown the owner of an ephemeral. What there says that a node is a container, or how
 * long it may live, ZooKeeper keeps to itself.
 */
function hasOwner(answer: Uint8Array): boolean {
  const high = answer[OWNER_AT];
  if (high !== CONTAINER) return high !== TTL;
  for (let at = OWNER_AT + 1; at < OWNER_AT + 8; at += 1) if (answer[at] !== 0) return true;
  return false;
}

function intAt(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset + at, 4).getInt32(0);
}

/**
 * The answer of a node without data (`Stat | ...`) as though it had this. With `hasData` it is the
 * answer that ends with them.
 */
export function withData(answer: Uint8Array, text: string, hasData: boolean): Uint8Array {
  if (intAt(answer, DATA_LENGTH_AT) !== 0) return answer;
  const data = encoder.encode(text);
  const copy = new Uint8Array(answer.length + (hasData ? data.length : 0));
  copy.set(answer);
  if (hasData) copy.set(data, answer.length);
  new DataView(copy.buffer).setInt32(DATA_LENGTH_AT, data.length);
  return copy;
}

export function writeNothing(): void {
  // Operations whose reply is its header.
}

/** Stat | path */
export function writeCreated(answer: Uint8Array, writer: JuteWriter): void {
  writer.buffer(answer.subarray(STAT_BYTES));
}

export function writeCreated2(answer: Uint8Array, writer: JuteWriter): void {
  writeCreated(answer, writer);
  writeStat(answer, writer);
}

/** Stat */
export function writeStat(answer: Uint8Array, writer: JuteWriter): void {
  const at = writer.length;
  writer.raw(answer.subarray(0, STAT_BYTES));
  if (!hasOwner(answer)) writer.patchLong(at + OWNER_AT, 0n);
}

/** Stat | data */
export function writeData(answer: Uint8Array, writer: JuteWriter): void {
  writer.buffer(answer.subarray(STAT_BYTES));
  writeStat(answer, writer);
}

/** Stat | u32 count | count times: u16 bytes, name */
export function writeChildren(answer: Uint8Array, writer: JuteWriter): void {
  let at = STAT_BYTES + 4;
  writer.int(intAt(answer, STAT_BYTES));
  while (at < answer.length) {
    const length = ((answer[at] ?? 0) << 8) | (answer[at + 1] ?? 0);
    writer.buffer(answer.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
}

export function writeChildren2(answer: Uint8Array, writer: JuteWriter): void {
  writeChildren(answer, writer);
  writeStat(answer, writer);
}

/** Stat | entries, each: i32 perms | u8 bytes, scheme | u16 bytes, id */
export function writeAcl(answer: Uint8Array, writer: JuteWriter): void {
  const countAt = writer.length;
  let count = 0;
  writer.int(0);
  for (let at = STAT_BYTES; at < answer.length; count += 1) {
    const schemeBytes = answer[at + 4] ?? 0;
    const idAt = at + 5 + schemeBytes;
    const idBytes = ((answer[idAt] ?? 0) << 8) | (answer[idAt + 1] ?? 0);
    writer.raw(answer.subarray(at, at + 4));
    writer.buffer(answer.subarray(at + 5, idAt));
    at = idAt + 2 + idBytes;
    writer.buffer(answer.subarray(idAt + 2, at));
  }
  writer.patchInt(countAt, count);
  writeStat(answer, writer);
}

/** u32 count | count times: u8 op | u32 bytes, answer. Calls back with each answer, in order. */
export function eachOfMulti(
  answer: Uint8Array,
  visit: (part: Uint8Array, index: number) => void,
): void {
  const count = intAt(answer, 0);
  let at = 4;
  for (let i = 0; i < count; i += 1) {
    const length = intAt(answer, at + 1);
    visit(answer.subarray(at + 5, at + 5 + length), i);
    at += 5 + length;
  }
}
