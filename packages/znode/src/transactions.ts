import { assert } from "@quorate/protocol";
import { getMs, setMs, viewOf } from "./stat.js";

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

/** Packs a create or a set; the data is what follows `dataAt` in the request. */
export function encodeWrite(
  counter: number,
  timeMs: number,
  request: Uint8Array,
  dataAt: number,
): Uint8Array {
  const content = new Uint8Array(WRITE_HEADER_BYTES + request.length - dataAt);
  const view = viewOf(content);
  view.setUint32(0, FORMAT_WORD);
  view.setInt32(4, counter);
  setMs(view, 8, timeMs);
  content.set(dataAt === 0 ? request : request.subarray(dataAt), WRITE_HEADER_BYTES);
  return content;
}

/** @throws InvariantError: an entry that was committed and cannot be read means divergence. */
export function decodeWrite(content: Uint8Array): WriteTransaction {
  assert(content.length >= WRITE_HEADER_BYTES, "a write transaction has its header");
  const view = viewOf(content);
  assert(view.getUint32(0) === FORMAT_WORD, "the write transaction's format is known");
  return {
    counter: view.getInt32(4),
    timeMs: getMs(view, 8),
    data: content.subarray(WRITE_HEADER_BYTES),
  };
}

export function encodeDeleteTransaction(): Uint8Array {
  const content = new Uint8Array(DELETE_TRANSACTION_BYTES);
  viewOf(content).setUint32(0, FORMAT_WORD);
  return content;
}

/** @throws InvariantError as {@link decodeWrite}. */
export function checkDeleteTransaction(content: Uint8Array): void {
  const isKnown =
    content.length === DELETE_TRANSACTION_BYTES && viewOf(content).getUint32(0) === FORMAT_WORD;
  assert(isKnown, "the delete transaction's format is known");
}
