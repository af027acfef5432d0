import type { NodeId, Txnid } from "@quorate/protocol";

/** What a client asked, without the bytes. */
export type Operation =
  | { readonly type: "create"; readonly value: string }
  | { readonly type: "set"; readonly value: string; readonly version: number }
  | { readonly type: "delete"; readonly version: number }
  | { readonly type: "get"; readonly isLinearizable: boolean };

/** What the state machine said about it. */
export type Answer =
  | { readonly result: "done"; readonly txnid: Txnid; readonly version: number }
  | {
      readonly result: "value";
      readonly value: string;
      readonly version: number;
      readonly mzxid: bigint;
    }
  | { readonly result: "noNode" }
  | { readonly result: "nodeExists" }
  | { readonly result: "badVersion" };

/**
 * `ok`: answered. `fail`: certainly without effect. `unknown`: it may have taken effect, may yet,
 * or never.
 */
export interface HistoryItem {
  readonly client: number;
  readonly node: NodeId;
  readonly incarnation: number;
  readonly key: string;
  readonly operation: Operation;
  /** Positions in one order of all invocations and answers. */
  readonly invokedAt: number;
  readonly invokedMs: number;
  returnedAt: number;
  returnedMs: number;
  outcome: "open" | "ok" | "fail" | "unknown";
  answer: Answer | null;
  error: string;
}

export class History {
  readonly items: HistoryItem[] = [];
  #order = 0;

  invoke(
    item: Pick<HistoryItem, "client" | "node" | "incarnation" | "key" | "operation">,
    nowMs: number,
  ): HistoryItem {
    const full: HistoryItem = {
      ...item,
      invokedAt: this.#next(),
      invokedMs: nowMs,
      returnedAt: Number.POSITIVE_INFINITY,
      returnedMs: Number.POSITIVE_INFINITY,
      outcome: "open",
      answer: null,
      error: "",
    };
    this.items.push(full);
    return full;
  }

  /** Does nothing when the item has ended already (its client gave up). */
  end(
    item: HistoryItem,
    nowMs: number,
    end:
      | { readonly outcome: "ok"; readonly answer: Answer }
      | { readonly outcome: "fail" | "unknown"; readonly error: string },
  ): void {
    if (item.outcome !== "open") return;
    item.outcome = end.outcome;
    item.returnedMs = nowMs;
    if (end.outcome === "ok") item.answer = end.answer;
    else item.error = end.error;
    // What may still take effect has no end.
    const at = this.#next();
    if (end.outcome !== "unknown") item.returnedAt = at;
  }

  count(outcome: HistoryItem["outcome"]): number {
    return this.items.filter((item) => item.outcome === outcome).length;
  }

  #next(): number {
    this.#order += 1;
    return this.#order;
  }
}
