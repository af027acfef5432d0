import type { NativeReply, NativeRequest } from "@quorate/codec";
import type { PortBudget } from "./outbox.js";
import { Outstanding } from "./outstanding.js";
import { isLogged, RequestOrder } from "./request-order.js";

/** Ends what was taken on, with its reply unless it has one. Only the first call counts. */
export type Settle = (reply: NativeReply | null) => void;

export interface TurnsDeps {
  readonly budget: PortBudget;
  reply(reply: NativeReply): void;
  /** Of what a request threw. It throws again what must not be lived through. */
  failure(request: NativeRequest, thrown: unknown): NativeReply;
  /** Something has ended: more may be taken on. */
  onEnd(): void;
}

/** Carries out what a connection has taken on: in order, within bounds, each until it settles. */
export class Turns {
  readonly #deps: TurnsDeps;
  readonly #order = new RequestOrder();
  readonly #outstanding: Outstanding;

  constructor(deps: TurnsDeps) {
    this.#deps = deps;
    this.#outstanding = new Outstanding(deps.budget);
  }

  get hasRoom(): boolean {
    return this.#outstanding.hasRoom;
  }

  asRead(request: NativeRequest, run: (settle: Settle) => void): void {
    this.#outstanding.begin(request, 1);
    this.#order.passRead((ended) => {
      this.#runOrFail(request, run, () => {
        this.#outstanding.end(request, 1);
        this.#deps.onEnd();
        ended();
      });
    }, request.linearizable);
  }

  asWrite(request: NativeRequest, run: (settle: Settle) => void): void {
    this.#outstanding.begin(request, 0);
    this.#order.passWrite((write) => {
      this.#runOrFail(request, run, () => {
        this.#order.endWrite(write);
        this.#outstanding.end(request, 0);
        this.#deps.onEnd();
      });
    }, isLogged(request.op));
  }

  /**
   * Its turn may come while another request is answered or an entry applied: a defect is its own
   * and reaches neither. Its place and its bytes are given back exactly once.
   */
  #runOrFail(request: NativeRequest, run: (settle: Settle) => void, release: () => void): void {
    let isSettled = false;
    const settle = (reply: NativeReply | null): void => {
      if (isSettled) return;
      isSettled = true;
      try {
        if (reply !== null) this.#deps.reply(reply);
      } finally {
        release();
      }
    };
    try {
      run(settle);
    } catch (error) {
      settle(this.#deps.failure(request, error));
    }
  }
}
