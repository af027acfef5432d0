import { describe, expect, test } from "vitest";
import { HeartbeatRounds } from "../src/index.js";
import { id, quorumOf } from "./support.js";

const LEASE_MS = 1000;

/** A counted voter joins at time 0. */
function follow(rounds: HeartbeatRounds, voter: number): void {
  rounds.addVoter(id(voter), 0);
  rounds.count(id(voter));
}

describe("heartbeat rounds", () => {
  test("G15, G30: the lease counts from the sending of what was answered", () => {
    const rounds = new HeartbeatRounds(id(1), quorumOf(3));
    follow(rounds, 2);
    const round = rounds.begin(100);
    // Answered very late: it still speaks of the moment of sending.
    rounds.answer(id(2), round);
    expect(rounds.isLeaseValid(1100, LEASE_MS)).toBe(true);
    expect(rounds.isLeaseValid(1101, LEASE_MS)).toBe(false);
  });

  test("G15: a voter that is admitted counts as of what it answered, not of its admission", () => {
    const rounds = new HeartbeatRounds(id(1), quorumOf(3));
    rounds.addVoter(id(2), 0);
    rounds.answer(id(2), rounds.begin(100));
    expect(rounds.isLeaseValid(100, LEASE_MS)).toBe(false);
    rounds.count(id(2));
    expect(rounds.isLeaseValid(1100, LEASE_MS)).toBe(true);
    expect(rounds.isLeaseValid(1101, LEASE_MS)).toBe(false);
  });

  test("a round is proven by answers to it or to a later one, never to an earlier one", () => {
    const rounds = new HeartbeatRounds(id(1), quorumOf(5));
    for (const voter of [2, 3]) follow(rounds, voter);
    const early = rounds.begin(0);
    const round = rounds.begin(10);
    const late = rounds.begin(20);
    rounds.answer(id(2), early);
    rounds.answer(id(3), late);
    expect(rounds.isProven(early)).toBe(true);
    expect(rounds.isProven(round)).toBe(false);
    rounds.answer(id(2), round);
    expect(rounds.isProven(round)).toBe(true);
    expect(rounds.isProven(late)).toBe(false);
  });

  test("a repeated or older answer takes nothing back", () => {
    const rounds = new HeartbeatRounds(id(1), quorumOf(3));
    follow(rounds, 2);
    const first = rounds.begin(0);
    const second = rounds.begin(500);
    rounds.answer(id(2), second);
    rounds.answer(id(2), first);
    expect(rounds.isLeaseValid(1500, LEASE_MS)).toBe(true);
  });

  test("answers of voters that do not count, or have left, prove nothing", () => {
    const rounds = new HeartbeatRounds(id(1), quorumOf(3));
    const round = rounds.begin(0);
    rounds.answer(id(3), round);
    expect(rounds.isProven(round)).toBe(false);
    follow(rounds, 2);
    rounds.answer(id(2), round);
    rounds.removeVoter(id(2));
    expect(rounds.isProven(round)).toBe(false);
  });

  test("refuses an answer to a round never sent, forgets very old ones", () => {
    const rounds = new HeartbeatRounds(id(1), quorumOf(3));
    follow(rounds, 2);
    expect(() => rounds.answer(id(2), 1)).toThrow(
      expect.objectContaining({ code: "ERR_PROTOCOL_ORDER" }),
    );
    const first = rounds.begin(0);
    for (let i = 0; i < 300; i += 1) rounds.begin(5000);
    rounds.answer(id(2), first);
    expect(rounds.isProven(first)).toBe(false);
  });

  test("an ensemble of one proves itself", () => {
    const rounds = new HeartbeatRounds(id(1), quorumOf(1));
    expect(rounds.isProven(rounds.begin(0))).toBe(true);
    expect(rounds.isLeaseValid(1e9, LEASE_MS)).toBe(true);
  });
});
