import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CommitTracker } from "../src/index.js";
import { id, quorumOf, txnid } from "./support.js";

describe("the commit mark", () => {
  test("is what a quorum of counted voters has accepted", () => {
    const tracker = new CommitTracker(quorumOf(3), txnid(0, 0));
    tracker.count(id(1), txnid(0, 0));
    tracker.count(id(2), txnid(0, 0));
    tracker.propose(txnid(1));
    tracker.propose(txnid(2));
    expect(tracker.accept(id(2), txnid(2))).toBe(false);
    expect(tracker.accept(id(1), txnid(1))).toBe(true);
    expect(tracker.mark).toBe(txnid(1));
    expect(tracker.accept(id(1), txnid(1))).toBe(false);
    expect(tracker.accept(id(1), txnid(2))).toBe(true);
  });

  test("G25, G27: an accept of a voter that does not count moves nothing", () => {
    const tracker = new CommitTracker(quorumOf(3), txnid(0, 0));
    tracker.count(id(1), txnid(0, 0));
    tracker.propose(txnid(1));
    tracker.accept(id(1), txnid(1));
    expect(tracker.accept(id(2), txnid(1))).toBe(false);
    expect(tracker.mark).toBe(txnid(0, 0));
    expect(tracker.count(id(2), txnid(1))).toBe(true);
  });

  test("G28: a voter counted twice is one voter", () => {
    const tracker = new CommitTracker(quorumOf(5), txnid(0, 0));
    for (const voter of [1, 2, 2]) tracker.count(id(voter), txnid(0, 0));
    expect(tracker.hasQuorum()).toBe(false);
    tracker.propose(txnid(1));
    for (const voter of [1, 2, 2]) expect(tracker.accept(id(voter), txnid(1))).toBe(false);
  });

  test("refuses an accept of what was never proposed", () => {
    const tracker = new CommitTracker(quorumOf(3), txnid(0, 0));
    expect(() => tracker.accept(id(2), txnid(1))).toThrow(
      expect.objectContaining({ code: "ERR_PROTOCOL_ORDER" }),
    );
    expect(() => tracker.count(id(2), txnid(1))).toThrow("invariant");
    expect(() => tracker.count(id(9), txnid(0, 0))).toThrow("invariant");
  });

  test("never goes back, and always lies at or below the accepts of a quorum", () => {
    const steps = fc.array(
      fc.record({
        kind: fc.constantFrom("propose", "accept", "count", "uncount"),
        voter: fc.integer({ min: 1, max: 7 }),
        at: fc.nat(12),
      }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(fc.constantFrom(1, 3, 5, 7), steps, (size, all) => {
        const tracker = new CommitTracker(quorumOf(size), txnid(0, 0));
        /** What each voter has ever made durable, counted at the time. */
        const durable = new Map<number, bigint>();
        let proposed = 0;
        for (const { kind, voter, at } of all) {
          if (voter > size) continue;
          const before = tracker.mark;
          const upTo = txnid(Math.min(at, proposed), proposed === 0 ? 0 : 1);
          if (kind === "propose") {
            proposed += 1;
            tracker.propose(txnid(proposed));
          } else if (kind === "count") {
            tracker.count(id(voter), upTo > 0n && proposed > 0 ? upTo : txnid(0, 0));
          } else if (kind === "uncount") tracker.uncount(id(voter));
          else tracker.accept(id(voter), proposed === 0 ? txnid(0, 0) : upTo);
          if (kind === "accept" || kind === "count") {
            const was = durable.get(voter) ?? 0n;
            if (tracker.isCounted(id(voter)) && upTo > was) durable.set(voter, upTo);
          }
          expect(tracker.mark).toBeGreaterThanOrEqual(before);
          const holders = [...durable.values()].filter((one) => one >= tracker.mark).length;
          if (tracker.mark > 0n) expect(holders * 2).toBeGreaterThan(size);
        }
      }),
    );
  });
});
