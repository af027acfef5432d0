import {
  DEFAULT_TIMINGS,
  LOG_START,
  OpCode,
  QuorateError,
  type RequestMsg,
} from "@quorate/protocol";
import { describe, expect, test } from "vitest";
import type { SessionKeeper } from "../src/index.js";
import { FakePipe, leaderOf, request } from "./support.js";

/** Keeps what it was asked and told. */
class FakeKeeper implements SessionKeeper {
  readonly touches: bigint[] = [];
  readonly judged: string[] = [];
  readonly resumes: string[] = [];
  refusal: QuorateError | null = null;

  judge(fid: string, { reqId }: RequestMsg): QuorateError | null {
    this.judged.push(`${fid}/${String(reqId)}`);
    return this.refusal;
  }

  resume(fid: string, { reqId }: RequestMsg): void {
    this.resumes.push(`${fid}/${String(reqId)}`);
  }

  touched(sessions: readonly bigint[]): void {
    this.touches.push(...sessions);
  }
}

function withSessions(size: number) {
  const keeper = new FakeKeeper();
  return { keeper, ...leaderOf(size, undefined, keeper) };
}

describe("a round for touches", () => {
  test("waits for everybody who is here, watchers included, with what they answer", () => {
    const { leader, keeper, join, answer, clock } = withSessions(5);
    const [two, three, four] = [join(2), join(3), join(4)];
    const watcher = new FakePipe(9);
    leader.addWatcher(watcher, LOG_START);
    let heard: readonly bigint[] | null = null;
    leader.hearTouches(() => (heard = [...keeper.touches]));
    answer(two, two.lastRound(), [2n]);
    answer(three, three.lastRound(), [3n]);
    clock.advance(0);
    // A quorum; but sessions live on the others, too.
    expect(heard).toBeNull();
    answer(watcher, watcher.lastRound(), [9n]);
    // The first of two heartbeats: it answers no round yet.
    answer(four, 0, [4n, 5n]);
    expect(heard).toBeNull();
    answer(four, four.lastRound(), [6n]);
    expect(heard).toEqual([2n, 3n, 9n, 4n, 5n, 6n]);
  });

  test("does not wait for who has left, nor for ever", () => {
    const { leader, join, answer, clock } = withSessions(3);
    const [two, three] = [join(2), join(3)];
    let completed = 0;
    leader.hearTouches(() => (completed += 1));
    answer(two);
    expect(completed).toBe(0);
    leader.removeMember(three);
    clock.advance(0);
    expect(completed).toBe(1);
    const watcher = new FakePipe(9);
    leader.addWatcher(watcher, LOG_START);
    leader.hearTouches(() => (completed += 1));
    const { followerTimeoutMs, heartbeatMs } = DEFAULT_TIMINGS;
    for (let ms = 0; ms < followerTimeoutMs; ms += heartbeatMs) {
      answer(two);
      expect(completed).toBe(1);
      clock.advance(heartbeatMs);
    }
    expect(completed).toBe(2);
  });

  test("is not proven by answers to earlier rounds, nor after the end", () => {
    const { leader, join, answer, clock, stepDowns } = withSessions(3);
    const two = join(2);
    const earlier = two.lastRound();
    let completed = 0;
    leader.hearTouches(() => (completed += 1));
    answer(two, earlier);
    expect(completed).toBe(0);
    clock.pause(DEFAULT_TIMINGS.leaseMs * 2);
    clock.advance(DEFAULT_TIMINGS.heartbeatMs);
    expect(stepDowns).toHaveLength(1);
    answer(two);
    leader.hearTouches(() => (completed += 1));
    clock.advance(10_000);
    expect(completed).toBe(0);
  });

  test("an answer of a watcher to a round never sent costs its pipe", () => {
    const { leader, answer } = withSessions(1);
    const watcher = new FakePipe(9);
    leader.addWatcher(watcher, LOG_START);
    expect(() => answer(watcher, 1000)).toThrow(/round 1000/);
  });
});

describe("requests of sessions", () => {
  test("are judged as they arrive, and refused at a place in the order", () => {
    const { keeper, join, leader, host, clock, answer } = withSessions(3);
    const two = join(2);
    leader.onMessage(two, request(1));
    keeper.refusal = new QuorateError("ERR_SESSION_MOVED", "moved");
    leader.onMessage(two, request(2));
    keeper.refusal = null;
    leader.onMessage(two, request(3));
    expect(keeper.judged).toEqual(["2/1", "2/2", "2/3"]);
    clock.advance(0);
    expect(host.logged.map(({ count }) => count)).toEqual([2]);
    // What is proposed behind it proves it, as a round does.
    const refusal = { kind: "abort", reqId: 2n, code: "ERR_SESSION_MOVED", after: 0n };
    expect(two.sent).toContainEqual(expect.objectContaining(refusal));
    expect(two.kinds).toEqual(["commit", "abort", "proposal"]);
    answer(two);
    clock.advance(0);
    expect(two.kinds).not.toContain("refusalsProven");
  });

  test("a resume goes to the keeper and is not logged; without sessions it is refused", () => {
    const { keeper, leader, host, clock } = withSessions(1);
    leader.queueRequest("1", request(1, OpCode.resumeSession));
    clock.advance(0);
    expect([keeper.resumes, keeper.judged, host.logged]).toEqual([["1/1"], [], []]);
    leader.answers.answer("1", 1n, new Uint8Array());
    expect(host.answers).toEqual(["respond 1 1 "]);
    const bare = leaderOf(1);
    bare.leader.queueRequest("1", request(1, OpCode.resumeSession));
    expect(bare.host.answers).toEqual(["abort 1 1 ERR_SERVER_UNSUPPORTED"]);
  });

  test("what only a leader asks for it takes from itself, and not once it leaves", () => {
    const { leader, host, clock, join } = withSessions(3);
    const two = join(2);
    leader.queueRequest("1", request(1, OpCode.deleteExpired));
    leader.onMessage(two, request(2, OpCode.deleteExpired));
    expect(host.answers).toEqual(["abort 1 1 ERR_SERVER_UNSUPPORTED"]);
    expect(two.sent.at(-1)).toMatchObject({ kind: "abort", code: "ERR_SERVER_UNSUPPORTED" });
    expect(leader.proposeOwn(OpCode.deleteExpired, "/a", new Uint8Array(4))).toBe(true);
    clock.advance(0);
    expect(host.logged.map(({ count }) => count)).toEqual([1]);
    leader.drain(() => undefined);
    expect(leader.proposeOwn(OpCode.deleteExpired, "/a", new Uint8Array(4))).toBe(false);
    leader.terminate();
    expect(leader.proposeOwn(OpCode.deleteExpired, "/a", new Uint8Array(4))).toBe(false);
  });
});
