import { ChurnMap, isCustomOpCode, OpCode } from "@quorate/protocol";
import { Fifo } from "./fifo.js";

/** Becomes an entry of the log, or may: else it is answered whenever its handler likes. */
export function isLogged(op: number): boolean {
  return !isCustomOpCode(op) && op !== OpCode.raiseEpoch;
}

interface WaitingWrite {
  readonly write: number;
  run(write: number): void;
}

interface WaitingRead {
  readonly id: number;
  /** The last write that was asked for before it. */
  readonly behind: number;
  run(ended: () => void): void;
}

/**
 * The order of one connection's reads and writes (Invariant 8, FIFO client order).
 *
 * Writes are begun at once and in order. A read is begun when the writes before it are answered;
 * they are answered while they are applied, in order (ADR 0019), so a read that ends within its
 * turn sees them and none behind it. Reads that take longer could: a linearizable one, one that
 * waits for the node to serve, one behind an operation that is answered and not logged. Writes that
 * come behind such a read wait until it has ended. Bounded by what its connection takes on.
 */
export class RequestOrder {
  #nextWrite = 1;
  #nextRead = 1;
  /** Unanswered writes, in order of arrival, begun or not; and whether each is logged. */
  readonly #writes = new ChurnMap<number, boolean>();
  #unloggedCount = 0;
  /** Reads that may end in another turn than they begin: each with the write before it. */
  readonly #slow = new Map<number, number>();
  readonly #waitingReads = new Fifo<WaitingRead>();
  readonly #waitingWrites = new Fifo<WaitingWrite>();

  /**
   * Runs `begin` now, or as soon as no slow read is in front; with the number to end it by. What is
   * not logged is answered at any time, whatever else is applied.
   */
  passWrite(begin: (write: number) => void, isLogged = true): void {
    const write = this.#nextWrite;
    this.#nextWrite += 1;
    this.#writes.set(write, isLogged);
    if (!isLogged) this.#unloggedCount += 1;
    const mustWait =
      !this.#waitingWrites.isEmpty || (this.#slow.size > 0 && this.#isBehindSlow(write));
    if (mustWait) this.#waitingWrites.push({ write, run: begin });
    else begin(write);
  }

  endWrite(write: number): void {
    if (this.#writes.get(write) === false) this.#unloggedCount -= 1;
    this.#writes.delete(write);
    if (!this.#waitingReads.isEmpty) this.#releaseReads();
  }

  /** Runs `begin` now, or when every earlier write is answered. It calls back when it ends. */
  passRead(begin: (ended: () => void) => void, isSlow = false): void {
    const read: WaitingRead = { id: this.#nextRead, behind: this.#nextWrite - 1, run: begin };
    this.#nextRead += 1;
    if (isSlow || this.#unloggedCount > 0) this.#slow.set(read.id, read.behind);
    if (this.#writes.size === 0) this.#begin(read);
    else this.#waitingReads.push(read);
  }

  #begin({ id, behind, run }: WaitingRead): void {
    let hasEnded = false;
    run(() => {
      hasEnded = true;
      if (this.#slow.delete(id)) this.#releaseWrites();
    });
    if (!hasEnded) this.#slow.set(id, behind);
  }

  #releaseReads(): void {
    for (;;) {
      const { first } = this.#waitingReads;
      const oldest = this.#writes.keys().next().value ?? Number.POSITIVE_INFINITY;
      if (first === undefined || first.behind >= oldest) return;
      this.#waitingReads.removeFirst();
      this.#begin(first);
    }
  }

  #releaseWrites(): void {
    for (;;) {
      const { first } = this.#waitingWrites;
      if (first === undefined || this.#isBehindSlow(first.write)) return;
      this.#waitingWrites.removeFirst();
      first.run(first.write);
    }
  }

  #isBehindSlow(write: number): boolean {
    for (const behind of this.#slow.values()) if (behind < write) return true;
    return false;
  }
}
