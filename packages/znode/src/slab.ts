/** Bytes of one slab. A piece that is kept keeps its slab, so this bounds the waste per piece. */
const SLAB_BYTES = 32 * 1024;
/** A longer piece gets memory of its own. */
const SHARED_PIECE_BYTES_MAX = 8 * 1024;

interface Memory {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/**
 * Memory for many short-lived pieces: a typed array of its own for each costs more than all the
 * rest of preparing and applying a small write. Pieces never overlap and are never used again.
 */
export class Slab {
  #shared = memoryOf(0);
  /** Of the shared one. */
  #used = 0;
  /** Where the piece just reserved lies. */
  #current = this.#shared;

  /** Where the piece just reserved is written. */
  get view(): DataView {
    return this.#current.view;
  }

  get bytes(): Uint8Array {
    return this.#current.bytes;
  }

  /** Zeroed memory for a piece of at most `length` bytes, from the offset returned. */
  reserve(length: number): number {
    if (length > SHARED_PIECE_BYTES_MAX) {
      this.#current = memoryOf(length);
      return 0;
    }
    if (this.#used + length > this.#shared.bytes.length) {
      this.#shared = memoryOf(SLAB_BYTES);
      this.#used = 0;
    }
    this.#current = this.#shared;
    const at = this.#used;
    this.#used += length;
    return at;
  }

  /** Zeroed memory for a piece of exactly `length` bytes. */
  piece(length: number): Uint8Array {
    const at = this.reserve(length);
    return this.#current.bytes.subarray(at, at + length);
  }
}

function memoryOf(length: number): Memory {
  const bytes = new Uint8Array(length);
  return { bytes, view: new DataView(bytes.buffer) };
}
