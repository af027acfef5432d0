import type { ByteChannel } from "../byte-channel.js";
import { JuteWriter } from "../jute/writer.js";

/** Room for what left last time, so that a busy connection's buffer need not grow each time. */
const ROOM_BYTES_MIN = 256;
const ROOM_BYTES_MAX = 64 * 1024;
/** xid, zxid, error. */
const HEADER_BYTES = 16;

/** What goes to the client: gathered through a turn, sent in one piece. */
export class Outbox {
  readonly #channel: ByteChannel;
  readonly #now: () => number;
  #out: JuteWriter | null = null;
  /** All there is to send, as long as it is one frame that others are sent, too. */
  #shared: Uint8Array | null = null;
  /** Of the channel after the last flush; less by now, perhaps. */
  #bufferedBytesMost = 0;
  #untakenSince: number | null = null;
  #room = ROOM_BYTES_MIN;
  #replyBytes = 0;

  constructor(channel: ByteChannel, now: () => number) {
    this.#channel = channel;
    this.#now = now;
  }

  /** Where to write; whole frames only. An idle connection has no buffer. */
  get writer(): JuteWriter {
    this.#out ??= new JuteWriter(this.#room);
    if (this.#shared !== null) {
      this.#out.raw(this.#shared);
      this.#shared = null;
    }
    return this.#out;
  }

  /**
   * A whole frame that nobody changes any more. Most clients are sent nothing else in a turn: then
   * these very bytes leave, and a client costs no memory of its own.
   */
  share(frame: Uint8Array): void {
    if (this.#out === null && this.#shared === null) this.#shared = frame;
    else this.writer.raw(frame);
  }

  /** Bytes that the client has not taken, as far as anybody can tell. */
  get untaken(): number {
    return this.#channel.bufferedBytes + this.#unsent;
  }

  /** Whether so much is untaken; looks at the channel only when it might be. */
  exceeds(bytes: number): boolean {
    return this.#bufferedBytesMost + this.#unsent > bytes && this.untaken > bytes;
  }

  /** Since when the client has taken nothing of what waits for it; null when nothing waits. */
  get untakenSince(): number | null {
    return this.#untakenSince;
  }

  /** Of the newest reply, without its length. */
  get replyBytes(): number {
    return this.#replyBytes;
  }

  /** A reply whose header is known; without `body` nothing follows it. */
  frame(xid: number, zxid: bigint, err: number, body?: (writer: JuteWriter) => void): void {
    const { writer } = this;
    const frame = writer.beginFrame();
    writer.int(xid);
    writer.long(zxid);
    writer.int(err);
    body?.(writer);
    writer.endFrame(frame);
  }

  /**
   * A reply: `body` writes what follows the header and returns the number in it, null when there
   * can be none. Returns the zxid that it was given, or null.
   */
  reply(
    xid: number,
    body: (writer: JuteWriter) => number | null,
    zxidFor: (err: number) => bigint,
  ): bigint | null {
    const { writer } = this;
    const frame = writer.beginFrame();
    writer.int(xid);
    writer.long(0n);
    writer.int(0);
    const bodyAt = writer.length;
    const err = body(writer);
    if (err === null) {
      writer.truncate(frame);
      return null;
    }
    const zxid = zxidFor(err);
    if (err !== 0) {
      writer.truncate(bodyAt);
      writer.patchInt(bodyAt - 4, err);
    }
    writer.patchLong(bodyAt - 12, zxid);
    this.#replyBytes = writer.length - bodyAt + HEADER_BYTES;
    writer.endFrame(frame);
    return zxid;
  }

  flush(): void {
    const shared = this.#shared;
    const out = this.#out;
    this.#shared = null;
    this.#out = null;
    if (shared !== null) this.#send(shared);
    if (out === null || out.length === 0) return;
    // A quarter more, for sizes go up and down; and it shrinks slowly.
    const room = Math.max(ROOM_BYTES_MIN, out.length + (out.length >>> 2), this.#room >>> 1);
    this.#room = Math.min(room, ROOM_BYTES_MAX);
    this.#send(out.bytes());
  }

  drained(): void {
    this.#untakenSince = this.#channel.bufferedBytes > 0 ? this.#now() : null;
  }

  drop(): void {
    this.#shared = null;
    this.#out = null;
  }

  get #unsent(): number {
    return (this.#shared?.length ?? 0) + (this.#out?.length ?? 0);
  }

  #send(bytes: Uint8Array): void {
    this.#channel.write(bytes);
    this.#bufferedBytesMost = this.#channel.bufferedBytes;
    if (this.#bufferedBytesMost > 0) this.#untakenSince ??= this.#now();
  }
}
