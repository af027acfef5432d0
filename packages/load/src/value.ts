/** What values hold: bytes that nothing makes shorter by squeezing. */
export function valueOf(bytes: number): Uint8Array {
  const value = new Uint8Array(bytes);
  let state = 0x2545f491;
  for (let i = 0; i < bytes; i += 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) | 0;
    value[i] = state >>> 16;
  }
  return value;
}
