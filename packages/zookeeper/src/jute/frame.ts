import { QuorateError } from "@quorate/protocol";

const LENGTH_BYTES = 4;
const NOTHING = new Uint8Array(0);

/**
 * Cuts a stream of bytes into packets: a length, big-endian and signed, and so many bytes. Memory
 * follows the bytes that have arrived, never a length that was only announced.
 */
export class FrameDecoder {
  readonly #packetBytesMax: number;
  #chunk: Uint8Array = NOTHING;
  #at = 0;
  /** `#chunk` is memory of our own and may be written behind `#end`. */
  #isOwned = false;
  #end = 0;

  /** `packetBytesMax` is ZooKeeper's jute.maxbuffer. A longer packet is refused by its length. */
  constructor(packetBytesMax: number) {
    this.#packetBytesMax = packetBytesMax;
  }

  /** Bytes that have arrived and were not given out. */
  get bufferedBytes(): number {
    return this.#end - this.#at;
  }

  /** Takes bytes that arrived. They must not change until `next` has returned null. */
  push(bytes: Uint8Array): void {
    if (this.bufferedBytes === 0) {
      this.#chunk = bytes;
      this.#at = 0;
      this.#end = bytes.length;
      this.#isOwned = false;
      return;
    }
    this.#makeRoom(bytes.length);
    this.#chunk.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /**
   * The next packet without its length: a view, valid until the next `push`. Null when it has not
   * arrived whole; what is left then is kept in memory of our own.
   * @throws ERR_PROTOCOL_DECODE for a length that no packet may have. Nothing can be read after it.
   */
  next(): Uint8Array | null {
    const available = this.bufferedBytes;
    if (available < LENGTH_BYTES) return this.#keep();
    const length = this.#peekInt();
    if (length < 0 || length > this.#packetBytesMax) {
      throw new QuorateError("ERR_PROTOCOL_DECODE", "a packet of an impossible length", {
        details: { length, packetBytesMax: this.#packetBytesMax },
      });
    }
    if (available < LENGTH_BYTES + length) return this.#keep();
    const from = this.#at + LENGTH_BYTES;
    this.#at = from + length;
    return this.#chunk.subarray(from, from + length);
  }

  /** The first four bytes that wait, as they would be a length; null when fewer have arrived. */
  peekLength(): number | null {
    return this.bufferedBytes < LENGTH_BYTES ? null : this.#peekInt();
  }

  #peekInt(): number {
    const { byteOffset, buffer } = this.#chunk;
    return new DataView(buffer, byteOffset + this.#at, LENGTH_BYTES).getInt32(0);
  }

  /** Takes what waits into memory of our own, so that the bytes pushed may change. */
  keep(): void {
    this.#keep();
  }

  #keep(): null {
    if (this.bufferedBytes === 0) {
      // An idle connection holds no memory.
      this.#chunk = NOTHING;
      this.#at = 0;
      this.#end = 0;
    } else if (!this.#isOwned) {
      this.#chunk = this.#chunk.slice(this.#at, this.#end);
      this.#end -= this.#at;
      this.#at = 0;
      this.#isOwned = true;
    }
    return null;
  }

  #makeRoom(length: number): void {
    const waiting = this.bufferedBytes;
    if (this.#isOwned && this.#end + length <= this.#chunk.length) return;
    // Doubling keeps a packet that comes byte by byte linear.
    const grown = new Uint8Array(Math.max(waiting + length, waiting * 2));
    grown.set(this.#chunk.subarray(this.#at, this.#end));
    this.#chunk = grown;
    this.#at = 0;
    this.#end = waiting;
    this.#isOwned = true;
  }
}
