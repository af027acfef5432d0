import type { EntryBatch, LogEntryMsg, LogPosition } from "./entry-batch.js";
import type { ErrorCode } from "./errors.js";
import type { Identity, NodeId, Standing } from "./ids.js";
import type { StateRows } from "./packed-rows.js";
import type { Epoch, Txnid } from "./txnid.js";

/** The version of the peer protocol. Every frame and datagram carries it. */
export const PROTOCOL_VERSION = 5;

export type PeerStatus = "electing" | "leading" | "following" | "watching";
export type PeerRole = "leader" | "follower" | "watcher";

/**
 * One peer's current choice in an election. All of its numbers are durable at the sender's
 * candidate.
 */
export interface VoteMsg {
  readonly kind: "vote";
  /** Election attempt; comparable only while electing. */
  readonly round: number;
  /** The sender's status. */
  readonly status: PeerStatus;
  /** The candidate's current epoch; from a leading or following sender the winning epoch. */
  readonly epoch: Epoch;
  readonly candidate: NodeId;
  readonly candidateLoggedTxnid: Txnid;
  readonly candidateCommittedTxnid: Txnid;
  /** The sender only asks who leads; it never counts. */
  readonly solicit: boolean;
  /** How the *sender* counts, as far as it knows (section 3 of docs/architecture.md). */
  readonly standing: Standing;
  /**
   * The sender's data directory. A member's table may know it although its node does not know
   * yet that the ensemble was founded with it.
   */
  readonly identity: Identity;
  /**
   * How the *candidate* counts. A vote travels on through others, and a receiver must be able to
   * tell an empty or recovering candidate without having heard it.
   */
  readonly candidateStanding: Standing;
}

/** What every datagram has around its message. The transport adds and checks the HMAC. */
export interface DatagramEnvelope {
  readonly cluster: string;
  readonly sender: NodeId;
  /** Random per start of the sender's site. */
  readonly bootId: bigint;
  /** Rises with every datagram of one boot id, per receiver or overall. */
  readonly sequence: bigint;
  /** The receiver's boot id as the sender last saw it; 0 when unknown. */
  readonly echo: bigint;
}

export interface BallotDatagram extends DatagramEnvelope {
  readonly vote: VoteMsg;
}

// ---- leases of leaders that are elected with nothing else of Quorate (docs/election.md) ----

/**
 * - `claim`: the sender won a ballot and asks for the receiver's grant.
 * - `lead`: the sender leads and asks for the grant again.
 * - `grant`: until its time is over the sender grants to nobody else.
 * - `refuse`: it does not; `term` is the greatest that it has granted.
 * - `release`: the sender neither leads nor claims any more; grants to it are free.
 * - `hello`: the sender was started and has not been welcomed by the receiver.
 * - `welcome`: the sender counts no grant of an earlier start of the receiver.
 * - `note`: nothing but its envelope, which tells the sender's start.
 * - `duplicate`: an older start under the receiver's id is alive.
 */
export type LeaseAct =
  "claim" | "lead" | "grant" | "refuse" | "release" | "hello" | "welcome" | "note" | "duplicate";

export interface LeaseMsg {
  readonly kind: "lease";
  readonly act: LeaseAct;
  /** The claimant's term; in an answer the term answered, and in `refuse` the greatest known. */
  readonly term: Epoch;
  /** Number of a claim or lead, which the answer repeats: it tells when that was sent. */
  readonly beat: number;
  /** Of a claim or lead: how long the sender leads on the grant it asks for. Otherwise 0. */
  readonly leaseMs: number;
}

export interface LeaseDatagram extends DatagramEnvelope {
  readonly lease: LeaseMsg;
}

// ---- discovery and sync (Zab phases 1 and 2) ----

/** Follower → leader, first message: what was promised, and who asks. */
export interface FollowerInfoMsg {
  readonly kind: "followerInfo";
  readonly acceptedEpoch: Epoch;
  readonly fid: string;
  /** False for watchers. */
  readonly voting: boolean;
  readonly standing: Standing;
  readonly identity: Identity;
}

/** Leader → follower after the first gate: the epoch to promise. */
export interface LeaderInfoMsg {
  readonly kind: "leaderInfo";
  readonly epoch: Epoch;
}

/** Follower → leader: the promise is durable; this is the history behind it. */
export interface EpochAckMsg {
  readonly kind: "epochAck";
  readonly lastLogged: LogPosition;
  readonly currentEpoch: Epoch;
  /** True when this epoch was promised to another leader: a report, not a consent (G21). */
  readonly uncounted: boolean;
}

/** Leader → follower: remove every entry after this one, which you hold. */
export interface TruncateMsg {
  readonly kind: "truncate";
  readonly after: LogPosition;
}

/** Leader → follower: entries follow that continue from this one, which you hold. */
export interface StreamBeginMsg {
  readonly kind: "streamBegin";
  readonly after: LogPosition;
}

/** Leader → follower: one batch of history. Answered by {@link SyncProgressMsg}. */
export interface HistoryMsg {
  readonly kind: "history";
  readonly batch: EntryBatch;
  /** Everything up to here is committed, as far as the sender knows; never above the batch. */
  readonly committed: Txnid;
}

