/** Uniform in [0, 1), the same for the same seed: a small xorshift, good enough to choose. */
export function seededRandom(seed: number): () => number {
  let state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  const next = (): number => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
  // Near seeds begin with near numbers.
  for (let i = 0; i < 16; i += 1) next();
  return next;
}
