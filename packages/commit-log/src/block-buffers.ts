/** Bytes of buffers that are kept for reuse; what comes back beyond it is left to the collector. */
export const KEPT_BYTES_MAX = 4 * 1024 * 1024;
/** Sizes are powers of two from here on, so that one buffer serves many sizes. */
const BUFFER_BYTES_MIN = 64 * 1024;

/**
 * The buffers in which blocks travel to the log thread, and come back once they are written. A
 * thread that does nothing but write allocates so little that its collector hardly ever runs: each
 * buffer left to it would stay for as long as tens of megabytes of others.
 */
export class BlockBuffers {
  #kept: ArrayBuffer[] = [];
  #keptBytes = 0;

  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** A buffer of at least this length, with anything in it. */
  take(length: number): ArrayBuffer {
    const size = sizeFor(length);
    const at = this.#kept.findIndex(({ byteLength }) => byteLength === size);
    const [found] = at === -1 ? [] : this.#kept.splice(at, 1);
    if (found === undefined) return new ArrayBuffer(size);
    this.#keptBytes -= size;
    return found;
  }

  give(buffers: readonly ArrayBuffer[]): void {
    for (const buffer of buffers) {
      this.#kept.push(buffer);
      this.#keptBytes += buffer.byteLength;
    }
    // The load changes: what has not been taken for longest goes first.
    while (this.#keptBytes > KEPT_BYTES_MAX) {
      this.#keptBytes -= this.#kept.shift()?.byteLength ?? 0;
    }
  }
}

function sizeFor(length: number): number {
  let size = BUFFER_BYTES_MIN;
  while (size < length) size *= 2;
  return size;
}
