import { may, Perm, type Identities } from "./acl-rules.js";
import type { Change, ServiceModel } from "./service-model.js";

/** How a client has registered a watch, as its setWatches will name it. */
export type WatchList = "data" | "exist" | "child" | "persistent" | "persistentRecursive";

export interface Watch {
  readonly list: WatchList;
  readonly path: string;
}

/** A change that a client must be told of, as it must look. */
export type DueEvent = Change;

/** What a client hears of a watch that it sets again, whoever may read the node: as there. */
export interface MissedEvent {
  readonly kind: Change["kind"];
  readonly path: string;
}

/**
 * Which events one client must be told, in order: its watches, and the changes of the model from
 * the state on at which each was set. Exact: an event more is as wrong as one that is missing.
 */
export class WatchOracle {
  readonly #model: ServiceModel;
  readonly #who: Identities;
  readonly #onWithheld: () => void;
  readonly #watches = new Map<string, Watch>();
  /** Changes up to this transaction are accounted for. */
  #upTo = 0n;
  #due: DueEvent[] = [];

  /** `onWithheld`: something happened to a node that the client watches and may not read. */
  constructor(model: ServiceModel, who: Identities, onWithheld: () => void) {
    this.#model = model;
    this.#who = who;
    this.#onWithheld = onWithheld;
  }

  /** As the client holds them; the ones that are due are gone already. */
  get watches(): readonly Watch[] {
    return [...this.#watches.values()];
  }

  /** Told by now, had everything come that precedes a reply as of `txnid`. */
  dueBy(txnid: bigint): readonly DueEvent[] {
    const { changes } = this.#model;
    for (let i = this.#model.changeAfter(this.#upTo); i < changes.length; i += 1) {
      const change = changes[i];
      if (change === undefined || change.txnid > txnid) break;
      if (this.#fires(change)) this.#due.push(change);
    }
    if (txnid > this.#upTo) this.#upTo = txnid;
    return this.#due;
  }

  /** The next event that is due by this transaction, which counts as told then. */
  take(txnid: bigint): DueEvent | undefined {
    this.dueBy(txnid);
    return this.#due.shift();
  }

  /** Set by an answer that shows the state as of `txnid`; whatever is due by it was taken. */
  add(watch: Watch, txnid: bigint): void {
    this.dueBy(txnid);
    this.#watches.set(`${watch.list} ${watch.path}`, watch);
  }

  /**
   * The client is connected anew and has set its watches again, relative to what it had seen, at a
   * server as of `txnid`: what it must be told at once. The others are armed from there on.
   */
  renew(sent: readonly Watch[], relative: bigint, txnid: bigint): readonly MissedEvent[] {
    const missed: MissedEvent[] = [];
    this.forget();
    this.#upTo = txnid;
    for (const watch of sent) {
      const kind = this.#missed(watch, relative, txnid);
      if (kind === null) this.#watches.set(`${watch.list} ${watch.path}`, watch);
      else missed.push({ kind, path: watch.path });
    }
    return missed;
  }

  /** What follows may be older, but not older than this. No watch is set, nor anything due. */
  rewind(txnid: bigint): void {
    this.#upTo = txnid;
  }

  /** The connection is gone, and with it what was on its way. */
  forget(): void {
    this.#watches.clear();
    this.#due = [];
  }

  /** The rules of ZooKeeper's setWatches. */
  #missed({ list, path }: Watch, relative: bigint, txnid: bigint): Change["kind"] | null {
    const node = this.#model.nodeAt(path, txnid);
    switch (list) {
      case "exist":
        return node === null ? null : "created";
      case "data":
        if (node === null) return "deleted";
        return node.mzxid > relative ? "dataChanged" : null;
      case "child":
        if (node === null) return "deleted";
        return node.pzxid > relative ? "childrenChanged" : null;
      case "persistent":
      case "persistentRecursive":
        return null;
    }
  }

  /** Whether the client is told; its one-shot watches that fire are gone, told or not. */
  #fires({ kind, path, acl }: Change): boolean {
    let isTold = this.#watches.has(`persistent ${path}`);
    const once = (list: WatchList): void => {
      if (this.#watches.delete(`${list} ${path}`)) isTold = true;
    };
    if (kind !== "childrenChanged") {
      once("data");
      once("exist");
      for (let above = path; above !== ""; above = above.slice(0, above.lastIndexOf("/"))) {
        if (this.#watches.has(`persistentRecursive ${above}`)) isTold = true;
      }
    }
    if (kind === "childrenChanged" || kind === "deleted") once("child");
    if (!isTold || may(acl, Perm.read, this.#who)) return isTold;
    this.#onWithheld();
    return false;
  }
}
