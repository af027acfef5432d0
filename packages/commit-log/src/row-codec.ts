import { crc32 } from "node:zlib";
import { NO_VALUE, PackedRows, type StateRows } from "@quorate/protocol";

/** Rows in memory that can be handed to another thread: their own, when they have it alone. */
export function bufferOf(rows: StateRows): ArrayBuffer {
  const { bytes } = PackedRows.of(rows);
  const { buffer } = bytes;
  const isAlone = buffer instanceof ArrayBuffer && buffer.byteLength === bytes.length;
  return isAlone ? buffer : copied(bytes);
}

/** In memory of its own, which can be handed to another thread. */
export function copied(bytes: Uint8Array): ArrayBuffer {
  const copy = new ArrayBuffer(bytes.length);
  new Uint8Array(copy).set(bytes);
  return copy;
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
