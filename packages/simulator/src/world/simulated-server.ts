import type {
  AuthIdentity,
  ChainHash,
  Clock,
  CommittedEvent,
  Logger,
  Meter,
  NodeId,
  OpenStore,
  PeerConnector,
  PeerListener,
  PeerMessenger,
  QuorateError,
  Random,
  StateMachine,
  Timings,
  Txnid,
} from "@quorate/protocol";
import type { ByteChannel } from "@quorate/zookeeper";
import type { WireCodec } from "../network/wire-codec.js";
import type { Answer, Operation } from "../workload/history.js";

/** What the simulator looks at in a running node. */
export interface SimulatedStatus {
  readonly role: "electing" | "leader" | "follower" | "watcher";
  /** Established and serving. */
  readonly isReady: boolean;
  readonly epoch: number;
  readonly lastLogged: Txnid;
  readonly lastCommitted: Txnid;
  readonly digest: bigint;
  /** The txnid at which the digest was taken: the last applied one. */
  readonly digestAt: Txnid;
}

/** What somebody wants to hear of the log. */
export interface FollowRequest {
  readonly prefix: string;
  readonly after: Txnid;
  /** Null: the node's own program, which hears of everything. */
  readonly identities: readonly AuthIdentity[] | null;
}

/** `end` is the last call. */
export interface FollowSink {
  /** All that it is told of the transactions up to here, if there is anything. */
  deliver(upTo: Txnid, events: readonly CommittedEvent[]): void;
  end(error: QuorateError): void;
}

export interface FollowHandle {
  taken(upTo: Txnid): void;
  close(): void;
}

/** A node as the simulator sees it; the shipped server fits behind a thin adapter. */
export interface SimulatedServer {
  /** Resolves, with a text for the log, when the process would end. */
  readonly done: Promise<string>;
  status(): SimulatedStatus;
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
  /**
   * A connection of a client of ZooKeeper. False while there is nobody to take it; absent where
   * the server has no sessions.
   */
  readonly accept?: (channel: ByteChannel) => boolean;
  /** @throws as a subscription does that cannot begin. Absent where there are none. */
  readonly follow?: (request: FollowRequest, sink: FollowSink) => FollowHandle;
  /** A planned stop: hands over first. */
  stop(): Promise<void>;
}

export interface ServerOptions {
  readonly nodeId: NodeId;
  readonly role: "voter" | "watcher";
  /** Of a watcher: whom to follow in place of the leader. */
  readonly upstreams: readonly NodeId[];
  readonly voters: readonly NodeId[];
  readonly cluster: string;
  readonly timings: Timings;
  readonly checkpointBytes: number;
}

export interface ServerPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
  readonly messenger: PeerMessenger;
  readonly listener: PeerListener;
  readonly connector: PeerConnector;
  readonly openStore: OpenStore;
  createStateMachine(): StateMachine;
  readonly chainHash: ChainHash;
}

export type StartServer = (options: ServerOptions, ports: ServerPorts) => SimulatedServer;

/** How requests and answers look as bytes, and what machine understands them. */
export interface Application {
  readonly createStateMachine: () => StateMachine;
  readonly encode: (operation: Operation) => {
    readonly op: number;
    readonly content: Uint8Array;
  };
  readonly decode: (operation: Operation, content: Uint8Array, txnid: Txnid) => Answer;
}

/** All that a run is made of and the simulator does not bring itself. */
export interface Composition {
  readonly startServer: StartServer;
  /** Its nodes take clients of ZooKeeper. */
  readonly hasSessions: boolean;
  readonly application: Application;
  readonly codec: WireCodec;
  readonly chainHash: ChainHash;
}
