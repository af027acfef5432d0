import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { NONCE_BYTES } from "@quorate/codec";

/** Bytes of the HMAC behind a ballot datagram. */
export const DATAGRAM_MAC_BYTES = 16;

const EMPTY = new Uint8Array();

export function makeNonce(): Uint8Array {
  return randomBytes(NONCE_BYTES);
}

/** Appends the datagram's HMAC, when there is a secret. */
export function sealDatagram(bytes: Uint8Array, secret: string | undefined): Uint8Array {
  return secret === undefined ? bytes : Buffer.concat([bytes, datagramMac(bytes, secret)]);
}

/** The datagram without its HMAC; null when that is wrong. */
export function openDatagram(bytes: Uint8Array, secret: string | undefined): Uint8Array | null {
  if (secret === undefined) return bytes;
  const end = bytes.length - DATAGRAM_MAC_BYTES;
  if (end <= 0) return null;
  const body = bytes.subarray(0, end);
  return timingSafeEqual(datagramMac(body, secret), bytes.subarray(end)) ? body : null;
}

function datagramMac(bytes: Uint8Array, secret: string): Buffer {
  const mac = createHmac("sha256", secret).update("quorate ballot\0").update(bytes).digest();
  return mac.subarray(0, DATAGRAM_MAC_BYTES);
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
