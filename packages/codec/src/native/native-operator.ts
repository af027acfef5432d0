import { encodeCaller } from "@quorate/protocol";

/**
 * What only the ensemble's operator may ask for, over the native port: whoever knows its secret.
 *
 *   challenge  nothing → a nonce of this connection
 *   operate    u8 op | u8 bytes, proof | that op's content; the key is that op's → its answer
 *
 * The proof is HMAC-SHA256 with the secret over {@link operatorTranscript}; no bytes where there is
 * no secret. It is of no use on another connection, where the nonce is another.
 */
export const NATIVE_OP_CHALLENGE = 45;
export const NATIVE_OP_OPERATE = 46;

export const OPERATOR_NONCE_BYTES = 16;
export const OPERATOR_PROOF_BYTES = 32;
/** Of an operator's request, besides the content of its operation. */
export const OPERATE_OVERHEAD_BYTES = 2 + OPERATOR_PROOF_BYTES;

const LABEL = new TextEncoder().encode("quorate operator 1\0");
const encoder = new TextEncoder();

export interface OperatorRequest {
  readonly op: number;
  readonly proof: Uint8Array;
  readonly content: Uint8Array;
}

export function encodeOperate({ op, proof, content }: OperatorRequest): Uint8Array {
  const bytes = new Uint8Array(2 + proof.length + content.length);
  bytes[0] = op;
  bytes[1] = proof.length;
  bytes.set(proof, 2);
  bytes.set(content, 2 + proof.length);
  return bytes;
}

/** Views into the content; null when it cannot be read. */
export function decodeOperate(content: Uint8Array): OperatorRequest | null {
  const [op, proofBytes] = content;
  if (op === undefined || proofBytes === undefined) return null;
  if (proofBytes !== 0 && proofBytes !== OPERATOR_PROOF_BYTES) return null;
  const contentAt = 2 + proofBytes;
  if (content.length < contentAt) return null;
  return { op, proof: content.subarray(2, contentAt), content: content.subarray(contentAt) };
}

/** Label | nonce | u8 op | u32 bytes, key | content. */
export function operatorTranscript(
  nonce: Uint8Array,
  { op, key, content }: { readonly op: number; readonly key: string; readonly content: Uint8Array },
): Uint8Array {
  const name = encoder.encode(key);
  const bytes = new Uint8Array(LABEL.length + nonce.length + 5 + name.length + content.length);
  bytes.set(LABEL);
  bytes.set(nonce, LABEL.length);
  let at = LABEL.length + nonce.length;
  bytes[at] = op;
  new DataView(bytes.buffer).setUint32(at + 1, name.length);
  at += 5;
  bytes.set(name, at);
  bytes.set(content, at + name.length);
  return bytes;
}

/** Whom the tree takes an operator for: ACLs do not hold it back. */
export const OPERATOR_CALLER = encodeCaller({
  session: null,
  identities: [{ scheme: "super", id: "" }],
});
