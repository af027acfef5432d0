/** Randomness as an input. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform unsigned 64-bit, unpredictable in production. */
  nextUint64(): bigint;
}
