import { Buffer } from "node:buffer";
import { QuorateError } from "@quorate/protocol";

/**
 * Reads jute's primitives from one packet. Every read is checked against the packet's end and
 * throws ERR_PROTOCOL_DECODE beyond it; no count or length makes it allocate more than was sent.
 */
export class JuteReader {
  readonly #bytes: Uint8Array;
  /** The same bytes, made when a text is read. */
  #texts: Buffer | null = null;
  readonly #view: DataView;
  #at = 0;

  constructor(packet: Uint8Array) {
    this.#bytes = packet;
    this.#view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  }

  /** Bytes not read yet. */
  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  /** Where the next read starts. */
  get position(): number {
    return this.#at;
  }

  int(): number {
    const at = this.#take(4);
    return this.#view.getInt32(at);
  }

  /** Signed, as Java's. */
  long(): bigint {
    const at = this.#take(8);
    return this.#view.getBigInt64(at);
  }

  boolean(): boolean {
    const at = this.#take(1);
    return this.#bytes[at] !== 0;
  }

  /** Exactly so many bytes; a view into the packet. */
  raw(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** A view into the packet; null for length -1. */
  buffer(): Uint8Array | null {
    const length = this.int();
    if (length === -1) return null;
    if (length < 0) throw malformed("a negative length", length);
    return this.raw(length);
  }

  /** As Java reads UTF-8: what is none becomes U+FFFD, which no path may have. */
  text(): string | null {
    const length = this.int();
    if (length === -1) return null;
    if (length < 0) throw malformed("a negative length", length);
    const at = this.#take(length);
    const { buffer, byteOffset, byteLength } = this.#bytes;
    this.#texts ??= Buffer.from(buffer, byteOffset, byteLength);
    return this.#texts.toString("utf8", at, at + length);
  }

  /** Null for count -1; other negative counts are empty, as in jute. */
  vector<T>(read: (reader: JuteReader) => T): T[] | null {
    const count = this.int();
    if (count === -1) return null;
    const items: T[] = [];
    // A forged count meets the packet's end, since every element takes bytes.
    for (let i = 0; i < count; i += 1) {
      if (this.remaining === 0) throw malformed("a vector longer than its packet", count);
      items.push(read(this));
    }
    return items;
  }

  #take(length: number): number {
    const at = this.#at;
    if (length > this.#bytes.length - at) throw malformed("a field beyond the packet", length);
    this.#at = at + length;
    return at;
  }
}

function malformed(what: string, value: number): QuorateError {
  return new QuorateError("ERR_PROTOCOL_DECODE", `unreadable packet: ${what}`, {
    details: { value },
  });
}
