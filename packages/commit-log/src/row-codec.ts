import { crc32 } from "node:zlib";
import type { StateRow } from "@quorate/protocol";

/**
 * Rows in one buffer that moves between threads without a copy per row:
 * per row u32 key bytes | u32 value bytes (all ones: no value) | key | value
 */
const HEADER_BYTES = 8;
const NO_VALUE = 0xffff_ffff;

export function packRows(rows: readonly StateRow[]): ArrayBuffer {
  let size = 0;
  for (const { key, value } of rows) size += HEADER_BYTES + key.length + (value?.length ?? 0);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const { key, value } of rows) {
    view.setUint32(at, key.length);
    view.setUint32(at + 4, value === null ? NO_VALUE : value.length);
    bytes.set(key, at + HEADER_BYTES);
    if (value !== null) bytes.set(value, at + HEADER_BYTES + key.length);
    at += HEADER_BYTES + key.length + (value?.length ?? 0);
  }
  return bytes.buffer;
}

/** The rows are views into the buffer. */
export function unpackRows(buffer: ArrayBuffer): StateRow[] {
  const view = new DataView(buffer);
  const rows: StateRow[] = [];
  for (let at = 0; at < buffer.byteLength;) {
    const keyBytes = view.getUint32(at);
    const valueBytes = view.getUint32(at + 4);
    const valueAt = at + HEADER_BYTES + keyBytes;
    const value = valueBytes === NO_VALUE ? null : new Uint8Array(buffer, valueAt, valueBytes);
    rows.push({ key: new Uint8Array(buffer, at + HEADER_BYTES, keyBytes), value });
    at = valueAt + (value?.length ?? 0);
  }
  return rows;
}

/** How many rows there are in such a buffer, and how many of them have a value. */
export function countRows(buffer: ArrayBuffer): { readonly rows: number; readonly values: number } {
  const view = new DataView(buffer);
  let rows = 0;
  let values = 0;
  for (let at = 0; at < buffer.byteLength; rows += 1) {
    const valueBytes = view.getUint32(at + 4);
    at += HEADER_BYTES + view.getUint32(at);
    if (valueBytes === NO_VALUE) continue;
    at += valueBytes;
    values += 1;
  }
  return { rows, values };
}

/** Of schema 1. Covers where the row stands as well: a row in the wrong place is a damaged row. */
export function rowChecksum(generation: number, key: Uint8Array, value: Uint8Array | null): number {
  const header = Buffer.alloc(16);
  header.writeBigUInt64BE(BigInt(generation), 0);
  header.writeUInt32BE(key.length, 8);
  header.writeUInt32BE(value === null ? NO_VALUE : value.length, 12);
  return checksumOver(value, checksumOver(key, crc32(header)));
}

/** Over no bytes at all zlib's crc32 forgets what it was given to continue. */
function checksumOver(bytes: Uint8Array | null, seed: number): number {
  return bytes === null || bytes.length === 0 ? seed : crc32(bytes, seed);
}

const SUM_MODULUS = 2 ** 48;

export function addToSum(sum: number, checksum: number): number {
  return (sum + checksum) % SUM_MODULUS;
}
