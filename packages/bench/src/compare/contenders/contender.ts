/** How an ensemble is to be made. */
export interface EnsembleWish {
  /** Everything is written below it. */
  readonly directory: string;
  readonly voters: number;
  /** Replicas without a vote: Quorate's watchers, ZooKeeper's observers. */
  readonly watchers: number;
  /** Where servers write CPU profiles when they are sent SIGUSR2; null for none. */
  readonly profileDirectory: string | null;
}

export type WireProtocol = "zookeeper" | "etcd";

/** An ensemble of server processes on this machine. Nothing runs before `start`. */
export interface BenchEnsemble extends AsyncDisposable {
  readonly protocol: WireProtocol;
  /** The voters. */
  readonly ids: readonly number[];
  readonly watcherIds: readonly number[];
  /** `host:port` for clients. */
  serverOf(id: number): string;
  pidOf(id: number): number;
  /** Since its start, as the server asked for them; null when nobody can tell. */
  syncsOf(id: number): Promise<number | null>;
  /** All of them without an argument. */
  start(...ids: number[]): void;
  /** Waits until every one of them serves; @returns the leader. */
  untilReady(): Promise<number>;
  /** Whose term it is: a leader that was lost and elected again has another. */
  term(): Promise<string>;
  /** SIGKILL; waits until they have ended. */
  kill(...ids: number[]): Promise<void>;
  /** Ends all of them in order, as an operator would; by force when that takes too long. */
  stop(): Promise<void>;
  logs(): string;
}

/** One of those that are compared. */
export interface Contender {
  readonly name: string;
  readonly protocol: WireProtocol;
  /** What is compared, and its version, for the report. */
  readonly description: string;
  readonly canHaveWatchers: boolean;
  readonly canBeProfiled: boolean;
  /** A build of Quorate: a measurement fails when it does not keep what it promises. */
  readonly isOurs: boolean;
  open(wish: EnsembleWish): Promise<BenchEnsemble>;
}

export const STOP_MS = 15_000;
/** A JVM on a busy machine takes its time. */
export const READY_MS = 60_000;
export const POLL_MS = 10;
