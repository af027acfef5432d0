import { assert } from "@quorate/protocol";
import type { Slab } from "./slab.js";
import { int32At, msAt, setMs } from "./stat.js";

/**
 * Contents of prepared transactions, big-endian; path and txnid come with the entry. They carry
 * what the leader decided, so that applying asks nothing of the state and can be repeated.
 *   create  u8 format (1) | u8 mode (0) | u16 0 | i32 creates of the parent | u64 time ms | data
 *   set     u8 format (1) | u8 0 | u16 0        | i32 version               | u64 time ms | data
 *   delete  u8 format (1) | u8 0 | u16 0
 */

const FORMAT_WORD = 1 << 24;
const WRITE_HEADER_BYTES = 16;
const DELETE_TRANSACTION_BYTES = 4;

/** Of a create or a set. `counter` is the parent's number of creates or the node's version. */
export interface WriteTransaction {
  readonly counter: number;
  readonly timeMs: number;
  /** A view into the entry. */
  readonly data: Uint8Array;
}

/** Packs a create or a set into the slab; the data is what follows `dataAt` in the request. */
export function encodeWrite(
  slab: Slab,
  transaction: { readonly counter: number; readonly timeMs: number },
  request: Uint8Array,
  dataAt: number,
): Uint8Array {
  const length = WRITE_HEADER_BYTES + request.length - dataAt;
  const at = slab.reserve(length);
  const { bytes, view } = slab;
  view.setUint32(at, FORMAT_WORD);
  view.setInt32(at + 4, transaction.counter);
  setMs(view, at + 8, transaction.timeMs);
  bytes.set(request.subarray(dataAt), at + WRITE_HEADER_BYTES);
  return bytes.subarray(at, at + length);
}

/** @throws InvariantError: an entry that was committed and cannot be read means divergence. */
export function decodeWrite(content: Uint8Array): WriteTransaction {
  assert(content.length >= WRITE_HEADER_BYTES, "a write transaction has its header");
  assert(int32At(content, 0) === FORMAT_WORD, "the write transaction's format is known");
  return {
    counter: int32At(content, 4),
    timeMs: msAt(content, 8),
    data: content.subarray(WRITE_HEADER_BYTES),
  };
}

export function encodeDeleteTransaction(slab: Slab): Uint8Array {
  const at = slab.reserve(DELETE_TRANSACTION_BYTES);
  slab.view.setUint32(at, FORMAT_WORD);
  return slab.bytes.subarray(at, at + DELETE_TRANSACTION_BYTES);
}

/** @throws InvariantError as {@link decodeWrite}. */
export function checkDeleteTransaction(content: Uint8Array): void {
  const isKnown =
    content.length === DELETE_TRANSACTION_BYTES && int32At(content, 0) === FORMAT_WORD;
  assert(isKnown, "the delete transaction's format is known");
}
