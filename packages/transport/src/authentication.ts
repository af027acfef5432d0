import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { NONCE_BYTES } from "@quorate/codec";

const EMPTY = new Uint8Array();

export function makeNonce(): Uint8Array {
  return randomBytes(NONCE_BYTES);
}

/**
 * One side's proof that it knows the secret: an HMAC over the very frames of hello and challenge,
 * hence over both names, ids, roles and nonces. The side is part of it, so that a proof cannot be
 * reflected. Empty without a secret.
 */
export function handshakeProof(
  side: "dialler" | "listener",
  secret: string | undefined,
  transcript: { readonly hello: Uint8Array; readonly challenge: Uint8Array },
): Uint8Array {
  if (secret === undefined) return EMPTY;
  return createHmac("sha256", secret)
    .update(`quorate ${side}\0${transcript.hello.length}\0`)
    .update(transcript.hello)
    .update(transcript.challenge)
    .digest();
}

export function isSameProof(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
