import type {
  AcceptedEpoch,
  Epoch,
  ErrorCode,
  Identity,
  LogPosition,
  NodeId,
  SnapshotInfo,
  Ticket,
  Txnid,
} from "@quorate/protocol";

/** Which rows of state.db a checkpoint consists of, and what they must add up to. */
export interface RowsRef {
  /** The number of the base: a full checkpoint or an installed snapshot has one of its own. */
  readonly table: number;
  /** Its rows up to this generation, the newest of each key. */
  readonly generation: number;
  /** Of all these generations, older rows of a key included. (Schema 1: those that count.) */
  readonly rowCount: number;
  /** The sum of the checksums of blocks, modulo 2^48. (Schema 1: of the rows that count.) */
  readonly rowSum: number;
}

export interface CheckpointFact extends SnapshotInfo, RowsRef {}

/** Blocks lie one behind the other in the message's buffer, in the order of the writes. */
export interface BlockList {
  readonly lengths: readonly number[];
  readonly chains: readonly bigint[];
}

export type LogWrite =
  | { readonly op: "append"; readonly blocks: BlockList; readonly commitMark: Txnid }
  | { readonly op: "accepted"; readonly accepted: AcceptedEpoch }
  | { readonly op: "current"; readonly epoch: Epoch }
  | { readonly op: "members"; readonly members: readonly (readonly [NodeId, Identity])[] }
  | { readonly op: "truncate"; readonly after: LogPosition }
  | { readonly op: "stage"; readonly position: LogPosition }
  | { readonly op: "stageAppend"; readonly blocks: BlockList }
  | { readonly op: "discard" }
  | { readonly op: "install"; readonly checkpoint: CheckpointFact }
  | {
      readonly op: "checkpoint";
      readonly checkpoint: CheckpointFact;
      /** The log above this one stays, for the readers of older snapshots. */
      readonly lowest: Txnid;
    };

export interface RepairMsg {
  readonly kind: "repair";
  readonly problems: readonly string[];
  readonly isCheckpointLost: boolean;
}

export type ToLogWorker =
  | {
      readonly kind: "open";
      readonly directory: string;
      readonly retainedTailBytes: number;
      readonly walBytesMax: number;
    }
  | RepairMsg
  | {
      readonly kind: "write";
      readonly writes: readonly LogWrite[];
      /** Holds the blocks, and room behind them. */
      readonly bytes: ArrayBuffer;
      readonly length: number;
      readonly upTo: Ticket;
    }
  | { readonly kind: "close" };

export interface OpenedLog {
  readonly identity: Identity;
  readonly acceptedEpoch: AcceptedEpoch;
  readonly currentEpoch: Epoch;
  readonly logStart: LogPosition;
  readonly lastLogged: LogPosition;
  readonly commitMark: Txnid;
  readonly checkpoint: CheckpointFact | null;
  readonly members: readonly (readonly [NodeId, Identity])[];
  readonly damage: string | null;
  /** Found just now; non-empty asks for a repair. */
  readonly problems: readonly string[];
}

export interface FailedMsg {
  readonly kind: "failed";
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
}

export type FromLogWorker =
  | { readonly kind: "opened"; readonly log: OpenedLog }
  | {
      readonly kind: "persisted";
      readonly upTo: Ticket;
      readonly logStart: LogPosition;
      readonly lastLogged: LogPosition;
      readonly commitMs: number;
      /** The buffers of the writes, moved back. */
      readonly spent: readonly ArrayBuffer[];
    }
  | FailedMsg
  | { readonly kind: "closed" };

/** Requests to the state worker, answered in their order. */
export type StateRequest =
  | {
      readonly op: "open";
      readonly directory: string;
      readonly rows: RowsRef | null;
      readonly walBytesMax: number;
    }
  | { readonly op: "reset" }
  | { readonly op: "begin"; readonly full: boolean }
  | { readonly op: "write"; readonly rows: ArrayBuffer }
  | { readonly op: "finish" }
  | { readonly op: "discard" }
  | { readonly op: "current"; readonly rows: RowsRef }
  | { readonly op: "stage" }
  | { readonly op: "stageWrite"; readonly rows: ArrayBuffer }
  | { readonly op: "stageFinish" }
  | { readonly op: "stageDrop" }
  | { readonly op: "pin"; readonly pin: number; readonly rows: RowsRef }
  | { readonly op: "unpin"; readonly pin: number }
  | { readonly op: "read"; readonly pin: number; readonly bytesMax: number }
  | { readonly op: "find"; readonly atOrBelow: Txnid }
  | {
      readonly op: "readLog";
      readonly after: Txnid;
      readonly upTo: Txnid;
      readonly bytesMax: number;
    }
  | { readonly op: "close" };

export interface LogSlice {
  readonly bytes: ArrayBuffer;
  readonly blocks: BlockList;
}

export interface StateAnswers {
  open: { readonly problem: string | null; readonly isFullDue: boolean };
  reset: null;
  begin: null;
  write: null;
  finish: RowsRef;
  discard: null;
  /** Whether the next checkpoint should be a full one. */
  current: boolean;
  stage: null;
  stageWrite: null;
  stageFinish: RowsRef;
  stageDrop: null;
  pin: null;
  unpin: null;
  /** Packed rows. */
  read: ArrayBuffer;
  find: LogPosition | null;
  readLog: LogSlice;
  close: null;
}

export interface ToStateWorker {
  readonly id: number;
  readonly request: StateRequest;
}

export type FromStateWorker =
  | { readonly kind: "answer"; readonly id: number; readonly answer: unknown }
  /** Without having been asked anything. */
  | FailedMsg
  | {
      readonly kind: "refused";
      readonly id: number;
      readonly code: ErrorCode;
      readonly message: string;
      readonly retryable: boolean;
    };
