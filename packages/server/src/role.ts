import { QuorateError, type ActionHandler, type Txnid } from "@quorate/protocol";
import type { PeerPressure } from "./server.js";

/** The host as the roles see it: any ActionHandler, and what an asynchronous one can add. */
export interface RoleHandler extends ActionHandler {
  /** How long the oldest unanswered write has waited. A blocking host has none. */
  oldestAppendAgeMs?(): number;
  /** When a snapshot that is being loaded into memory last got on; null while none is. */
  loadProgressAt?(): number | null;
}

/** Why a role ended. What follows is always another election, or the end of the node. */
export type RoleEnd =
  /** The leader is lost, or this leader lost its quorum. */
  | { readonly kind: "lost"; readonly error: QuorateError; readonly isPeerGone: boolean }
  /** A counted voter knows more: it should lead. */
  | { readonly kind: "abdicated"; readonly reason: string }
  /** A voter has promised a higher epoch than this leader's; the next must be above it. */
  | { readonly kind: "superseded"; readonly acceptedEpoch: number }
  /** The leader left in order. */
  | { readonly kind: "handover" }
  /** The connection was closed on purpose and the leader goes on: connect again, without a vote. */
  | { readonly kind: "reset" }
  /** The node was told to stop. */
  | { readonly kind: "stopped" }
  /** The own store failed. */
  | { readonly kind: "storeFailed"; readonly error: QuorateError }
  /** The histories contradict each other; this node must not go on. */
  | { readonly kind: "diverged"; readonly error: QuorateError };

/** A role that serves, as the coordinator sees it. */
export interface Role {
  /** Resolves when the role has ended and its pipes are closed. */
  readonly done: Promise<RoleEnd>;
  readonly isReady: boolean;
  /** Whether it ever served; also after its end. */
  readonly wasReady: boolean;
  /** The mark that a linearizable read must wait for. */
  readIndex(done: (mark: Txnid | QuorateError) => void): void;
  /**
   * Calls back without an error once this node has heard of those it depends on after the call: a
   * leader of a quorum, any other of its upstream. Bounded: a silent peer ends the role.
   */
  ping(done: (error: QuorateError | null) => void): void;
  /** Who follows it, and what waits for them. */
  peers(): readonly PeerPressure[];
  /** Closes its connections without an end of the leader's term. */
  resetConnections(): void;
  /** Ends it in order; a leader drains and hands over first. */
  stop(): void;
}

/** What a node says to its peers when it closes their connections and goes on in its role. */
export function resetReason(): QuorateError {
  return new QuorateError("ERR_PROTOCOL_RESET", "connections were reset");
}

/** Whether a pipe was closed so, by this node or by its peer. */
export function isReset({ code, details }: QuorateError): boolean {
  return code === "ERR_PROTOCOL_RESET" || details["peerCode"] === "ERR_PROTOCOL_RESET";
}
