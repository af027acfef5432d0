import type {
  ActionHandler,
  ChainHash,
  Clock,
  CustomRequestHandler,
  Epoch,
  Identity,
  Logger,
  LogPosition,
  MsgFactory,
  NodeId,
  PeerPipe,
  QuorateError,
  QuorumVerifier,
  Timings,
} from "@quorate/protocol";

export interface LeaderOptions {
  readonly nodeId: NodeId;
  readonly epoch: Epoch;
  readonly quorum: QuorumVerifier;
  /** The end of the initial history: durable on a quorum, committed by the owner already. */
  readonly initialEnd: LogPosition;
  readonly timings: Timings;
}

export interface LeaderDeps {
  readonly handler: ActionHandler;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly factory: MsgFactory;
  readonly chainHash: ChainHash;
  readonly customHandler?: CustomRequestHandler;
  /** A follower or watcher joined or left. */
  onEnsembleChange(): void;
  /** This leader must not go on. Once. */
  onStepDown(error: QuorateError): void;
}

export interface JoiningFollower {
  readonly pipe: PeerPipe;
  readonly identity: Identity;
  /** Whether its accepts count at once; a voter that had forgotten counts after re-admission. */
  readonly isCounted: boolean;
  /** The end of the history that it acknowledged. */
  readonly upTo: LogPosition;
}
