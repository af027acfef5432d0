const encoder = new TextEncoder();
const BYTES_INITIAL = 256;

/**
 * Writes jute's primitives into a buffer that grows. Frames may follow one another: what a
 * connection answers within one turn leaves in one piece.
 */
export class JuteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(bytesInitial = BYTES_INITIAL) {
    this.#bytes = roomFor(bytesInitial);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  /** What was written; a view, valid for as long as nothing more is written. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Drops what was written from `length` on: a reply that cannot be given after all. */
  truncate(length: number): void {
    this.#length = Math.min(length, this.#length);
  }

  int(value: number): void {
    const at = this.#reserve(4);
    this.#view.setInt32(at, value);
  }

  /** Any 64 bits, signed or not. */
  long(value: bigint): void {
    const at = this.#reserve(8);
    this.#view.setBigInt64(at, value);
  }

  boolean(value: boolean): void {
    const at = this.#reserve(1);
    this.#bytes[at] = value ? 1 : 0;
  }

  raw(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length);
    this.#bytes.set(bytes, at);
  }

  buffer(bytes: Uint8Array | null): void {
    if (bytes === null) {
      this.int(-1);
      return;
    }
    this.int(bytes.length);
    this.raw(bytes);
  }

  text(value: string | null): void {
    if (value === null) {
      this.int(-1);
      return;
    }
    // A UTF-16 unit takes three bytes at most.
    const at = this.#reserve(4 + value.length * 3);
    const { written } = encoder.encodeInto(value, this.#bytes.subarray(at + 4));
    this.#view.setInt32(at, written);
    this.#length = at + 4 + written;
  }

  vector<T>(items: readonly T[] | null, write: (writer: JuteWriter, item: T) => void): void {
    if (items === null) {
      this.int(-1);
      return;
    }
    this.int(items.length);
    for (const item of items) write(this, item);
  }

  /** Starts a frame; `endFrame` with what this returns writes its length. */
  beginFrame(): number {
    return this.#reserve(4);
  }

  endFrame(at: number): void {
    this.#view.setInt32(at, this.#length - at - 4);
  }

  /** Overwrites a long written before. */
  patchLong(at: number, value: bigint): void {
    this.#view.setBigInt64(at, value);
  }

  /** Overwrites an int written before. */
  patchInt(at: number, value: number): void {
    this.#view.setInt32(at, value);
  }

  #reserve(length: number): number {
    const at = this.#length;
    const end = at + length;
    if (end > this.#bytes.length) {
      const grown = roomFor(Math.max(end, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = end;
    return at;
  }
}

/** Not zeroed: nothing of it is given out before it was written. Not of the pool: it is kept. */
function roomFor(bytes: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer);
}
