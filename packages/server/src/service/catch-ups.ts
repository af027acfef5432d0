import { PENDING_READS_MAX, QuorateError, type Clock, type Timer } from "@quorate/protocol";
import type { NodeState } from "../node-state.js";
import { REQUEST_WAIT_MS } from "../request-manager.js";
import type { Role } from "../role.js";
import { notReadyError } from "./refusals.js";

export interface CatchUpsDeps {
  readonly clock: Clock;
  role(): Role | null;
  state(): NodeState | null;
}

interface CatchUp {
  readonly until: number;
  readonly done: (error: QuorateError | null) => void;
}

/**
 * Calls that wait until the state is as new as anything acknowledged before them. Asking twice does
 * no harm, so what a role cannot answer any more is asked of the next one, within the bound.
 */
export class CatchUps {
  readonly #deps: CatchUpsDeps;
  #count = 0;
  #waiting: CatchUp[] = [];
  #timer: Timer | null = null;

  constructor(deps: CatchUpsDeps) {
    this.#deps = deps;
  }

  add(done: (error: QuorateError | null) => void): void {
    if (this.#count >= PENDING_READS_MAX) {
      done(new QuorateError("ERR_SERVER_BUSY", "too many reads wait", { retryable: true }));
      return;
    }
    this.#count += 1;
    this.#ask({ until: this.#deps.clock.now() + REQUEST_WAIT_MS, done });
  }

  /** A role serves, perhaps. */
  retry(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) this.#ask(one);
  }

  close(error: QuorateError): void {
    this.#timer?.cancel();
    this.#timer = null;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) this.#finish(one, error);
  }

  #ask(one: CatchUp): void {
    const role = this.#deps.role();
    if (role?.isReady !== true) {
      this.#wait(one);
      return;
    }
    role.readIndex((mark) => {
      if (typeof mark !== "bigint") {
        if (mark.code === "ERR_SERVER_NOT_READY") this.#wait(one);
        else this.#finish(one, mark);
        return;
      }
      this.#deps.state()?.whenApplied(mark, (isApplied) => {
        if (isApplied) this.#finish(one, null);
        else this.#wait(one);
      });
    });
  }

  #finish({ done }: CatchUp, error: QuorateError | null): void {
    this.#count -= 1;
    done(error);
  }

  #wait(one: CatchUp): void {
    this.#waiting.push(one);
    this.#timer ??= this.#deps.clock.setTimer(REQUEST_WAIT_MS / 10, () => {
      this.#timer = null;
      this.#refuseOld();
      this.retry();
    });
  }

  #refuseOld(): void {
    const now = this.#deps.clock.now();
    const old = this.#waiting.filter(({ until }) => until <= now);
    this.#waiting = this.#waiting.filter(({ until }) => until > now);
    for (const one of old) this.#finish(one, notReadyError());
  }
}
