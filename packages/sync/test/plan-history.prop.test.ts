import { followsPosition, type EntryBatch } from "@quorate/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { planHistory } from "../src/index.js";
import { batchAfter, endOf, floorOf, logOf } from "./support.js";

/**
 * Two histories as Zab makes them: a common part, then tails of distinct epochs, since an epoch
 * has one leader and thus one order.
 */
const histories = fc
  .tuple(fc.nat(6), fc.nat(5), fc.nat(5), fc.boolean())
  .map(([common, followerTail, leaderTail, isFollowerNewer]) => {
    const shared = logOf([1, common]);
    const tail = (count: number, inEpoch: number): EntryBatch[] => {
      const log = [...shared];
      for (let i = 1; i <= count; i += 1) log.push(batchAfter(endOf(log), inEpoch, i));
      return log;
    };
    return {
      shared,
      follower: tail(followerTail, isFollowerNewer ? 3 : 2),
      leader: tail(leaderTail, isFollowerNewer ? 2 : 3),
    };
  });

describe("a history plan", () => {
  test("equalises any two histories, or asks for a snapshot and never guesses", () => {
    fc.assert(
      fc.property(histories, ({ follower, leader, shared }) => {
        const last = endOf(follower);
        const plan = planHistory(last, floorOf(leader, last.txnid));
        if (plan.kind === "snapshot" || plan.kind === "diverged") throw new Error("unexpected");
        const { after } = plan;
        const holds = floorOf(follower, after.txnid);
        if (holds.txnid !== after.txnid || holds.chain !== after.chain) return; // Snapshot.
        const kept = follower.filter(({ last: at }) => at <= after.txnid);
        if (plan.kind === "diff") expect(kept).toEqual(follower);
        else expect(kept.length).toBeLessThan(follower.length);
        for (const batch of leader.filter(({ last: at }) => at > after.txnid)) {
          expect(followsPosition(batch, endOf(kept))).toBe(true);
          kept.push(batch);
        }
        expect(kept).toEqual(leader);
        // Nothing that both hold is ever removed.
        expect(after.txnid).toBeGreaterThanOrEqual(endOf(shared).txnid);
      }),
    );
  });

  test("ZOOKEEPER-2418: a log that begins above the follower's end gives a snapshot", () => {
    expect(planHistory(endOf(logOf([1, 2])), null)).toEqual({ kind: "snapshot" });
  });

  test("an equal txnid with another content is divergence, not a diff", () => {
    const shared = logOf([1, 2]);
    const one = batchAfter(endOf(shared), 1, 3, "one");
    const other = batchAfter(endOf(shared), 1, 3, "other");
    expect(planHistory(endOf([one]), endOf([other]))).toEqual({ kind: "diverged" });
  });
});
