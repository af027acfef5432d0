import type { LogEntryMsg } from "../entry-batch.js";
import type { ErrorCode } from "../errors.js";
import type { NodeId } from "../ids.js";
import type { StateRows } from "../packed-rows.js";
import type { Txnid } from "../txnid.js";
import type { SessionInfo, StateListener } from "./service.js";

/** What a request became: a deterministic, idempotent transaction, or a refusal. */
export type Prepared =
  | { readonly ok: true; readonly op: number; readonly key: string; readonly content: Uint8Array }
  | {
      readonly ok: false;
      readonly code: ErrorCode;
      readonly message: string;
      /** The operation of a multi that was refused, from 0. */
      readonly at?: number;
    };

export interface PrepareContext {
  /** The txnid that the transaction will have if it is not refused. */
  readonly txnid: Txnid;
  /** The leader's wall clock, ms since 1970. The only time that a transaction knows. */
  readonly wallTimeMs: number;
  /** The node whose client asks, which must be where its session is. Absent: the leader itself. */
  readonly origin?: NodeId | undefined;
}

export type ReadResult =
  | { readonly ok: true; readonly content: Uint8Array }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string };

/** A consistent image of what changed, read in slices while the state goes on changing. */
export interface StateChanges {
  /** About `bytesMax` of rows; empty at the end. Synchronous and short. */
  next(bytesMax: number): StateRows;
  /**
   * It never became durable: its rows count as changed again. Before its end or after it, until
   * the next image is begun.
   */
  abandon(): void;
}

/** The open sessions of the applied state. */
export interface SessionTable {
  readonly count: number;
  get(id: bigint): SessionInfo | undefined;
  values(): IterableIterator<SessionInfo>;
  /**
   * Whether it is open, this node's and of this timeout (0: whatever it is), and no change of it is
   * prepared and not yet applied: who takes it up here needs no transaction.
   */
  isSettledAt(id: bigint, node: NodeId, timeoutMs: number): boolean;
}

/**
 * The replicated state machine. Deterministic: the same entries in the same order give the same
 * digest everywhere. No ambient input. Called from the event loop only.
 */
export interface StateMachine {
  /**
   * On the leader, in arrival order: judges a request against the newest state, prepared and not
   * yet committed transactions included, and records its effects there.
   */
  prepare(op: number, key: string, content: Uint8Array, context: PrepareContext): Prepared;
  /** The role ended: what was prepared and not applied is forgotten. */
  discardPrepared(): void;
  /**
   * Applies one committed entry. Entries come in txnid order, each once; contents are views that
   * must be copied to be kept. Returns the answer for the client that asked. Throwing is fatal:
   * a state machine that cannot apply has diverged.
   */
  apply(entry: LogEntryMsg): Uint8Array;
  /** Answers from the applied state. Never throws for bad input. */
  read(op: number, key: string, content: Uint8Array): ReadResult;
  /** Over all state in a fixed byte form; kept incrementally. u64. */
  digest(): bigint;
  /**
   * Starts an image as of now, of the rows changed since the last image was read to its end (or
   * all).
   */
  beginChanges(options: { readonly full: boolean }): StateChanges;
  /** Back to the empty state. */
  reset(): void;
  /** Loads rows of a checkpoint into an empty state, in any number of calls. */
  restore(rows: StateRows): void;

  /** Default: it has none. */
  readonly sessions?: SessionTable | undefined;
  /**
   * Paths of at most `max` applied nodes that the leader may ask to have deleted
   * (`OpCode.deleteExpired`): containers that children have left, nodes whose time to live is over.
   */
  expiredNodes?(wallTimeMs: number, max: number): readonly string[];
  /**
   * At most one; null detaches it. It is told after each transaction is wholly applied, and of
   * nothing that is restored. It must not throw.
   */
  attach?(listener: StateListener | null): void;
}