/** Leader → follower: the state at `position` follows as rows, then entries above it. */
export interface SnapshotBeginMsg {
  readonly kind: "snapshotBegin";
  readonly snapshot: SnapshotInfo;
}

export interface SnapshotInfo {
  readonly position: LogPosition;
  /** The state machine's digest at the position. */
  readonly digest: bigint;
  /** The identity table at the position. */
  readonly members: readonly (readonly [NodeId, Identity])[];
}

/** Leader → follower: rows of the snapshot. Answered by {@link SyncProgressMsg}. */
export interface SnapshotChunkMsg {
  readonly kind: "snapshotChunk";
  readonly index: number;
  readonly rows: StateRows;
}

/** Leader → follower: the snapshot's rows are complete. */
export interface SnapshotEndMsg {
  readonly kind: "snapshotEnd";
  readonly rowCount: number;
}

/** Follower → leader: that many history messages of this stream were taken. Flow control only. */
export interface SyncProgressMsg {
  readonly kind: "syncProgress";
  readonly received: number;
}

/** Follower → leader: I do not hold the entry that your plan continues from. */
export interface SnapshotRequestMsg {
  readonly kind: "snapshotRequest";
}

/** Leader → follower: your history now equals mine up to `last`. */
export interface NewLeaderMsg {
  readonly kind: "newLeader";
  readonly epoch: Epoch;
  readonly last: LogPosition;
}

/** Follower → leader: all of that history and then the current epoch are durable. */
export interface NewLeaderAckMsg {
  readonly kind: "newLeaderAck";
  readonly epoch: Epoch;
}

// ---- broadcast (Zab phase 3) ----

/** Leader → follower: log these. */
export interface ProposalBatchMsg {
  readonly kind: "proposal";
  readonly batch: EntryBatch;
}

/** Follower → leader: every entry up to this one is durable here. Cumulative. */
export interface AcceptMsg {
  readonly kind: "accept";
  readonly txnid: Txnid;
  readonly fid: string;
}

/** Leader → follower: every entry up to this one is committed. Carries no body. */
export interface CommitMsg {
  readonly kind: "commit";
  readonly txnid: Txnid;
}

/** Upstream → watcher: these entries are committed (ZooKeeper's INFORM). */
export interface InformMsg {
  readonly kind: "inform";
  readonly batch: EntryBatch;
}

/**
 * Leader → origin: the request was refused and left no entry. It leaves before anything that was
 * proposed after it.
 */
export interface AbortMsg {
  readonly kind: "abort";
  readonly fid: string;
  readonly reqId: bigint;
  readonly code: ErrorCode;
  readonly error: string;
  /** Which operation of a multi it was that failed; -1 of anything else. */
  readonly at: number;
  /**
   * Its place in the order of commits: it was judged by the state behind this transaction, and is
   * told when that is applied and before the next one is. Null: it says nothing of the state and is
   * told at once.
   */
  readonly after: Txnid | null;
}

/**
 * Leader → origin: a quorum has proved that the refusals for this node, up to this request's, are a
 * leader's, and the transactions that they stand behind are committed. Sent where no proposal
 * follows whose commit would prove it.
 */
export interface RefusalsProvenMsg {
  readonly kind: "refusalsProven";
  readonly fid: string;
  readonly reqId: bigint;
}

/** A client's intent, forwarded to the leader. */
export interface RequestMsg {
  readonly kind: "request";
  readonly reqId: bigint;
  readonly op: number;
  readonly key: string;
  readonly content: Uint8Array;
}

/** A request of a node further down a tree of watchers, handed on towards the leader. */
export interface RelayedRequestMsg extends Omit<RequestMsg, "kind"> {
  readonly kind: "relayedRequest";
  /** The node whose client asked; answers go back the way that this came. */
  readonly fid: string;
}

/** Leader → origin: the answer of a custom request handler. */
export interface ResponseMsg {
  readonly kind: "response";
  readonly fid: string;
  readonly reqId: bigint;
  /** Empty on success. */
  readonly error: string;
  readonly content: Uint8Array;
}

/** What a leader tells the node that asked, whichever way it is reached. */
export type AnswerMsg = AbortMsg | RefusalsProvenMsg | ResponseMsg;

/** Both ways. The leader numbers its rounds; the follower returns the number it heard. */
export interface HeartbeatMsg {
  readonly kind: "heartbeat";
  /** The leader's round. In an answer: the latest round heard. */
  readonly round: number;
  /** True in a follower's answer. */
  readonly answer: boolean;
  /**
   * In an answer: sessions whose clients gave a sign of life at the sender, or below it, since its
   * last one. At most TOUCHES_PER_HEARTBEAT_MAX.
   */
  readonly touches: readonly bigint[];
}

/** Follower → leader: what must I have applied before I answer a read that arrived by now? */
export interface ReadIndexRequestMsg {
  readonly kind: "readIndexRequest";
  readonly readId: number;
}

/** Leader → follower: apply up to this mark first. */
export interface ReadIndexReplyMsg {
  readonly kind: "readIndexReply";
  readonly readId: number;
  readonly txnid: Txnid;
}

