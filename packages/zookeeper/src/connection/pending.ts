import { ZkOp } from "../jute/op-codes.js";
import type { JuteWriter } from "../jute/writer.js";
import { isKnown, isWrite } from "../requests/kinds.js";

export interface Answered {
  readonly xid: number;
  readonly op: number;
  readonly startedAt: number;
}

/** One request that could not be answered when it came. */
export class Pending implements Answered {
  /** The whole packet: it waits for its turn, or for the node to serve. */
  packet: Uint8Array | null = null;
  isHeld = false;
  /** What is to be replied once it is its turn. */
  reply: ((writer: JuteWriter) => number | null) | null = null;
  txnid: bigint | null = null;

  constructor(
    readonly xid: number,
    readonly op: number,
    readonly startedAt: number,
  ) {}
}

/** Carried out in its turn, from the state. */
export function isRead(op: number): boolean {
  return isKnown(op) && !isWrite(op) && op !== ZkOp.sync && op !== ZkOp.closeSession;
}

/** Takes more than one turn. */
export function isSlow(op: number): boolean {
  return op === ZkOp.sync || isSetWatches(op);
}

export function isSetWatches(op: number): boolean {
  return op === ZkOp.setWatches || op === ZkOp.setWatches2;
}

/** A sync that is not answered. */
export function isOpenSync({ op, reply }: Pending): boolean {
  return op === ZkOp.sync && reply === null;
}

/** Waits for more than its client's writes. */
export function isLate({ op, packet }: Pending, isBehindSync: boolean): boolean {
  return packet !== null && (isSetWatches(op) || (isBehindSync && isRead(op)));
}
