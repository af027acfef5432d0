import { createHmac, timingSafeEqual } from "node:crypto";

/** Bytes of the HMAC behind a datagram. */
export const DATAGRAM_MAC_BYTES = 16;

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
