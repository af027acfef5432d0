import type { LogEntryMsg } from "../entry-batch.js";
import type { ReadResult } from "./state-machine.js";

/** Bytes of what a {@link CustomState} saves. A greater state cannot be checkpointed. */
export const CUSTOM_STATE_BYTES_MAX = 1024 * 1024;

/**
 * A small state of the host's own beside the tree, changed by operations of its own (codes above
 * 50) that go through the log: durable, in every snapshot, part of the digest, the same on every
 * node. Every node must be given the same: one that does not know a committed operation stops.
 *
 * Deterministic, and judged when applied: what an operation does, and whether it does anything,
 * follows from the state and the entry alone. No clock, no randomness, nothing of this node.
 */
export interface CustomState {
  /** Codes that become entries. */
  readonly writes: readonly number[];
  /** Codes that only read; answered by the node that was asked, or linearizably. Default: none. */
  readonly reads?: readonly number[];
  /**
   * One committed entry, in txnid order, each once. The content is a view: copy what is kept.
   * Returns the answer for the client that asked. Must not throw: that ends the node.
   */
  apply(entry: LogEntryMsg): Uint8Array;
  read?(op: number, key: string, content: Uint8Array): ReadResult;
  /** All of it, at most CUSTOM_STATE_BYTES_MAX. */
  save(): Uint8Array;
  /** Replaces all of it by what was saved; null: back to the empty state. */
  load(saved: Uint8Array | null): void;
}
