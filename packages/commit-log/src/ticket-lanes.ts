import { QuorateError, type Ticket } from "@quorate/protocol";

/** The thread that answers a ticket. Tickets of both share one order. */
export type Lane = "log" | "state";

interface Waiter {
  readonly upTo: Ticket;
  resolve(): void;
  reject(error: QuorateError): void;
}

/** The ticket of a write after a failure or a close: nothing answers it. */
export const NEVER: Ticket = Number.MAX_SAFE_INTEGER;

/** Hands out tickets and joins the answers of two threads into one rising mark. */
export class TicketLanes {
  readonly #open: { readonly [L in Lane]: Ticket[] } = { log: [], state: [] };
  #last: Ticket = 0;
  #answered: Ticket = 0;
  #waiters: Waiter[] = [];
  #ended: QuorateError | null = null;

  get last(): Ticket {
    return this.#last;
  }

  get answered(): Ticket {
    return this.#answered;
  }

  take(lane: Lane): Ticket {
    this.#last += 1;
    this.#open[lane].push(this.#last);
    return this.#last;
  }

  /** The lane has answered all of its tickets up to this one. True when the mark rose. */
  answer(lane: Lane, upTo: Ticket): boolean {
    const open = this.#open[lane];
    const still = open.findIndex((ticket) => ticket > upTo);
    open.splice(0, still === -1 ? open.length : still);
    const firstOpen = Math.min(this.#open.log[0] ?? NEVER, this.#open.state[0] ?? NEVER);
    const answered = firstOpen === NEVER ? this.#last : firstOpen - 1;
    if (answered <= this.#answered) return false;
    this.#answered = answered;
    return true;
  }

  /** After {@link answer}, once the events were delivered. */
  release(): void {
    if (this.#waiters.length === 0) return;
    const ready = this.#waiters.filter(({ upTo }) => upTo <= this.#answered);
    this.#waiters = this.#waiters.filter(({ upTo }) => upTo > this.#answered);
    for (const { resolve } of ready) resolve();
  }

  /** Rejects what waits and what will. */
  end(error: QuorateError): void {
    this.#ended ??= error;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const { reject } of waiters) reject(error);
  }

  until(upTo: Ticket): Promise<void> {
    if (upTo <= this.#answered) return Promise.resolve();
    const ended = this.#ended ?? (upTo === NEVER ? closedError() : null);
    if (ended !== null) return Promise.reject(ended);
    return new Promise((resolve, reject) => {
      this.#waiters.push({ upTo, resolve, reject });
    });
  }
}

export function closedError(): QuorateError {
  return new QuorateError("ERR_STORE_CLOSED", "the store is closed");
}
