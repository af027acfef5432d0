import {
  checkTimings,
  defaultMsgFactory,
  majorityQuorum,
  silentMeter,
  type ActionHandler,
  type ChainHash,
  type ClientAuthFunction,
  type Clock,
  type CustomRequestHandler,
  type CustomState,
  type Epoch,
  type Logger,
  type Meter,
  type MsgFactory,
  type NodeId,
  type OpenStore,
  type PeerConnector,
  type PeerListener,
  type PeerMessenger,
  type QuorateError,
  type QuorumVerifier,
  type Random,
  type RequestMgr,
  type Service,
  type Standing,
  type StateMachine,
  type Timings,
  type Txnid,
} from "@quorate/protocol";
import type { CommittedLog } from "./applied-feed.js";
import type { HostReads } from "./node-state.js";
import { Coordinator } from "./coordinator.js";
import { WatcherNode } from "./watcher-node.js";

export interface ServerOptions {
  readonly nodeId: NodeId;
  /** A watcher follows and serves like a follower and votes nowhere. Default: voter. */
  readonly role?: "voter" | "watcher";
  /**
   * Of a watcher: whom to follow in place of the leader, in order; other watchers, or voters that
   * follow. When none of them serves, the leader.
   */
  readonly upstreams?: readonly NodeId[];
  /** All voters, this node included if it is one. */
  readonly voters: readonly NodeId[];
  readonly cluster: string;
  readonly timings: Timings;
  /**
   * Counts this node although its directory forgot or never held anything, until the ensemble's
   * table names it. The operator's word; logged loudly.
   */
  readonly trustEmpty?: boolean;
  /** Log bytes applied between two checkpoints. */
  readonly checkpointBytes: number;
}

export interface ServerDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter?: Meter;
  readonly messenger: PeerMessenger;
  readonly listener: PeerListener;
  readonly connector: PeerConnector;
  readonly openStore: OpenStore;
  /** An empty state machine; called once for each opening of the store. */
  createStateMachine(): StateMachine;
  readonly chainHash: ChainHash;
  readonly factory?: MsgFactory;
  readonly customHandler?: CustomRequestHandler;
  /** A state of the host's own beside the tree, empty; called for each opening of the store. */
  createCustomState?(): CustomState;
  /**
   * In place of Quorate's own store and tree: an ActionHandler of the host's, as
   * `syncActionHandler` makes it of one with blocking methods. Then `openStore` and the machines
   * are not asked. It serves no subscriptions.
   */
  openHost?(context: HostContext): Promise<OpenedHost>;
  /** Runs on each connection to a leader before anything else. */
  readonly authenticate?: ClientAuthFunction;
}

/** What a host is given when its node starts, and again after its disk was full. */
export interface HostContext {
  readonly nodeId: NodeId;
  readonly quorum: QuorumVerifier;
  readonly clock: Clock;
  /** Where it completes the requests of this node's clients. */
  readonly requests: RequestMgr;
}

/** A host of someone else's in place of Quorate's store and tree. */
export interface OpenedHost extends HostReads {
  readonly handler: ActionHandler;
  /** The node has ended. */
  close?(): Promise<void>;
}

/** Why the server ended. */
export type ExitReason =
  | { readonly kind: "stopped" }
  /** ERR_STORE_IO and its kin, ERR_SYNC_DIVERGED: the process must end. */
  | { readonly kind: "failed"; readonly error: QuorateError };

export type NodeRole = "electing" | "leading" | "following" | "watching";

export interface NodeStatus {
  readonly id: NodeId;
  readonly role: NodeRole;
  readonly leader: NodeId | null;
  readonly epoch: Epoch;
  readonly lastLogged: Txnid;
  readonly lastCommitted: Txnid;
  readonly lastApplied: Txnid;
  /** The digest of the state at `lastApplied`. */
  readonly digest: bigint;
  readonly standing: Standing;
  /** Synchronised and serving. */
  readonly ready: boolean;
  /** Configured voters without which no new ensemble is founded; empty once there is one. */
  readonly waitingFor: readonly NodeId[];
}

/** What waits for one peer that follows this node. */
export interface PeerPressure {
  readonly peer: NodeId;
  /** Queued towards it and not taken by the network, with what waits for the end of its sync. */
  readonly queueBytes: number;
  /** Of a leader's joined follower: entries of the log that it has not said to be durable there. */
  readonly lagEntries: number | null;
}

/** What waits. */
export interface ServerPressure {
  /** Requests of this node's clients that wait for their outcome. */
  readonly pendingRequests: number;
  /** How long the oldest write has waited for the disk; 0 when none does. */
  readonly oldestWriteMs: number;
  /** Everybody who follows this node now: a leader's peers, the watchers that follow this one. */
  readonly peers: readonly PeerPressure[];
}

export interface ReadOptions {
  /** Not older than any write acknowledged anywhere before the call. Default: this node's state. */
  readonly linearizable?: boolean;
}

/** One node: elects, leads or follows, or only watches, and serves its own clients. */
export interface Server {
  /** Resolves once, when the server has ended and its store is closed. */
  readonly done: Promise<ExitReason>;
  /** What is applied here, entry by entry: for those who follow it. */
  readonly committed: CommittedLog;
  /** For those who serve clients. Over a host's own handler: ERR_SERVER_UNSUPPORTED to all. */
  readonly service: Service;
  status(): NodeStatus;
  pressure(): ServerPressure;
  /**
   * Submits one write (or custom operation) of a client of this node.
   * @throws (rejects) the refusal's code; ERR_SERVER_NOT_READY and ERR_SERVER_BUSY, both retryable
   * and without effect; ERR_CLIENT_OUTCOME_UNKNOWN when the leader was lost before it answered.
   */
  submit(
    op: number,
    key: string,
    content: Uint8Array,
  ): Promise<{ readonly txnid: Txnid; readonly content: Uint8Array }>;
  /** @throws (rejects) the refusal's code; ERR_SERVER_NOT_READY, retryable. */
  read(op: number, key: string, content: Uint8Array, options?: ReadOptions): Promise<Uint8Array>;
  /**
   * Liveness: resolves once this node has heard of those it depends on after the call: a leader of
   * a quorum, any other of its leader.
   * @throws (rejects) ERR_SERVER_NOT_READY without a leader; else why it was lost meanwhile.
   */
  ping(): Promise<void>;
  /** Closes all peer connections, which are made anew, without ending the term. */
  resetConnections(): void;
  /** Leaves in order: a leader drains and hands over. Resolves with `done`. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Starts a node on the given ports.
 * @throws (rejects) what opening the store reports: ERR_STORE_LOCKED, ERR_STORE_IO,
 * ERR_STORE_SCHEMA, ERR_STORE_FULL; ERR_CONFIG_* for contradicting options.
 */
export async function startServer(options: ServerOptions, deps: ServerDeps): Promise<Server> {
  checkTimings(options.timings);
  const quorum = majorityQuorum(options.voters);
  const coreOptions = { ...options, trustEmpty: options.trustEmpty ?? false, quorum };
  const coreDeps = {
    ...deps,
    meter: deps.meter ?? silentMeter,
    factory: deps.factory ?? defaultMsgFactory,
  };
  const isWatcher = options.role === "watcher";
  const life = new (isWatcher ? WatcherNode : Coordinator)(coreOptions, coreDeps);
  await life.start();
  return life;
}
