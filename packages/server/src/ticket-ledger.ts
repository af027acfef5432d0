import { assert, QuorateError } from "@quorate/protocol";
import type { Clock, LogPosition, Ticket } from "@quorate/protocol";

interface OpenTicket {
  readonly ticket: Ticket;
  readonly since: number;
  readonly onDurable: (() => void) | undefined;
  readonly barrier: (() => Promise<void>) | undefined;
}

export interface TicketLedgerDeps {
  readonly clock: Clock;
  /** Every ticket up to this one is answered, and what hangs on each has run. */
  onAnswered(upTo: Ticket, lastLogged: LogPosition): void;
  /** A barrier's work failed: nothing behind it is ever answered. */
  onBarrierFailed(error: QuorateError): void;
}

/**
 * The writes that the store has not answered: since when, and what becomes true when it does.
 * A barrier holds back all later answers until asynchronous work behind its ticket is done.
 */
export class TicketLedger {
  readonly #deps: TicketLedgerDeps;
  #open: OpenTicket[] = [];
  #held: { readonly upTo: Ticket; readonly lastLogged: LogPosition } | null = null;
  #isBlocked = false;
  /** When the work behind a barrier last got on. */
  #lastProgress = 0;
  #hasFailed = false;
  #idleWaiters: (() => void)[] = [];

  constructor(deps: TicketLedgerDeps) {
    this.#deps = deps;
  }

  open(ticket: Ticket, onDurable?: () => void, barrier?: () => Promise<void>): Ticket {
    // A store that failed answers nothing, and its tickets do not rise any more.
    if (this.#hasFailed) return ticket;
    const last = this.#open.at(-1)?.ticket ?? -1;
    // After a failure the store answers nothing and repeats its greatest ticket.
    assert(ticket > last || ticket === Number.MAX_SAFE_INTEGER, "tickets rise", { ticket });
    this.#open.push({ ticket, since: this.#deps.clock.now(), onDurable, barrier });
    return ticket;
  }

  /**
   * Milliseconds that the disk has been silent towards the oldest unanswered write; 0 when there is
   * none. What waits behind a barrier waits for its work, however long that takes, as long as it
   * gets on.
   */
  oldestAgeMs(): number {
    if (this.#isBlocked) return this.#deps.clock.now() - this.#lastProgress;
    const oldest = this.#open[0];
    if (oldest === undefined) return 0;
    return this.#deps.clock.now() - Math.max(oldest.since, this.#lastProgress);
  }

  /** The work behind a barrier got on. */
  noteProgress(): void {
    this.#lastProgress = this.#deps.clock.now();
  }

  /** When the work behind a barrier got on last, while there is any. */
  get progressAt(): number | null {
    return this.#isBlocked ? this.#lastProgress : null;
  }

  /** The store failed: nothing that is open will ever be answered, so nobody waits for it. */
  fail(): void {
    this.#hasFailed = true;
    this.#open = [];
    this.#wakeIdle();
  }

  /** Resolves when nothing is unanswered, or when nothing will be. */
  idle(): Promise<void> {
    if (this.#hasFailed) return Promise.resolve();
    if (this.#open.length === 0 && !this.#isBlocked) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idleWaiters.push(resolve);
    });
  }

  persisted(upTo: Ticket, lastLogged: LogPosition): void {
    if (this.#hasFailed) return;
    this.#held = { upTo, lastLogged };
    if (!this.#isBlocked) this.#run();
  }

  #run(): void {
    const held = this.#held;
    if (held === null) return;
    let answered = 0;
    for (const entry of this.#open) {
      if (entry.ticket > held.upTo) break;
      answered += 1;
      entry.onDurable?.();
      if (entry.barrier !== undefined) {
        this.#open = this.#open.slice(answered);
        this.#block(entry.barrier);
        return;
      }
    }
    this.#open = this.#open.slice(answered);
    this.#held = null;
    this.#deps.onAnswered(held.upTo, held.lastLogged);
    if (this.#open.length === 0) this.#wakeIdle();
  }

  #wakeIdle(): void {
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const resolve of waiters) resolve();
  }

  #block(barrier: () => Promise<void>): void {
    this.#isBlocked = true;
    this.noteProgress();
    barrier().then(
      () => {
        this.noteProgress();
        this.#isBlocked = false;
        if (!this.#hasFailed) this.#run();
      },
      (error: unknown) => {
        this.#deps.onBarrierFailed(asStoreError(error));
      },
    );
  }
}

function asStoreError(error: unknown): QuorateError {
  if (error instanceof QuorateError) return error;
  return new QuorateError("ERR_STORE_IO", "the store could not be read", { cause: error });
}
