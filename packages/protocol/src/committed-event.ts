import type { Txnid } from "./txnid.js";

/** What one committed transaction did to one path (or, for a broadcast, said under a key). */
export type CommittedOperation =
  | {
      readonly kind: "create";
      readonly path: string;
      readonly data: Uint8Array;
      /** The leader's clock when it took the request, ms since 1970. */
      readonly timeMs: number;
    }
  | {
      readonly kind: "set";
      readonly path: string;
      readonly data: Uint8Array;
      /** The node's version after it. */
      readonly version: number;
      readonly timeMs: number;
    }
  | { readonly kind: "delete"; readonly path: string }
  | {
      readonly kind: "setAcl";
      readonly path: string;
      /** Of the ACL (`aversion`), after it. */
      readonly version: number;
    }
  /** Ordered among the others and kept nowhere in the tree. `path` is whatever key it was given. */
  | { readonly kind: "broadcast"; readonly path: string; readonly data: Uint8Array };

/** One committed transaction: those of its operations that the subscriber asked for. */
export interface CommittedEvent {
  readonly txnid: Txnid;
  /** At least one, in the transaction's own order. */
  readonly operations: readonly CommittedOperation[];
}
