import { OBSERVER_QUEUE_BYTES_MAX } from "@quorate/protocol";
import type { PeerMsg, PeerPipe } from "@quorate/protocol";

/** What a queued message costs beside the bytes of its batch: marks are not free either. */
const MESSAGE_BYTES = 64;

/**
 * The live stream of a peer that is still synchronising: what was proposed since its plan was
 * cut. (The original's `observer`; nothing to do with ZooKeeper's observers, our watchers.)
 *
 * Deviation from seed (G7): a full queue gives the peer up, it never blocks the leader.
 */
export class ObserverQueue {
  readonly #bytesMax: number;
  #messages: PeerMsg[] = [];
  #bytes = 0;
  #isOverflown = false;

  constructor(bytesMax = OBSERVER_QUEUE_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  get isOverflown(): boolean {
    return this.#isOverflown;
  }

  get byteLength(): number {
    return this.#bytes;
  }

  /** False once the bound is reached; what was queued is dropped then. */
  push(message: PeerMsg, bytes: number): boolean {
    if (this.#isOverflown) return false;
    const cost = bytes + MESSAGE_BYTES;
    if (this.#bytes + cost > this.#bytesMax) {
      this.#isOverflown = true;
      this.#messages = [];
      this.#bytes = 0;
      return false;
    }
    this.#messages.push(message);
    this.#bytes += cost;
    return true;
  }

  /** Takes everything, in order. */
  drain(): readonly PeerMsg[] {
    const messages = this.#messages;
    this.#messages = [];
    this.#bytes = 0;
    return messages;
  }
}

/** The name under which the queue of this pipe's peer is registered. */
export function observerIdOf(pipe: PeerPipe): string {
  return `${pipe.peer}/${pipe.pipeId}`;
}
