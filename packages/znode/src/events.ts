import type { NodeChangeKind, SessionInfo, StateListener, Txnid } from "@quorate/protocol";

type Event =
  | { readonly kind: NodeChangeKind; readonly path: string }
  | { readonly kind: "sessionCreated"; readonly session: SessionInfo }
  | { readonly kind: "sessionClosed"; readonly id: bigint };

/** What a transaction has done, told once all of it is done. Nothing is kept without a listener. */
export class Events {
  #listener: StateListener | null = null;
  #waiting: Event[] = [];

  attach(listener: StateListener | null): void {
    this.#listener = listener;
    this.#waiting = [];
  }

  created(path: string, parentPath: string): void {
    if (this.#listener === null) return;
    this.#waiting.push({ kind: "created", path }, { kind: "childrenChanged", path: parentPath });
  }

  deleted(path: string, parentPath: string): void {
    if (this.#listener === null) return;
    this.#waiting.push({ kind: "deleted", path }, { kind: "childrenChanged", path: parentPath });
  }

  dataChanged(path: string): void {
    if (this.#listener !== null) this.#waiting.push({ kind: "dataChanged", path });
  }

  sessionCreated(session: SessionInfo): void {
    if (this.#listener !== null) this.#waiting.push({ kind: "sessionCreated", session });
  }

  sessionClosed(id: bigint): void {
    if (this.#listener !== null) this.#waiting.push({ kind: "sessionClosed", id });
  }

  fire(txnid: Txnid): void {
    if (this.#waiting.length === 0) return;
    const events = this.#waiting;
    this.#waiting = [];
    for (const event of events) {
      // Whoever detaches while it is told hears no more.
      const listener = this.#listener;
      if (listener === null) return;
      if (event.kind === "sessionCreated") listener.onSessionCreated(event.session);
      else if (event.kind === "sessionClosed") listener.onSessionClosed(event.id);
      else listener.onNodeChange(event.kind, event.path, txnid);
    }
  }
}
