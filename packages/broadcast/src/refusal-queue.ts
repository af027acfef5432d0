import type { Txnid } from "@quorate/protocol";

/**
 * Refusals proven to be a leader's, each held until the transactions that it was judged against
 * are announced as committed on the same pipes. Bounded by the reads that proved them and by the
 * entries that may be outstanding.
 */
export class RefusalQueue {
  #waiting: { readonly judgedAt: Txnid; readonly deliver: () => void }[] = [];

  add(judgedAt: Txnid, deliver: () => void): void {
    this.#waiting.push({ judgedAt, deliver });
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  deliver(announcedMark: Txnid): void {
    if (this.#waiting.length === 0) return;
    const due = this.#waiting.filter(({ judgedAt }) => judgedAt <= announcedMark);
    this.#waiting = this.#waiting.filter(({ judgedAt }) => judgedAt > announcedMark);
    for (const { deliver } of due) deliver();
  }
}
