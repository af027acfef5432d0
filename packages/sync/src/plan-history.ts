import type { LogPosition } from "@quorate/protocol";

/** How a follower's history becomes the leader's. Followed by entries in every case. */
export type HistoryPlan =
  | { readonly kind: "diff"; readonly after: LogPosition }
  | { readonly kind: "truncate"; readonly after: LogPosition }
  | { readonly kind: "snapshot" }
  /** The same txnid with another content: Invariant 2 is broken somewhere. */
  | { readonly kind: "diverged" };

/**
 * Decides from the leader's log alone.
 *
 * @param followerLast what the follower reported in its EpochAck.
 * @param leaderFloor the leader's greatest batch boundary at or below `followerLast.txnid`; null
 * when that lies below what the leader's log retains.
 *
 * Safety: logs are sequences of the same immutable batches, so the floor is where the two
 * histories part unless the follower's tail comes from epochs that the leader never saw. The
 * follower checks that it holds the floor (txnid and chain) and asks for a snapshot if it does
 * not (ZOOKEEPER-2418: never guess).
 */
export function planHistory(
  followerLast: LogPosition,
  leaderFloor: LogPosition | null,
): HistoryPlan {
  if (leaderFloor === null) return { kind: "snapshot" };
  if (leaderFloor.txnid < followerLast.txnid) return { kind: "truncate", after: leaderFloor };
  if (leaderFloor.chain !== followerLast.chain) return { kind: "diverged" };
  return { kind: "diff", after: leaderFloor };
}
