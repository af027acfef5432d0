import { QuorateError, TXNID_ZERO } from "@quorate/protocol";
import { NATIVE_ANSWER_BYTES_MAX, type NativeReply } from "@quorate/codec";

/** The reply to a read: what fits no frame would end the connection, so it is refused. */
export function readAnswer(id: number, content: Uint8Array): NativeReply {
  if (content.length <= NATIVE_ANSWER_BYTES_MAX) {
    return { id, ok: true, txnid: TXNID_ZERO, content };
  }
  const message = `the answer exceeds ${NATIVE_ANSWER_BYTES_MAX} bytes`;
  return { id, ok: false, error: new QuorateError("ERR_ARG_TOO_LARGE", message) };
}
