import { EPOCH_MAX, majorityQuorum, unanimousQuorum } from "@quorate/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConsentState } from "../src/index.js";
import { epoch, id } from "./support.js";

const consentOf = (size: number, self = 1) =>
  new ConsentState(
    id(self),
    majorityQuorum(Array.from({ length: size }, (_, index) => id(index + 1))),
  );

describe("the consent of a quorum", () => {
  test("makes the new epoch one above the greatest promise of the quorum", () => {
    const consent = consentOf(3);
    expect(consent.voteAcceptedEpoch(id(1), epoch(4))).toBe(false);
    expect(consent.epoch).toBeNull();
    expect(consent.voteAcceptedEpoch(id(2), epoch(7))).toBe(true);
    expect(consent.epoch).toBe(8);
    // Later promises change nothing: the epoch has been offered.
    expect(consent.voteAcceptedEpoch(id(3), epoch(20))).toBe(false);
    expect(consent.epoch).toBe(8);
  });

  test("G22: does not open a gate without the leader itself", () => {
    const consent = consentOf(3);
    expect(consent.voteAcceptedEpoch(id(2), epoch(0))).toBe(false);
    expect(consent.voteAcceptedEpoch(id(3), epoch(0))).toBe(false);
    expect(consent.voteAcceptedEpoch(id(1), epoch(0))).toBe(true);
    expect(consent.voteEpochAck(id(2))).toBe(false);
    expect(consent.voteEpochAck(id(3))).toBe(false);
    expect(consent.voteEpochAck(id(1))).toBe(true);
  });

  test("G28: counts a voter id once, however often it votes", () => {
    const consent = consentOf(5);
    consent.voteAcceptedEpoch(id(1), epoch(0));
    expect(consent.voteAcceptedEpoch(id(2), epoch(0))).toBe(false);
    expect(consent.voteAcceptedEpoch(id(2), epoch(0))).toBe(false);
    expect(consent.voteAcceptedEpoch(id(9), epoch(0))).toBe(false);
    expect(consent.voteAcceptedEpoch(id(3), epoch(0))).toBe(true);
  });

  test("withdraws votes at gates still closed, and only there", () => {
    const consent = consentOf(3);
    consent.voteAcceptedEpoch(id(1), epoch(0));
    consent.voteAcceptedEpoch(id(2), epoch(0));
    consent.voteEpochAck(id(2));
    consent.withdraw(id(2));
    expect(consent.isOpen("acceptedEpoch")).toBe(true);
    expect(consent.voteEpochAck(id(1))).toBe(false);
    expect(consent.voteEpochAck(id(3))).toBe(true);
  });

  test("may be asked of every voter, and tells who has not consented yet", () => {
    const consent = new ConsentState(id(1), unanimousQuorum([id(1), id(2), id(3)]));
    for (const voter of [id(1), id(3)]) {
      expect(consent.voteAcceptedEpoch(voter, epoch(0))).toBe(false);
    }
    expect(consent.awaited).toEqual([2]);
    expect(consent.voteAcceptedEpoch(id(2), epoch(4))).toBe(true);
    expect(consent.epoch).toBe(5);
    expect(consent.awaited).toEqual([1, 2, 3]);
  });

  test("refuses to run out of epochs silently", () => {
    const consent = consentOf(1);
    expect(() => consent.voteAcceptedEpoch(id(1), epoch(EPOCH_MAX))).toThrow(
      expect.objectContaining({ code: "ERR_PROTOCOL_EPOCH_EXHAUSTED" }),
    );
  });

  test("asserts that gates open in their order, and that a leader is a voter", () => {
    expect(() => consentOf(3).voteEpochAck(id(1))).toThrow("invariant");
    expect(() => consentOf(3).voteNewLeaderAck(id(1))).toThrow("invariant");
    expect(() => consentOf(3, 9)).toThrow("invariant");
  });

  test("opens a gate exactly once, with the leader and a majority of distinct voters", () => {
    const votes = fc.array(fc.tuple(fc.integer({ min: 1, max: 7 }), fc.nat(100)));
    fc.assert(
      fc.property(fc.constantFrom(1, 3, 5, 7), votes, (size, all) => {
        const consent = consentOf(size);
        const heard = new Map<number, number>();
        let opened = 0;
        for (const [voter, promised] of all) {
          if (voter > size) continue;
          if (opened === 0) heard.set(voter, Math.max(heard.get(voter) ?? 0, promised));
          if (consent.voteAcceptedEpoch(id(voter), epoch(promised))) opened += 1;
          expect(consent.isOpen("acceptedEpoch")).toBe(heard.has(1) && heard.size * 2 > size);
        }
        expect(opened).toBe(consent.isOpen("acceptedEpoch") ? 1 : 0);
        if (opened > 0) expect(consent.epoch).toBe(Math.max(...heard.values()) + 1);
      }),
    );
  });
});
