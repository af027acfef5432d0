import type { Epoch, NodeId, QuorateError, Standing, Txnid } from "@quorate/protocol";

/** Why a server ended. */
export type ExitReason =
  { readonly kind: "stopped" } | { readonly kind: "failed"; readonly error: QuorateError | Error };

export interface NodeStatus {
  readonly id: NodeId;
  readonly role: "electing" | "leading" | "following" | "watching";
  readonly leader: NodeId | null;
  readonly epoch: Epoch;
  readonly lastLogged: Txnid;
  readonly lastCommitted: Txnid;
  readonly lastApplied: Txnid;
  /** Of the state machine, at `lastApplied`. */
  readonly digest: bigint;
  readonly standing: Standing;
  /** Serves clients. */
  readonly ready: boolean;
}

/** What the edge of a node needs of its server. */
export interface ServerHandle {
  readonly done: Promise<ExitReason>;
  status(): NodeStatus;
  /**
   * Resolves when the write is committed and applied here.
   * @throws (rejects) QuorateError; ERR_CLIENT_OUTCOME_UNKNOWN when it may or may not happen.
   */
  submit(
    op: number,
    key: string,
    content: Uint8Array,
  ): Promise<{ readonly txnid: Txnid; readonly content: Uint8Array }>;
  read(
    op: number,
    key: string,
    content: Uint8Array,
    options: { readonly linearizable: boolean },
  ): Promise<Uint8Array>;
  /** Planned: drains and hands over. */
  stop(): Promise<void>;
}
