import type { ItemStream, NodeChangeKind, Txnid } from "@quorate/protocol";
import { parentPathOf, ROOT } from "../paths.js";

/**
 * What a program watches. `data` (its node's creation, deletion, or new data) and `children` fire
 * once; `persistent` tells all of both for good; `persistentRecursive` tells of the node and of all
 * below it, of changed data, creations and deletions.
 */
export type WatchKind = "data" | "children" | "persistent" | "persistentRecursive";

/** One change, as it was watched. */
export interface NodeEvent {
  /**
   * `rearmed`, of the kinds that stay: the connection was lost and is there again, and changes in
   * between were not told. Read what you rely on again.
   */
  readonly kind: NodeChangeKind | "rearmed";
  readonly path: string;
  readonly txnid: Txnid;
}

/** As a server is to arm it. */
export type ArmedAs = "data" | "exist" | "child" | "persistent" | "persistentRecursive";

export interface BookedWatch {
  readonly path: string;
  readonly kind: WatchKind;
  readonly stream: ItemStream<NodeEvent>;
  /** Null until the server has said that it is armed: what it tells before is not for this one. */
  armedAs: ArmedAs | null;
}

/** What one connection watches, by path: from what a server tells to those who want to hear it. */
export class WatchBook {
  readonly #byPath = new Map<string, Set<BookedWatch>>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  add(watch: BookedWatch): void {
    const known = this.#byPath.get(watch.path);
    if (known === undefined) this.#byPath.set(watch.path, new Set([watch]));
    else known.add(watch);
    this.#count += 1;
  }

  /** Whether nobody else has one of its kind there: then the server is to forget it. */
  remove(watch: BookedWatch): boolean {
    const known = this.#byPath.get(watch.path);
    if (known?.delete(watch) !== true) return false;
    this.#count -= 1;
    if (known.size === 0) this.#byPath.delete(watch.path);
    return !this.has(watch.path, watch.kind);
  }

  has(path: string, kind: WatchKind): boolean {
    return [...(this.#byPath.get(path) ?? [])].some((one) => one.kind === kind);
  }

  armed(watch: BookedWatch, isThere: boolean): void {
    watch.armedAs = armedAs(watch.kind, isThere);
  }

  /** Hands a change to all whom it concerns; the one-shot ones end with it. */
  tell(change: NodeChangeKind, path: string, txnid: Txnid): void {
    const event: NodeEvent = { kind: change, path, txnid };
    for (const watch of [...(this.#byPath.get(path) ?? [])]) {
      if (watch.kind === "persistentRecursive" || !concerns(watch, change)) continue;
      this.#give(watch, event);
    }
    if (change === "childrenChanged") return;
    for (let at = path; ; at = parentPathOf(at)) {
      for (const watch of [...(this.#byPath.get(at) ?? [])]) {
        if (watch.kind === "persistentRecursive" && watch.armedAs !== null) {
          this.#give(watch, event);
        }
      }
      if (at === ROOT) return;
    }
  }

  /** What the next connection is to arm, each once. */
  toArm(): readonly { readonly kind: ArmedAs; readonly path: string }[] {
    const arms: { kind: ArmedAs; path: string }[] = [];
    for (const [path, watches] of this.#byPath) {
      const kinds = new Set<ArmedAs>();
      for (const { armedAs } of watches) if (armedAs !== null) kinds.add(armedAs);
      for (const kind of kinds) arms.push({ kind, path });
    }
    return arms;
  }

  /** The next connection has armed them; `hasMissed`: others may have changed something before. */
  rearmed(txnid: Txnid, hasMissed: boolean): void {
    if (!hasMissed) return;
    for (const watch of this.#all()) {
      if (watch.armedAs !== "persistent" && watch.armedAs !== "persistentRecursive") continue;
      this.#give(watch, { kind: "rearmed", path: watch.path, txnid });
    }
  }

  *#all(): IterableIterator<BookedWatch> {
    for (const watches of [...this.#byPath.values()]) yield* [...watches];
  }

  values(): IterableIterator<BookedWatch> {
    return this.#all();
  }

  #give(watch: BookedWatch, event: NodeEvent): void {
    watch.stream.push(event);
    if (watch.kind !== "data" && watch.kind !== "children") return;
    this.remove(watch);
    watch.stream.end(null);
  }
}

function concerns({ kind, armedAs }: BookedWatch, change: NodeChangeKind): boolean {
  if (armedAs === null) return false;
  if (kind === "data") return change !== "childrenChanged";
  if (kind === "children") return change === "childrenChanged" || change === "deleted";
  return true;
}

function armedAs(kind: WatchKind, isThere: boolean): ArmedAs {
  if (kind === "children") return "child";
  return kind === "data" && !isThere ? "exist" : kind;
}
