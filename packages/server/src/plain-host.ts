import type {
  EntryBatch,
  Epoch,
  ErrorCode,
  PeerStatus,
  QuorumVerifier,
  Txnid,
} from "@quorate/protocol";

/**
 * A host with blocking methods: the original's seventeen, under the original's names. A write has
 * happened, durably, when the method returns; one that throws has an unknown outcome and ends the
 * role.
 *
 * Deviation from seed: what is logged, streamed and committed is a batch, the leader's exact
 * bytes; the epoch is promised together with the leader that it is promised to (G21).
 */
export interface PlainActionHandler {
  getEnsembleSize(): number;
  getQuorumVerifier(): QuorumVerifier;
  getLastLoggedTxid(): Txnid;
  getLastCommittedTxid(): Txnid;
  getStatus(): PeerStatus;
  getCurrentEpoch(): Epoch;
  getAcceptedEpoch(): Epoch;
  /** The logged batches above `after` up to `upTo`, in order; the uncommitted tail, too. */
  getCommittedEntries(after: Txnid, upTo: Txnid): Iterable<EntryBatch>;
  /** Logs, and commits when told to. */
  logAndCommit(batch: EntryBatch, toCommit: boolean): void;
  notifyNewAcceptedEpoch(epoch: Epoch, leader: number): void;
  notifyNewCurrentEpoch(epoch: Epoch): void;
  getNextTxnId(): Txnid;
  getFollowerId(): string;
  logProposal(batch: EntryBatch): void;
  /** Applies every logged entry up to the txnid; entries with internal op codes are not its own. */
  commit(upTo: Txnid): void;
  abort(fid: string, reqId: bigint, code: ErrorCode, error: string, at?: number): void;
  respond(fid: string, reqId: bigint, error: string, content: Uint8Array): void;
}
