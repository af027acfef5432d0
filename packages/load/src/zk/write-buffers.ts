/** Enough for what a connection with some outstanding requests of usual size sends in a turn. */
const BUFFER_BYTES = 64 * 1024;
const KEPT_MAX = 64;

/** Buffers that sockets have sent are filled again: new ones would keep the collector busy. */
export class WriteBuffers {
  readonly #free: Buffer[] = [];

  /** One with room for so many bytes. */
  take(bytes: number): Buffer {
    if (bytes > BUFFER_BYTES) return Buffer.allocUnsafeSlow(bytes);
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
  }

  give(buffer: Buffer): void {
    if (buffer.length === BUFFER_BYTES && this.#free.length < KEPT_MAX) this.#free.push(buffer);
  }
}
