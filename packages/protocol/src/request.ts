import type { QuorateError } from "./errors.js";
import type { RequestMsg, ResponseMsg } from "./messages.js";
import type { PeerPipe } from "./ports/peer.js";
import type { Txnid } from "./txnid.js";

/** What became of a request of this node's own clients. */
export type RequestOutcome =
  | { readonly ok: true; readonly txnid: Txnid; readonly content: Uint8Array }
  | { readonly ok: false; readonly error: QuorateError };

/** A request that waits, and whom to tell. Called exactly once, on the event loop. */
export interface RequestHandle {
  readonly request: RequestMsg;
  /** How many of its client wait, this one included. Default: clients are not told apart. */
  readonly ofClient?: number;
  complete(outcome: RequestOutcome): void;
}

/** The requests of this node's own clients. */
export interface RequestMgr {
  /**
   * The role that serves takes requests here, in arrival order; null when it ends. Requests that
   * come while nobody takes them wait or are refused, as the manager decides.
   */
  onRequest(receiver: ((request: RequestMsg) => void) | null): void;
  /** Registers a request before it is handed on. False when too many wait, or too much. */
  addPendingRequest(handle: RequestHandle): boolean;
  /** Completes one and forgets it; unknown numbers are ignored. */
  completeRequest(reqId: bigint, outcome: RequestOutcome): void;
  /** The leader is lost: what was handed on has an unknown outcome. */
  cleanupOnError(error: QuorateError): void;
}

/**
 * The host's own operations, op codes above 50, that are answered and not logged. (Those that the
 * host replicates never come here; see ActionHandler.isReplicated.)
 */
export interface CustomRequestHandler {
  /**
   * On the leader, for each request once. Must not block. A throw, or a rejection, is an error
   * response. Without an answer within CUSTOM_REQUEST_MS_MAX the client is told
   * ERR_CLIENT_OUTCOME_UNKNOWN.
   */
  onNewRequest(fid: string, request: RequestMsg): void | Promise<void>;
  /**
   * Where answers go, for as long as this node leads; null afterwards. Each request is answered
   * once, by its fid and reqId; what answers none is dropped.
   */
  attach(respond: ((response: ResponseMsg) => void) | null): void;
}

/** Runs on a freshly opened pipe to a leader before anything else; a rejection closes the pipe. */
export type ClientAuthFunction = (pipe: PeerPipe) => Promise<void>;
