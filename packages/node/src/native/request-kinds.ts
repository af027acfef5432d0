import type { NativeRequest } from "@quorate/codec";
import { NATIVE_OP_SUBSCRIBE, NATIVE_OP_TAKEN, NATIVE_OP_UNSUBSCRIBE } from "@quorate/codec";
import { isInternalOpCode, isLeaderOpCode, isSessionOpCode } from "@quorate/protocol";
import { hasCaller, withCaller } from "@quorate/znode";
import { MESSAGE_OVERHEAD_BYTES } from "./outbox.js";

/** The request's content behind who asks, where the tree wants to know. */
export function wholeOf({ op, content }: NativeRequest, caller: Uint8Array): Uint8Array {
  return hasCaller(op) ? withCaller(caller, content) : content;
}

/** Decides who votes, who has a session and what has expired. */
export function isNodesOwn(op: number): boolean {
  return isInternalOpCode(op) || isLeaderOpCode(op) || isSessionOpCode(op);
}

/** About what is committed, as it is. */
export function isSubscriptionOp(op: number): boolean {
  return op === NATIVE_OP_SUBSCRIBE || op === NATIVE_OP_TAKEN || op === NATIVE_OP_UNSUBSCRIBE;
}

/** Against the bounds of what is taken on. */
export function bytesOf(request: NativeRequest): number {
  return MESSAGE_OVERHEAD_BYTES + request.key.length + request.content.length;
}
