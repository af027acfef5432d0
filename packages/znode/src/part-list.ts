import { writeText } from "@quorate/protocol";
import type { Slab } from "./slab.js";

const INITIAL_BYTES = 4096;
/** What a long list took is let go. */
const KEPT_BYTES_MAX = 64 * 1024;
/** Op, and how long two things are. */
const PART_HEADER_BYTES = 7;

/**
 * The operations of a multi, or their answers, written one behind the other as they come: ten
 * thousand of them that wait for the last one are moved about by the collector again and again.
 */
export class PartList {
  #bytes = new Uint8Array(INITIAL_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #used = 0;
  /** Parts, not bytes. */
  length = 0;

  get byteLength(): number {
    return this.#used;
  }

  /** Another list, behind a header of so many bytes. */
  start(headerBytes: number): void {
    // One that was refused was never finished.
    if (this.#bytes.length > KEPT_BYTES_MAX) this.#resize(INITIAL_BYTES);
    this.length = 0;
    this.#used = headerBytes;
  }

  /** u8 op | u16 bytes, path | u32 bytes, content */
  addOperation(op: number, path: string, content: Uint8Array): void {
    this.#reserve(path.length * 3 + content.length);
    const at = this.#used;
    const pathBytes = writeText(path, this.#bytes, at + 3);
    this.#view.setUint8(at, op);
    this.#view.setUint16(at + 1, pathBytes);
    this.#addContent(at + 3 + pathBytes, content);
  }

  /** u8 op | u32 bytes, answer */
  addAnswer(op: number, answer: Uint8Array): void {
    this.#reserve(answer.length);
    this.#view.setUint8(this.#used, op);
    this.#addContent(this.#used + 1, answer);
  }

  /** All of it, in memory of the slab. Its header is the caller's to write. */
  finish(slab: Slab): number {
    const at = slab.reserve(this.#used);
    slab.bytes.set(this.#bytes.subarray(0, this.#used), at);
    if (this.#bytes.length > KEPT_BYTES_MAX) this.#resize(INITIAL_BYTES);
    return at;
  }

  #addContent(at: number, content: Uint8Array): void {
    this.#view.setUint32(at, content.length);
    this.#bytes.set(content, at + 4);
    this.#used = at + 4 + content.length;
    this.length += 1;
  }

  #reserve(bytes: number): void {
    const needed = this.#used + PART_HEADER_BYTES + bytes;
    if (needed <= this.#bytes.length) return;
    const before = this.#bytes.subarray(0, this.#used);
    this.#resize(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.set(before);
  }

  #resize(bytes: number): void {
    this.#bytes = new Uint8Array(bytes);
    this.#view = new DataView(this.#bytes.buffer);
  }
}
