import { PENDING_READS_MAX } from "@quorate/protocol";
import type { QuorateError, Txnid } from "@quorate/protocol";

export type ReadIndexDone = (mark: Txnid | QuorateError) => void;

/**
 * Who asks: this node's clients, a follower for all of its own at once, or the leader for all
 * refusals that wait for a proof, once at a time.
 */
export type ReadOrigin = "here" | "peer" | "refusals";

interface PendingRead {
  readonly mark: Txnid;
  readonly origin: ReadOrigin;
  readonly done: ReadIndexDone;
}

/**
 * Linearizable reads that wait for a quorum round. One round serves all reads that arrived before
 * it was sent; those that come later wait for the next, since a round proves nothing about what
 * was committed elsewhere after its sending (G15, G30).
 */
export class ReadIndexQueue {
  #waiting: PendingRead[] = [];
  #inRound: PendingRead[] = [];
  #round = 0;
  readonly #pending: Record<ReadOrigin, number> = { here: 0, peer: 0, refusals: 0 };

  /**
   * @param mark the commit mark at arrival.
   * @returns false at the bound of this origin. Reads here leave room for the followers': one that
   * is turned away loses its pipe, so clients of one node could end the whole leadership.
   */
  add(mark: Txnid, done: ReadIndexDone, origin: ReadOrigin = "here"): boolean {
    if (this.#pending[origin] >= PENDING_READS_MAX) return false;
    this.#pending[origin] += 1;
    this.#waiting.push({ mark, done, origin });
    return true;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#inRound.length === 0;
  }

  /** Reads wait and no round is on its way. */
  get canStart(): boolean {
    return this.#waiting.length > 0 && this.#inRound.length === 0;
  }

  /** All that wait depend on this round, which is being sent now. */
  start(round: number): void {
    this.#inRound = this.#waiting;
    this.#waiting = [];
    this.#round = round;
  }

  complete(isProven: (round: number) => boolean): void {
    if (this.#inRound.length === 0 || !isProven(this.#round)) return;
    const reads = this.#inRound;
    this.#inRound = [];
    for (const { origin } of reads) this.#pending[origin] -= 1;
    for (const { mark, done } of reads) done(mark);
  }

  refuse(error: QuorateError): void {
    const reads = [...this.#inRound, ...this.#waiting];
    this.#inRound = [];
    this.#waiting = [];
    for (const { origin } of reads) this.#pending[origin] -= 1;
    for (const { done } of reads) done(error);
  }
}
