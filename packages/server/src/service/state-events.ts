import type { SessionInfo, StateListener } from "@quorate/protocol";

/**
 * What the state machines of one node tell, over each opening of the store. Those within the node
 * hear everything that is applied; those who serve clients hear of each change once, whatever is
 * loaded and applied again.
 */
export class StateEvents<Outer extends StateListener> implements StateListener {
  readonly #isNew: () => boolean;
  #inner: readonly StateListener[] = [];
  #outer: readonly Outer[] = [];

  constructor(isNew: () => boolean) {
    this.#isNew = isNew;
  }

  get outer(): readonly Outer[] {
    return this.#outer;
  }

  /** Each returns what takes the listener away. */
  listenWithin(listener: StateListener): () => void {
    this.#inner = [...this.#inner, listener];
    return () => {
      this.#inner = this.#inner.filter((one) => one !== listener);
    };
  }

  listen(listener: Outer): () => void {
    this.#outer = [...this.#outer, listener];
    return () => {
      this.#outer = this.#outer.filter((one) => one !== listener);
    };
  }

  onNodeChange(...change: Parameters<StateListener["onNodeChange"]>): void {
    for (const listener of this.#inner) listener.onNodeChange(...change);
    if (this.#outer.length === 0 || !this.#isNew()) return;
    for (const listener of this.#outer) listener.onNodeChange(...change);
  }

  onSessionCreated(session: SessionInfo): void {
    for (const listener of this.#inner) listener.onSessionCreated(session);
    if (this.#outer.length === 0 || !this.#isNew()) return;
    for (const listener of this.#outer) listener.onSessionCreated(session);
  }

  onSessionMoved(session: SessionInfo): void {
    for (const listener of this.#inner) listener.onSessionMoved?.(session);
    if (this.#outer.length === 0 || !this.#isNew()) return;
    for (const listener of this.#outer) listener.onSessionMoved?.(session);
  }

  onSessionClosed(id: bigint): void {
    for (const listener of this.#inner) listener.onSessionClosed(id);
    if (this.#outer.length === 0 || !this.#isNew()) return;
    for (const listener of this.#outer) listener.onSessionClosed(id);
  }
}
