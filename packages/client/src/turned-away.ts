import type { QuorateError } from "@quorate/protocol";
import type { Call } from "./call.js";
import type { Link } from "./link.js";

/**
 * The writes of a session that a server turned away without effect, and when they are sent again.
 *
 * Those of one session take effect in the order in which they were asked for (FIFO client order),
 * and later ones may be on their way when one is turned away. So nothing is sent until those are
 * answered. If they were turned away as well, all are sent again in their order. If one was carried
 * out, or may have been, what was turned away before it can have its place no more: its caller is
 * told why.
 */
export class TurnedAway {
  /** The last write that has, or may have, its place in the order. */
  #carriedOut = 0;
  #areWaiting = false;

  /** Some were turned away, and nothing was sent since. */
  get areWaiting(): boolean {
    return this.#areWaiting;
  }

  add(call: Call, error: QuorateError): void {
    if (!call.isWrite) return;
    call.turnedAwayBy = error;
    this.#areWaiting = true;
  }

  /** Whatever the answer was, or that there will be none: it was not turned away. */
  answered({ isWrite, order }: Call): void {
    if (isWrite && order > this.#carriedOut) this.#carriedOut = order;
  }

  /** Whether nobody knows yet what became of those behind. */
  mustWait(link: Link): boolean {
    return this.#areWaiting && link.hasWriteInFlight;
  }

  /** Those whose place was taken. */
  overtaken(waiting: readonly Call[]): readonly Call[] {
    if (!this.#areWaiting) return [];
    return waiting.filter(
      ({ turnedAwayBy, order, settled }) =>
        !settled && turnedAwayBy !== null && order < this.#carriedOut,
    );
  }

  /** All that waits, as it was asked for; it is sent now. */
  inOrder(waiting: Call[]): readonly Call[] {
    if (!this.#areWaiting) return waiting;
    this.#areWaiting = false;
    return waiting.sort((a, b) => a.order - b.order);
  }
}
