import type { NodeId, QuorumVerifier, VoteMsg } from "@quorate/protocol";

/** What the latest authentic vote of each leading or following peer said. */
export type ActiveVotes = ReadonlyMap<NodeId, VoteMsg>;

/**
 * Finds the leader that already leads, from the votes of peers that lead or follow.
 *
 * Believed only when a quorum of members names the same leader and epoch *and* that leader says
 * itself that it leads: followers repeat what was true when they last looked, also about a leader
 * that has just died. Rounds do not matter here: they are comparable only while electing, and the
 * peers may have been elected many rounds ago.
 *
 * Safety: a node that is named leader while it elects does not believe it. It has lost whatever
 * made the others follow, and must win a ballot to lead again.
 * Empty and recovering voters do not count, even if they follow: they prove no quorum. A new
 * ensemble is therefore joined as soon as its founding has made members of its voters.
 *
 * @returns the leader's own vote, or null.
 */
export function findEstablishedLeader(
  active: ActiveVotes,
  quorum: QuorumVerifier,
  self: NodeId,
): VoteMsg | null {
  for (const leader of quorum.voterIds) {
    const claim = active.get(leader);
    if (leader === self || claim === undefined || !isOwnClaim(leader, claim)) continue;
    const voters: NodeId[] = [];
    for (const [voter, vote] of active) {
      if (vote.standing !== "member" || voter === self) continue;
      if (vote.candidate === leader && vote.epoch === claim.epoch) voters.push(voter);
    }
    if (quorum.hasQuorumOf(voters)) return claim;
  }
  return null;
}

function isOwnClaim(leader: NodeId, vote: VoteMsg): boolean {
  return vote.status === "leading" && vote.candidate === leader;
}
