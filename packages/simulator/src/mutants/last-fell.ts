import type { Mutant } from "./mutant.js";

/** Seeds given to a mutant before it counts as survived. */
const SEEDS_MAX = 100;

/**
 * The seed at which each mutant fell last: where the search begins. A change of the simulator
 * moves them; then `pnpm sim --mutants --seeds 1..200` tells the new ones.
 */
export const lastFell: ReadonlyMap<string, number> = new Map([
  ["accept before persist", 1],
  ["NewLeaderAck before persist", 1],
  ["EpochAck before persist", 1],
  ["epoch before history", 1],
  ["stale epoch accepted", 9],
  ["second ack of one epoch counted", 9],
  ["history applied above the commit mark", 1],
  ["redundant proposal logged again", 1],
  ["accept before NewLeaderAck", 1],
  ["snapshot switched too early", 1],
  ["commit without quorum", 1],
  ["leader counts itself before its disk", 1],
  ["initial history not committed", 6],
  ["leader serves before its last gate", 1],
  ["epoch offered before the own promise", 1],
  ["history called committed that is not", 1],
  ["connection counted instead of voter", 8],
  ["lease ignored", 1],
  ["read index without a round", 56],
  ["refusal answered before the commit it rests on", 8],
  ["lease prolonged by an admission", 4],
  ["plan from a position that nobody holds", 3],
  ["unadmitted voter counted", 3],
  ["founded by a quorum", 3],
  ["commit out of order", 1],
  ["committed entry applied twice", 1],
  ["vote order broken", 5],
  ["follower's history not looked at", 3],
  ["wiped voter counted", 1],
  ["no barrier between roles", 2],
  ["barrier blind to a failed store", 3],
  ["request number reused", 4],
  ["replayed admission overwrites the table", 4],
  ["no truncate", 3],
  ["watch behind state", 1],
  ["one-shot watch fires again", 1],
  ["missed event not told", 2],
  ["read before own write", 1],
  ["refusal out of its place", 1],
  ["ephemeral outlives session", 1],
  ["close forgets an ephemeral of the same batch", 8],
  ["expiry without a round", 3],
  ["expiry by a paused leader", 3],
  ["expiry decided by a follower", 1],
  ["signs of life not told to the leader", 1],
  ["session's owner not looked at", 1],
  ["move told before it is in the order", 1],
  ["move forgotten with its leader", 23],
  ["another timeout not told to the leader's clock", 7],
  ["older connection open while its client comes anew", 1],
  ["multi applied by halves", 2],
  ["refused multi leaves its first half", 1],
  ["node removed before its time", 2],
  ["container removed with a child", 1],
  ["multiRead of two states", 8],
  ["ACL not looked at by a delete", 1],
  ["ACL not looked at by reads", 1],
  ["event told to who may not read", 7],
  ["login of no effect", 1],
  ["write answered without a quorum", 1],
  ["session unknown without a quorum called gone", 1],
  ["watches set while the state is loaded", 19],
  ["signs of life at a watcher not told", 5],
]);

export function rangeOf({ name }: Mutant): { readonly from: number; readonly to: number } {
  const from = lastFell.get(name) ?? 1;
  return { from, to: from + SEEDS_MAX - 1 };
}
