/** Bytes of one slab. A piece that is kept keeps its slab, so this bounds the waste per piece. */
const SLAB_BYTES = 32 * 1024;
/** A longer piece gets memory of its own. */
const SHARED_PIECE_BYTES_MAX = 8 * 1024;

/**
 * Memory for many short-lived pieces: a typed array of its own for each costs more than all the
 * rest of preparing and applying a small write. Pieces never overlap and are never used again.
 */
export class Slab {
  #bytes = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);
  #used = 0;

  /** Where the piece just reserved is written. */
  get view(): DataView {
    return this.#view;
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Zeroed memory for a piece of at most `length` bytes, from the offset returned. */
  reserve(length: number): number {
    const at = this.#used;
    if (at + length <= this.#bytes.length) {
      this.#used += length;
      return at;
    }
    this.#bytes = new Uint8Array(length > SHARED_PIECE_BYTES_MAX ? length : SLAB_BYTES);
    this.#view = new DataView(this.#bytes.buffer);
    this.#used = length;
    return 0;
  }

  /** Zeroed memory for a piece of exactly `length` bytes. */
  piece(length: number): Uint8Array {
    const at = this.reserve(length);
    return this.#bytes.subarray(at, at + length);
  }
}
