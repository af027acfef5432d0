import { QuorateError } from "@quorate/protocol";

/** A length, then the header of a reply: xid, zxid, err. */
const LENGTH_BYTES = 4;
const HEADER_BYTES = LENGTH_BYTES + 16;
const ERR_AT = LENGTH_BYTES + 12;
/** Nothing a load asks for is answered with more. */
const REPLY_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Finds the replies in a stream of bytes and reads their headers; what follows a header is passed
 * over, not copied and not decoded.
 */
export class ReplyScanner {
  readonly #onReply: (xid: number, err: number) => void;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  /** Bytes of `#header` that have arrived. */
  #have = 0;
  /** Bytes of the last reply that are still to come. */
  #skip = 0;

  constructor(onReply: (xid: number, err: number) => void) {
    this.#onReply = onReply;
  }

  /** @throws ERR_PROTOCOL_DECODE for a length that no reply has: nothing can be read after it. */
  push(chunk: Buffer): void {
    let at = 0;
    const end = chunk.length;
    while (at < end) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, end - at);
        this.#skip -= skipped;
        at += skipped;
        continue;
      }
      if (this.#have === 0 && end - at >= HEADER_BYTES) {
        this.#reply(chunk, at);
        at += HEADER_BYTES;
        continue;
      }
      const taken = Math.min(HEADER_BYTES - this.#have, end - at);
      chunk.copy(this.#header, this.#have, at, at + taken);
      this.#have += taken;
      at += taken;
      if (this.#have < HEADER_BYTES) return;
      this.#have = 0;
      this.#reply(this.#header, 0);
    }
  }

  #reply(bytes: Buffer, at: number): void {
    const length = bytes.readInt32BE(at);
    if (length < HEADER_BYTES - LENGTH_BYTES || length > REPLY_BYTES_MAX) {
      throw new QuorateError("ERR_PROTOCOL_DECODE", `a reply of ${length} bytes`);
    }
    this.#skip = length - (HEADER_BYTES - LENGTH_BYTES);
    this.#onReply(bytes.readInt32BE(at + LENGTH_BYTES), bytes.readInt32BE(at + ERR_AT));
  }
}
