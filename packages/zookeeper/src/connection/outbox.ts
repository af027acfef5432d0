import type { ByteChannel } from "../byte-channel.js";
import { JuteWriter } from "../jute/writer.js";

/** Room for what left last time, so that a busy connection's buffer need not grow each time. */
const ROOM_BYTES_MIN = 256;
const ROOM_BYTES_MAX = 64 * 1024;

/** What goes to the client: gathered through a turn, sent in one piece. */
export class Outbox {
  readonly #channel: ByteChannel;
  readonly #now: () => number;
  #out: JuteWriter | null = null;
  #untakenSince: number | null = null;
  #room = ROOM_BYTES_MIN;

  constructor(channel: ByteChannel, now: () => number) {
    this.#channel = channel;
    this.#now = now;
  }

  /** Where to write; whole frames only. An idle connection has no buffer. */
  get writer(): JuteWriter {
    this.#out ??= new JuteWriter(this.#room);
    return this.#out;
  }

  get isEmpty(): boolean {
    return this.#out === null;
  }

  /** Bytes that the client has not taken, as far as anybody can tell. */
  get untaken(): number {
    return this.#channel.bufferedBytes + (this.#out?.length ?? 0);
  }

  /** Since when the client has taken nothing of what waits for it; null when nothing waits. */
  get untakenSince(): number | null {
    return this.#untakenSince;
  }

  /** A reply without a body. */
  header(xid: number, zxid: bigint, err: number): void {
    const { writer } = this;
    const frame = writer.beginFrame();
    writer.int(xid);
    writer.long(zxid);
    writer.int(err);
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
    writer.endFrame(frame);
    return zxid;
  }

  flush(): void {
    const out = this.#out;
    this.#out = null;
    if (out === null || out.length === 0) return;
    // A quarter more, for sizes go up and down; and it shrinks slowly.
    const room = Math.max(ROOM_BYTES_MIN, out.length + (out.length >>> 2), this.#room >>> 1);
    this.#room = Math.min(room, ROOM_BYTES_MAX);
    this.#channel.write(out.bytes());
    if (this.#channel.bufferedBytes > 0) this.#untakenSince ??= this.#now();
  }

  drained(): void {
    this.#untakenSince = this.#channel.bufferedBytes > 0 ? this.#now() : null;
  }

  drop(): void {
    this.#out = null;
  }
}
