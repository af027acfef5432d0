import type {
  Clock,
  DurableStore,
  Logger,
  Meter,
  NodeId,
  QuorumVerifier,
  StateMachine,
} from "@quorate/protocol";
import type { AppliedFeed } from "./applied-feed.js";
import type { LazyStore } from "./lazy-store.js";
import type { RequestManager } from "./request-manager.js";

export interface ServerActionOptions {
  readonly nodeId: NodeId;
  readonly quorum: QuorumVerifier;
  /** Counts this node although it forgot: the operator's word against the fault model. */
  readonly trustEmpty: boolean;
  /** Log bytes applied between two checkpoints. */
  readonly checkpointBytes: number;
}

export interface ServerActionDeps {
  readonly store: DurableStore;
  readonly stateMachine: StateMachine;
  readonly requests: RequestManager;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter?: Meter;
  readonly feed?: AppliedFeed;
  /** A snapshot is about to take the place of the state, or has done so. */
  onLoad?(phase: "begun" | "done"): void;
  /** Custom operations that become entries. Default: none. */
  isReplicated?(op: number): boolean;
  /** The store itself, where it may write what is committed already at its leisure. */
  readonly lazy?: LazyStore;
}
