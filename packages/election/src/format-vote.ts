import { formatTxnid, type VoteMsg } from "@quorate/protocol";

/** A vote in one line, for logs: `r3 electing 2 e1 e1:7/e1:5 member, by empty`. */
export function formatVote(vote: VoteMsg): string {
  const logged = formatTxnid(vote.candidateLoggedTxnid);
  const committed = formatTxnid(vote.candidateCommittedTxnid);
  const whom = `${vote.candidate} e${vote.epoch} ${logged}/${committed} ${vote.candidateStanding}`;
  return `r${vote.round} ${vote.solicit ? "asks" : vote.status} ${whom}, by ${vote.standing}`;
}
