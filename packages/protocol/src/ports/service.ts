import type { AuthIdentity } from "../caller.js";
import type { NodeId } from "../ids.js";
import type { RequestOutcome } from "../request.js";
import type { Txnid } from "../txnid.js";
import type { QuorateError } from "../errors.js";
import type { ReadResult } from "./state-machine.js";

export type NodeChangeKind = "created" | "deleted" | "dataChanged" | "childrenChanged";

/** 0: nobody knows. So it is of sessions older than the record, until their clients come anew. */
export type SessionOwner = NodeId | 0;

/** A session as the applied state holds it. */
export interface SessionInfo {
  readonly id: bigint;
  readonly timeoutMs: number;
  /** Sixteen random bytes that only the client knows beside the ensemble. */
  readonly password: Uint8Array;
  /** The node that its client is connected to, the only one that it may write through. */
  readonly owner: SessionOwner;
  /** How many ephemeral nodes it has. */
  readonly ephemeralCount: number;
}

/** What the replicated state machine tells while it applies, synchronously and in order. */
export interface StateListener {
  /**
   * One per path and kind, in the order in which ZooKeeper fires: a create is `created` of the path
   * and then `childrenChanged` of its parent. Reads made from within see the state after the whole
   * transaction or before it, never a part of it: do not read here.
   *
   * `mayRead` tells who may read the node by its ACL as of the change (of the parent, for
   * `childrenChanged`); without it everybody may. Valid during the call.
   */
  onNodeChange(
    kind: NodeChangeKind,
    path: string,
    txnid: Txnid,
    mayRead?: (identities: readonly AuthIdentity[]) => boolean,
  ): void;
  onSessionCreated(session: SessionInfo): void;
  /** Its client is connected to its owner from now on, as it may have been before. */
  onSessionMoved?(session: SessionInfo): void;
  /** Closed or expired; its ephemerals are gone already. */
  onSessionClosed(id: bigint): void;
}

export interface ServiceListener extends StateListener {
  /** The state was replaced by a snapshot: nobody can tell what its watchers missed. */
  onStateReplaced(): void;
  /** Whether the node serves, whenever that changes. */
  onServing(isServing: boolean): void;
  /** A client takes this session up at this node anew: who speaks for it here does so no more. */
  onSessionTaken?(id: bigint): void;
}

/**
 * What a front end (ZooKeeper's protocol, the native one, the host's program) asks of its node.
 * All contents of requests to the tree start with their {@link Caller}.
 */
export interface Service {
  readonly nodeId: NodeId;
  /** Synchronised, and serving clients. Between two roles a node does not. */
  readonly isServing: boolean;
  /** The newest transaction in the state that reads see. */
  readonly lastApplied: Txnid;
  /** Returns what detaches it. A listener must not throw. */
  attach(listener: ServiceListener): () => void;
  /**
   * Answers from the applied state, at once, whether or not the node serves. The content is only
   * valid until the caller's turn ends.
   */
  readNow(op: number, key: string, content: Uint8Array): ReadResult;
  /**
   * One write. Writes are proposed in the order submitted. The outcome comes once, never from
   * within a successful submit, and after everything that it depends on was applied here; waits for
   * a role at most 1 s (ERR_SERVER_NOT_READY, without effect).
   * @param ofClient how many of its client's wait for their outcome, this one included: where few
   *   do, it joins a backlog that others' are refused for (ERR_SERVER_BUSY).
   */
  submit(
    op: number,
    key: string,
    content: Uint8Array,
    complete: (outcome: RequestOutcome) => void,
    ofClient?: number,
  ): void;
  /**
   * Calls back once the applied state is as new as any write acknowledged anywhere before the call
   * (ZooKeeper's `sync`); or with why not.
   */
  catchUp(done: (error: QuorateError | null) => void): void;
  /** The session as applied here. */
  session(id: bigint): SessionInfo | undefined;
  /** Open sessions in the applied state. */
  readonly sessionCount: number;
  /**
   * A client is about to take this session up here, or has just done so: whoever speaks for it at
   * this node, by whatever protocol, is told (`onSessionTaken`) and closes, at once. What such a
   * client has asked for, not read yet, must not come behind what it did elsewhere in between
   * (Invariant 8). A wrong password costs nobody anything.
   */
  takeOver(session: bigint, password: Uint8Array | null): void;
  /** The client of this session gave a sign of life here. Reaches the leader with a heartbeat. */
  touch(session: bigint): void;
}
