import { formatTxnid, type NodeId, type Txnid } from "@quorate/protocol";
import type { Violations } from "../violations.js";
import type { ModelEvents, ModelNode, ServiceModel } from "./service-model.js";
import type { Effect } from "./transaction.js";

interface Purge {
  readonly leader: NodeId;
  readonly path: string;
  /** The leader's, as it decided. */
  readonly wallTimeMs: number;
}

/**
 * Judges what a leader removes of itself: a container that children have left, or a node that
 * nobody has set for its time to live, as of the transaction before; and nothing with a child.
 */
export class PurgeChecker implements ModelEvents {
  readonly #violations: Violations;
  readonly #model: ServiceModel;
  readonly #onPurged: (kind: "container" | "ttl") => void;
  readonly #prepared = new Map<bigint, Purge>();

  constructor(
    violations: Violations,
    model: ServiceModel,
    onPurged: (kind: "container" | "ttl") => void,
  ) {
    this.#violations = violations;
    this.#model = model;
    this.#onPurged = onPurged;
  }

  /** A leader has made this transaction of its own wish. */
  prepared(txnid: bigint, purge: Purge): void {
    this.#prepared.set(txnid, purge);
  }

  readonly onApplied = (txnid: Txnid, effects: readonly Effect[]): void => {
    const purge = this.#prepared.get(txnid);
    if (purge === undefined) return;
    this.#prepared.delete(txnid);
    const { leader, path, wallTimeMs } = purge;
    // Another leader's entry of the same number would be no delete of this.
    if (!effects.some((effect) => effect.kind === "delete" && effect.path === path)) return;
    const node = this.#model.nodeAt(path, txnid - 1n);
    const isDue = node !== null && isPurgeable(node, wallTimeMs);
    this.#violations.expect(
      isDue,
      "purgeIsDue",
      () => `n${leader} removes ${path} at ${formatTxnid(txnid)}: ${describe(node, wallTimeMs)}`,
    );
    if (node?.life.kind === "container" || node?.life.kind === "ttl") {
      this.#onPurged(node.life.kind);
    }
  };

  readonly onSessionClosed = (): void => undefined;
}

/** Whether a leader whose clock shows this may remove the node. */
export function isPurgeable(node: ModelNode, wallTimeMs: number): boolean {
  if (node.children.length > 0) return false;
  switch (node.life.kind) {
    case "container":
      return node.hadChild;
    case "ttl":
      return wallTimeMs - node.mtime > node.life.ms;
    case "endless":
      return false;
  }
}

function describe(node: ModelNode | null, wallTimeMs: number): string {
  if (node === null) return "there is none";
  const { life, children, hadChild, mtime } = node;
  const childText = `${children.length} children${hadChild ? "" : ", and never had one"}`;
  if (life.kind !== "ttl") return `${life.kind}, ${childText}`;
  return `it may live ${life.ms} ms, was set ${wallTimeMs - mtime} ms ago, ${childText}`;
}