/** Leader → followers and watchers: I leave, everything is committed; elect, or look, at once. */
export interface HandoverMsg {
  readonly kind: "handover";
}

export type PeerMsg =
  | FollowerInfoMsg
  | LeaderInfoMsg
  | EpochAckMsg
  | TruncateMsg
  | StreamBeginMsg
  | HistoryMsg
  | SnapshotBeginMsg
  | SnapshotChunkMsg
  | SnapshotEndMsg
  | SyncProgressMsg
  | SnapshotRequestMsg
  | NewLeaderMsg
  | NewLeaderAckMsg
  | ProposalBatchMsg
  | AcceptMsg
  | CommitMsg
  | InformMsg
  | AbortMsg
  | RefusalsProvenMsg
  | RequestMsg
  | RelayedRequestMsg
  | ResponseMsg
  | HeartbeatMsg
  | ReadIndexRequestMsg
  | ReadIndexReplyMsg
  | HandoverMsg;

export type PeerMsgKind = PeerMsg["kind"];

/**
 * The original's thirteen creators and those that Quorate adds. A host that wants its own message
 * objects supplies this; {@link defaultMsgFactory} makes plain ones.
 */
export interface MsgFactory {
  createVote(fields: Omit<VoteMsg, "kind">): VoteMsg;
  createFollowerInfo(fields: Omit<FollowerInfoMsg, "kind">): FollowerInfoMsg;
  createLeaderInfo(epoch: Epoch): LeaderInfoMsg;
  createEpochAck(fields: Omit<EpochAckMsg, "kind">): EpochAckMsg;
  createNewLeader(epoch: Epoch, last: LogPosition): NewLeaderMsg;
  createNewLeaderAck(epoch: Epoch): NewLeaderAckMsg;
  createLogEntry(batch: EntryBatch, committed: Txnid): HistoryMsg;
  createProposal(batch: EntryBatch): ProposalBatchMsg;
  createAccept(txnid: Txnid, fid: string): AcceptMsg;
  createCommit(txnid: Txnid): CommitMsg;
  createAbort(
    fid: string,
    reqId: bigint,
    code: ErrorCode,
    error: string,
    at?: number,
    after?: Txnid | null,
  ): AbortMsg;
  createRequest(reqId: bigint, op: number, key: string, content: Uint8Array): RequestMsg;
  createResponse(fid: string, reqId: bigint, error: string, content: Uint8Array): ResponseMsg;
  createTruncate(after: LogPosition): TruncateMsg;
  createStreamBegin(after: LogPosition): StreamBeginMsg;
  createSnapshotBegin(snapshot: SnapshotInfo): SnapshotBeginMsg;
  createSnapshotChunk(index: number, rows: StateRows): SnapshotChunkMsg;
  createSnapshotEnd(rowCount: number): SnapshotEndMsg;
  createHeartbeat(round: number, answer: boolean, touches?: readonly bigint[]): HeartbeatMsg;
  createInform(batch: EntryBatch): InformMsg;
}

const NO_TOUCHES: readonly bigint[] = [];

export const defaultMsgFactory: MsgFactory = {
  createVote: (fields) => ({ kind: "vote", ...fields }),
  createFollowerInfo: (fields) => ({ kind: "followerInfo", ...fields }),
  createLeaderInfo: (epoch) => ({ kind: "leaderInfo", epoch }),
  createEpochAck: (fields) => ({ kind: "epochAck", ...fields }),
  createNewLeader: (epoch, last) => ({ kind: "newLeader", epoch, last }),
  createNewLeaderAck: (epoch) => ({ kind: "newLeaderAck", epoch }),
  createLogEntry: (batch, committed) => ({ kind: "history", batch, committed }),
  createProposal: (batch) => ({ kind: "proposal", batch }),
  createAccept: (txnid, fid) => ({ kind: "accept", txnid, fid }),
  createCommit: (txnid) => ({ kind: "commit", txnid }),
  createAbort: (fid, reqId, code, error, at = -1, after = null) => ({
    kind: "abort",
    fid,
    reqId,
    code,
    error,
    at,
    after,
  }),
  createRequest: (reqId, op, key, content) => ({ kind: "request", reqId, op, key, content }),
  createResponse: (fid, reqId, error, content) => ({
    kind: "response",
    fid,
    reqId,
    error,
    content,
  }),
  createTruncate: (after) => ({ kind: "truncate", after }),
  createStreamBegin: (after) => ({ kind: "streamBegin", after }),
  createSnapshotBegin: (snapshot) => ({ kind: "snapshotBegin", snapshot }),
  createSnapshotChunk: (index, rows) => ({ kind: "snapshotChunk", index, rows }),
  createSnapshotEnd: (rowCount) => ({ kind: "snapshotEnd", rowCount }),
  createHeartbeat: (round, answer, touches = NO_TOUCHES) => ({
    kind: "heartbeat",
    round,
    answer,
    touches,
  }),
  createInform: (batch) => ({ kind: "inform", batch }),
};

export type { LogEntryMsg };
