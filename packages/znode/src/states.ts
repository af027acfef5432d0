import { ItemStream } from "@quorate/protocol";
import { STATES_WAITING_MAX } from "./limits.js";

/**
 * How a client stands with its ensemble.
 * - `connected`: a server has taken it up.
 * - `suspended`: not now. Of a session: others may already act as if it were over.
 * - `lost`: its session has ended, and its ephemerals with it. The end.
 * - `closed`: by the program. The end.
 */
export type ClientState = "connected" | "suspended" | "lost" | "closed";

/** The present state, and whoever wants to hear of each change. */
export class States {
  #state: ClientState = "suspended";
  readonly #callbacks = new Set<(state: ClientState) => void>();

  get state(): ClientState {
    return this.#state;
  }

  get isOver(): boolean {
    return this.#state === "lost" || this.#state === "closed";
  }

  become(state: ClientState): void {
    if (this.#state === state || this.isOver) return;
    this.#state = state;
    for (const callback of [...this.#callbacks]) callback(state);
  }

  onChange(callback: (state: ClientState) => void): () => void {
    // Each has an entry of its own, also when a function is given twice.
    const entry = (state: ClientState): void => callback(state);
    this.#callbacks.add(entry);
    return () => void this.#callbacks.delete(entry);
  }

  /** The present one and all that follow; ends behind the last. */
  stream(): AsyncIterableIterator<ClientState, undefined> {
    let detach: () => void = () => undefined;
    const stream = new ItemStream<ClientState>({
      itemsMax: STATES_WAITING_MAX,
      onEnd: () => detach(),
    });
    const push = (state: ClientState): void => {
      stream.push(state);
      if (this.isOver) stream.end(null);
    };
    push(this.#state);
    if (!stream.hasEnded) detach = this.onChange(push);
    return stream;
  }
}
