import type { NodeChangeKind, SessionInfo, StateListener, Txnid } from "@quorate/protocol";
import type { AppliedAcl, MayRead } from "./acl-table.js";

type Event =
  | {
      readonly kind: NodeChangeKind;
      readonly path: string;
      readonly mayRead: MayRead | undefined;
    }
  | { readonly kind: "sessionCreated"; readonly session: SessionInfo }
  | { readonly kind: "sessionMoved"; readonly session: SessionInfo }
  | { readonly kind: "sessionClosed"; readonly id: bigint };

/** A node that something happened to, with its ACL as of then. */
export interface Affected {
  readonly path: string;
  readonly acl: AppliedAcl;
}

/**
 * What a transaction has done, told once all of it is done. Nothing is kept without a listener.
 *
 * Whoever may read the node as it was then may hear of a change: of a node that goes, as it was
 * before, and of children that come and go, their parent (ZooKeeper since 3.9.2, CVE-2024-23944).
 */
export class Events {
  #listener: StateListener | null = null;
  #waiting: Event[] = [];

  attach(listener: StateListener | null): void {
    this.#listener = listener;
    this.#waiting = [];
  }

  created(node: Affected, parent: Affected): void {
    this.#changed("created", node);
    this.#changed("childrenChanged", parent);
  }

  deleted(node: Affected, parent: Affected): void {
    this.#changed("deleted", node);
    this.#changed("childrenChanged", parent);
  }

  dataChanged(node: Affected): void {
    this.#changed("dataChanged", node);
  }

  sessionCreated(session: SessionInfo): void {
    if (this.#listener !== null) this.#waiting.push({ kind: "sessionCreated", session });
  }

  sessionMoved(session: SessionInfo): void {
    if (this.#listener !== null) this.#waiting.push({ kind: "sessionMoved", session });
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
      else if (event.kind === "sessionMoved") listener.onSessionMoved?.(event.session);
      else if (event.kind === "sessionClosed") listener.onSessionClosed(event.id);
      else listener.onNodeChange(event.kind, event.path, txnid, event.mayRead);
    }
  }

  #changed(kind: NodeChangeKind, { path, acl }: Affected): void {
    if (this.#listener !== null) this.#waiting.push({ kind, path, mayRead: acl.mayRead });
  }
}
