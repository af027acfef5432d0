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
  RequestMsg,
  Timings,
} from "@quorate/protocol";
import type { Answers } from "./answers.js";

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
  /** Default: there are no sessions. */
  readonly sessions?: SessionKeeper;
  /** Takes raiseEpoch. Default: the state refuses it, as what it does not know. */
  readonly epochs?: EpochKeeper;
  /** A follower or watcher joined or left. */
  onEnsembleChange(): void;
  /** This leader must not go on. Once. */
  onStepDown(error: QuorateError): void;
}

/** What knows, beside the state, when each session came to its node and was last heard of. */
export interface SessionKeeper {
  /**
   * For each request of a client in order of arrival: whether the way that it took is one that its
   * client has left. Null when it may take its place in the order of writes.
   */
  judge(fid: string, request: RequestMsg): QuorateError | null;
  /** Takes resumeSession, and answers it (`Leader.answers`) or proposes it (`Leader.propose`). */
  resume(fid: string, request: RequestMsg): void;
  /** Sessions that gave a sign of life at a peer. */
  touched(sessions: readonly bigint[]): void;
}

export interface EpochKeeper {
  /** Answered through these, and not logged. */
  take(answers: Answers, fid: string, request: RequestMsg): void;
}

export interface JoiningFollower {
  readonly pipe: PeerPipe;
  readonly identity: Identity;
  /** Whether its accepts count at once; a voter that had forgotten counts after re-admission. */
  readonly isCounted: boolean;
  /** The end of the history that it acknowledged. */
  readonly upTo: LogPosition;
}
