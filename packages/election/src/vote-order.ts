import type { Epoch, NodeId, Standing, Txnid, VoteMsg } from "@quorate/protocol";

/** Whom a vote names, and the history behind that name. */
export interface Candidacy {
  readonly candidate: NodeId;
  /** The candidate's current epoch. */
  readonly epoch: Epoch;
  readonly loggedTxnid: Txnid;
  readonly committedTxnid: Txnid;
  readonly standing: Standing;
}

const STANDING_RANK: Readonly<Record<Standing, number>> = { recovering: 0, empty: 1, member: 2 };

/**
 * The order in which candidates win: standing, current epoch, last logged, last committed, id.
 *
 * The epoch comes before the log because a longer tail of an older epoch may hold what a later
 * leader has already replaced (Paper: Zab, phase 0). Ids are unequal, so the order is total.
 * Safety: standing comes before everything. Whatever numbers an empty or a recovering node claims,
 * it never wins against a node that holds the ensemble's history.
 * Deviation from seed: ids are compared as numbers; the original compared addresses as text.
 */
export function compareCandidacies(a: Candidacy, b: Candidacy): number {
  return (
    STANDING_RANK[a.standing] - STANDING_RANK[b.standing] ||
    a.epoch - b.epoch ||
    compareTxnids(a.loggedTxnid, b.loggedTxnid) ||
    compareTxnids(a.committedTxnid, b.committedTxnid) ||
    a.candidate - b.candidate
  );
}

export function candidacyOf(vote: VoteMsg): Candidacy {
  return {
    candidate: vote.candidate,
    epoch: vote.epoch,
    loggedTxnid: vote.candidateLoggedTxnid,
    committedTxnid: vote.candidateCommittedTxnid,
    standing: vote.candidateStanding,
  };
}

function compareTxnids(a: Txnid, b: Txnid): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
