import { EPOCH_ZERO, majorityQuorum, toEpoch, toNodeId } from "@quorate/protocol";
import { describe, expect, it } from "vitest";
import { GrantBook, type GrantRequest } from "../src/grant-book.js";
import { LeaseClaim } from "../src/lease-claim.js";

const GRANT_MS = 1500;
const LEASE_MS = 1000;

function request(node: number, term: number, bootId = 1n, leaseMs = LEASE_MS): GrantRequest {
  return { claimant: { node: toNodeId(node), bootId }, term: toEpoch(term), leaseMs };
}

function book(isQuarantined = false): GrantBook {
  return new GrantBook({ grantMs: GRANT_MS, now: 0, isQuarantined });
}

describe("a voter", () => {
  it("grants to one at a time, and again to the same one", () => {
    const grants = book();
    expect(grants.ask(0, request(1, 1))).toBe(true);
    expect(grants.ask(10, request(2, 2))).toBe(false);
    expect(grants.ask(1000, request(1, 1))).toBe(true);
    expect(grants.ask(2499, request(2, 2))).toBe(false);
    expect(grants.ask(2500, request(2, 2))).toBe(true);
    expect(grants.ask(2501, request(1, 3))).toBe(false);
  });

  it("takes another start of the holder for another claimant", () => {
    const grants = book();
    expect(grants.ask(0, request(1, 1, 7n))).toBe(true);
    expect(grants.ask(10, request(1, 2, 8n))).toBe(false);
    expect(grants.ask(GRANT_MS, request(1, 2, 8n))).toBe(true);
  });

  it("is free at once when the holder releases, and when nobody else does", () => {
    const grants = book();
    grants.ask(0, request(1, 1));
    grants.release(request(2, 1).claimant);
    grants.release(request(1, 1, 99n).claimant);
    expect(grants.ask(1, request(2, 2))).toBe(false);
    grants.release(request(1, 1).claimant);
    expect(grants.ask(2, request(2, 2))).toBe(true);
  });

  it("grants no term twice, and none below one that it has granted or heard of", () => {
    const grants = book();
    grants.ask(0, request(1, 5));
    grants.release(request(1, 5).claimant);
    expect(grants.ask(1, request(2, 5))).toBe(false);
    expect(grants.ask(1, request(2, 4))).toBe(false);
    grants.noteTerm(toEpoch(9), request(3, 9).claimant);
    expect(grants.ask(2, request(2, 9))).toBe(false);
    expect(grants.ask(2, request(3, 9))).toBe(true);
    grants.release(request(3, 9).claimant);
    grants.noteForeignTerm(toEpoch(11));
    expect(grants.highestTerm).toBe(11);
    expect(grants.ask(3, request(3, 11))).toBe(false);
    expect(grants.ask(3, request(3, 12))).toBe(true);
  });

  it("grants nothing after its start until what it may have forgotten is over", () => {
    const grants = book(true);
    expect(grants.ask(GRANT_MS - 1, request(1, 1))).toBe(false);
    expect(grants.quarantinedUntil(GRANT_MS - 1)).toBe(GRANT_MS);
    expect(grants.highestTerm).toBe(EPOCH_ZERO);
    expect(grants.ask(GRANT_MS, request(1, 1))).toBe(true);
    const welcomed = book(true);
    welcomed.endQuarantine();
    expect(welcomed.ask(1, request(1, 1))).toBe(true);
  });

  it("grants no lease that it would not outlast by a tenth: clocks differ", () => {
    const grants = book();
    expect(grants.ask(0, request(1, 1, 1n, 1364))).toBe(false);
    expect(grants.ask(0, request(1, 1, 1n, 1363))).toBe(true);
  });
});

describe("a claim", () => {
  const quorum = majorityQuorum([1, 2, 3, 4, 5].map(toNodeId));
  const makeClaim = (): LeaseClaim =>
    new LeaseClaim({ self: toNodeId(1), quorum, term: toEpoch(1), leaseMs: LEASE_MS });

  it("stands for a lease from the sending of the oldest beat that its quorum needs", () => {
    const claim = makeClaim();
    claim.beatSent(0, 1);
    claim.beatSent(100, 2);
    claim.granted(toNodeId(2), 2);
    expect(claim.standsUntil(110)).toBe(Number.NEGATIVE_INFINITY);
    claim.granted(toNodeId(3), 1);
    expect(claim.standsUntil(110)).toBe(1000);
    claim.granted(toNodeId(4), 2);
    expect(claim.standsUntil(110)).toBe(1100);
  });

  it("counts no beat that it did not send, none that is older than a lease, and none twice", () => {
    const claim = makeClaim();
    claim.beatSent(0, 1);
    claim.granted(toNodeId(2), 7);
    claim.granted(toNodeId(2), 1);
    claim.granted(toNodeId(2), 1);
    expect(claim.standsUntil(10)).toBe(Number.NEGATIVE_INFINITY);
    claim.beatSent(1001, 2);
    claim.granted(toNodeId(3), 1);
    expect(claim.standsUntil(1002)).toBe(Number.NEGATIVE_INFINITY);
  });

  it("does not go back with a grant that comes late, and forgets a voter when told", () => {
    const claim = makeClaim();
    claim.beatSent(0, 1);
    claim.beatSent(100, 2);
    for (const voter of [2, 3]) claim.granted(toNodeId(voter), 2);
    claim.granted(toNodeId(3), 1);
    expect(claim.standsUntil(100)).toBe(1100);
    claim.forget(toNodeId(3));
    expect(claim.standsUntil(100)).toBe(Number.NEGATIVE_INFINITY);
  });

  it("of the only voter always stands", () => {
    const alone = new LeaseClaim({
      self: toNodeId(1),
      quorum: majorityQuorum([toNodeId(1)]),
      term: toEpoch(1),
      leaseMs: LEASE_MS,
    });
    expect(alone.standsUntil(5000)).toBe(6000);
  });
});
