/** FNV-1a over bytes, 32 bits. */
export function hashBytes(bytes: Uint8Array, start = 0): number {
  let hash = (0x811c9dc5 ^ start) >>> 0;
  for (let i = 0; i < bytes.length; i += 1) {
    hash = Math.imul(hash ^ (bytes[i] ?? 0), 0x01000193) >>> 0;
  }
  return hash;
}
