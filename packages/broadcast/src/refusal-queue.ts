import { QuorateError, type Txnid } from "@quorate/protocol";

export interface WaitingRefusal {
  readonly judgedAt: Txnid;
  deliver(): void;
  /** The leader ends before its refusal could be proved. */
  giveUp(error: QuorateError): void;
}

/**
 * Refusals proven to be a leader's, each held until the transactions that it was judged against
 * are announced as committed on the same pipes. Bounded by the reads that proved them and by the
 * entries that may be outstanding.
 */
export class RefusalQueue {
  #waiting: WaitingRefusal[] = [];

  add(refusal: WaitingRefusal): void {
    this.#waiting.push(refusal);
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  deliver(announcedMark: Txnid): void {
    if (this.#waiting.length === 0) return;
    const due = this.#waiting.filter(({ judgedAt }) => judgedAt <= announcedMark);
    this.#waiting = this.#waiting.filter(({ judgedAt }) => judgedAt > announcedMark);
    for (const refusal of due) refusal.deliver();
  }

  /** The role ends: everything that waits, taken out. */
  giveUp(error: QuorateError): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const refusal of waiting) refusal.giveUp(error);
  }
}

/** What is told to whoever waits for a leader that ends. */
export function stoppedLeading(): QuorateError {
  return new QuorateError("ERR_SERVER_NOT_READY", "the leader stopped leading", {
    retryable: true,
  });
}

/** What is told to whoever asks for more than a leader holds in its queue. */
export function queueIsFull(): QuorateError {
  return new QuorateError("ERR_SERVER_BUSY", "leader's queue is full");
}
