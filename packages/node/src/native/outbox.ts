import type { WebSocket } from "ws";
import type { Clock, Meter } from "@quorate/protocol";
import {
  encodeNativeReplies,
  NATIVE_ERROR_CHARS_MAX,
  NATIVE_FRAME_BYTES_SOFT_MAX,
  NATIVE_FRAME_MESSAGES_MAX,
  type NativeChange,
  type NativeReply,
} from "@quorate/codec";
import {
  CHANGE_BYTES_FAIR,
  CHANGE_BYTES_MAX,
  PORT_BYTES_MAX,
  SEND_QUEUE_BYTES_MAX,
} from "./limits.js";

/** What all connections of a port share. */
export interface PortBudget {
  /** Of requests that wait and of replies that were not taken. */
  bytes: number;
}

export interface OutboxDeps {
  readonly clock: Clock;
  readonly meter: Meter;
  readonly budget: PortBudget;
  /** The client has taken something, or everything is encoded: there may be room to go on. */
  onRoom(): void;
  /** The client takes too little of what waits for it. */
  onOverflow(waitingBytes: number): void;
}

/** Of a request or reply in a frame, besides key and content. */
export const MESSAGE_OVERHEAD_BYTES = 32;

/** What waits for one client, in the order in which it is to hear of it, and bounded. */
export class Outbox {
  readonly #socket: WebSocket;
  readonly #deps: OutboxDeps;
  #waiting: (NativeReply | NativeChange)[] = [];
  #waitingBytes = 0;
  /** Of changes that are watched: nobody asked for each, so they have a bound of their own. */
  #changeBytes = 0;
  #queuedChangeBytes = 0;
  #flushIsDue = false;
  #isClosed = false;
  /** Frames that the operating system took since the last sweep. */
  #framesTaken = 0;

  constructor(socket: WebSocket, deps: OutboxDeps) {
    this.#socket = socket;
    this.#deps = deps;
  }

  get waitingBytes(): number {
    return this.#waitingBytes + this.#socket.bufferedAmount;
  }

  reply(reply: NativeReply): void {
    if (this.#isClosed) return;
    this.#push(reply, bytesOf(reply));
  }

  tell(change: NativeChange): void {
    if (this.#isClosed) return;
    const bytes = bytesOf(change);
    this.#changeBytes += bytes;
    this.#queuedChangeBytes += bytes;
    const isCrowded = this.#deps.budget.bytes >= PORT_BYTES_MAX;
    if (this.#changeBytes > (isCrowded ? CHANGE_BYTES_FAIR : CHANGE_BYTES_MAX)) {
      this.#deps.onOverflow(this.waitingBytes);
    } else {
      this.#push(change, bytes);
    }
  }

  /** One message in pieces that are shared with other connections and counted elsewhere. */
  sendParts(parts: readonly Uint8Array[]): void {
    if (this.#isClosed) return;
    for (const [index, part] of parts.entries()) {
      this.#deps.meter.count("native_sent_bytes", part.length);
      const fin = index + 1 === parts.length;
      this.#socket.send(part, { binary: true, fin }, () => this.#taken());
    }
  }

  /** All that was answered in this turn leaves in as few frames as its bytes allow. */
  flush(): void {
    this.#flushIsDue = false;
    if (this.#isClosed || this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    let from = 0;
    let bytes = 0;
    for (const [index, one] of waiting.entries()) {
      bytes += bytesOf(one);
      const isFull =
        bytes >= NATIVE_FRAME_BYTES_SOFT_MAX || index - from + 1 === NATIVE_FRAME_MESSAGES_MAX;
      if (!isFull && index + 1 < waiting.length) continue;
      const isAll = from === 0 && index + 1 === waiting.length;
      this.#send(encodeNativeReplies(isAll ? waiting : waiting.slice(from, index + 1)));
      from = index + 1;
      bytes = 0;
    }
    this.#deps.onRoom();
  }

  /** Whether something waits and nothing was taken since the last question. */
  isStalled(): boolean {
    const isStalled = this.#socket.bufferedAmount > 0 && this.#framesTaken === 0;
    this.#framesTaken = 0;
    return isStalled;
  }

  close(): void {
    this.#isClosed = true;
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  #push(one: NativeReply | NativeChange, bytes: number): void {
    this.#waiting.push(one);
    this.#waitingBytes += bytes;
    if (this.waitingBytes > SEND_QUEUE_BYTES_MAX) {
      this.#deps.onOverflow(this.waitingBytes);
      return;
    }
    if (this.#flushIsDue) return;
    this.#flushIsDue = true;
    this.#deps.clock.defer(() => this.flush());
  }

  #send(frame: Uint8Array): void {
    const changeBytes = this.#queuedChangeBytes;
    this.#queuedChangeBytes = 0;
    this.#deps.meter.count("native_sent_bytes", frame.length);
    this.#deps.budget.bytes += frame.length;
    this.#socket.send(frame, { binary: true }, () => {
      // Written out, or failed (then `close` follows): room again for requests that wait.
      this.#deps.budget.bytes -= frame.length;
      this.#changeBytes -= changeBytes;
      this.#taken();
    });
  }

  #taken(): void {
    this.#framesTaken += 1;
    this.#deps.onRoom();
  }
}

function bytesOf(one: NativeReply | NativeChange): number {
  if ("change" in one) return MESSAGE_OVERHEAD_BYTES + one.path.length;
  if (one.ok) return MESSAGE_OVERHEAD_BYTES + one.content.length;
  return MESSAGE_OVERHEAD_BYTES + Math.min(one.error.message.length, NATIVE_ERROR_CHARS_MAX);
}
