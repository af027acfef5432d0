import { encodeFrame } from "@quorate/codec";
import type { Clock, PeerMsg } from "@quorate/protocol";

/**
 * Encodes what several pipes send in one turn once. A leader sends its followers the same message
 * objects, and messages are never changed, so the same objects in the same order are the same
 * frame. Only the last frame is known, and only until the turn has ended.
 */
export class SharedFrames {
  readonly #clock: Pick<Clock, "defer">;
  #messages: readonly PeerMsg[] = [];
  #frame: Uint8Array | null = null;

  constructor(clock: Pick<Clock, "defer">) {
    this.#clock = clock;
  }

  /** @throws as `encodeFrame`. The frame must not be changed. */
  encode(messages: readonly PeerMsg[]): Uint8Array {
    if (this.#frame !== null && this.#isLast(messages)) return this.#frame;
    const frame = encodeFrame(messages);
    if (this.#frame === null) this.#clock.defer(() => this.#forget());
    this.#messages = messages;
    this.#frame = frame;
    return frame;
  }

  #isLast(messages: readonly PeerMsg[]): boolean {
    const last = this.#messages;
    return last.length === messages.length && last.every((message, i) => message === messages[i]);
  }

  #forget(): void {
    this.#messages = [];
    this.#frame = null;
  }
}
