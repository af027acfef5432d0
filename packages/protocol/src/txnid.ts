import { QuorateError } from "./errors.js";
import { EPOCH_MAX, TXN_COUNTER_MAX } from "./limits.js";

declare const txnidBrand: unique symbol;
declare const epochBrand: unique symbol;

/** A leadership term, u32. Epoch 0 precedes every leader. */
export type Epoch = number & { readonly [epochBrand]: true };

/**
 * A transaction id: `epoch << 32 | counter` (ZooKeeper's zxid; Zab's pair ⟨e, c⟩).
 * Ordered as an unsigned 64-bit number. Counters start at 1; {@link TXNID_ZERO} precedes all.
 */
export type Txnid = bigint & { readonly [txnidBrand]: true };

export const EPOCH_ZERO = 0 as Epoch;
export const TXNID_ZERO = 0n as Txnid;

/** @throws ERR_ARG_EPOCH unless `value` is an integer in 0..2^32-1. */
export function toEpoch(value: number): Epoch {
  if (!Number.isInteger(value) || value < 0 || value > EPOCH_MAX) {
    throw new QuorateError("ERR_ARG_EPOCH", `an epoch is an integer in 0..${EPOCH_MAX}`, {
      details: { value },
    });
  }
  return value as Epoch;
}

/** @throws ERR_ARG_EPOCH, ERR_ARG_TXNID when a half is out of its 32 bits. */
export function makeTxnid(epoch: number, counter: number): Txnid {
  toEpoch(epoch);
  if (!Number.isInteger(counter) || counter < 0 || counter > TXN_COUNTER_MAX) {
    throw new QuorateError("ERR_ARG_TXNID", `a counter is an integer in 0..${TXN_COUNTER_MAX}`, {
      details: { counter },
    });
  }
  return ((BigInt(epoch) << 32n) | BigInt(counter)) as Txnid;
}

/** Brands a raw unsigned 64-bit value. @throws ERR_ARG_TXNID when out of range. */
export function toTxnid(value: bigint): Txnid {
  if (value < 0n || value > 0xffff_ffff_ffff_ffffn) {
    throw new QuorateError("ERR_ARG_TXNID", "a txnid is an unsigned 64-bit number");
  }
  return value as Txnid;
}

export function epochOf(txnid: Txnid): Epoch {
  return Number(txnid >> 32n) as Epoch;
}

export function counterOf(txnid: Txnid): number {
  return Number(txnid & 0xffff_ffffn);
}

/** The txnid `steps` after this one in the same epoch. @throws ERR_PROTOCOL_TXNID_EXHAUSTED. */
export function advanceTxnid(txnid: Txnid, steps: number): Txnid {
  if (counterOf(txnid) + steps > TXN_COUNTER_MAX) {
    // A counter that wraps would repeat txnids: the leader must end its epoch instead.
    throw new QuorateError("ERR_PROTOCOL_TXNID_EXHAUSTED", "the epoch has no txnid left");
  }
  return (txnid + BigInt(steps)) as Txnid;
}

/** The printed form, `e7:12`. Never print the raw number. */
export function formatTxnid(txnid: Txnid): string {
  return `e${epochOf(txnid)}:${counterOf(txnid)}`;
}

/** Reads {@link formatTxnid}'s form. @throws ERR_ARG_TXNID. */
export function parseTxnid(text: string): Txnid {
  const match = /^e(\d{1,10}):(\d{1,10})$/.exec(text);
  if (match === null) {
    throw new QuorateError("ERR_ARG_TXNID", 'a txnid is written like "e7:12"', {
      details: { text: text.slice(0, 40) },
    });
  }
  return makeTxnid(Number(match[1]), Number(match[2]));
}

export function maxTxnid(a: Txnid, b: Txnid): Txnid {
  return a > b ? a : b;
}

export function minTxnid(a: Txnid, b: Txnid): Txnid {
  return a < b ? a : b;
}
