import {
  BATCH_BYTES_SOFT_MAX,
  BATCHES_IN_FLIGHT_MAX,
  CUSTOM_OP_CODE_MIN,
  DEFAULT_TIMINGS,
  LOG_START,
  OpCode,
  PENDING_READS_MAX,
  positionOf,
  type CustomRequestHandler,
  type ResponseMsg,
} from "@quorate/protocol";
import { describe, expect, test } from "vitest";
import { ObserverQueue } from "../src/index.js";
import { FakePipe, id, identityOf, leaderOf, request, txnid } from "./support.js";

const { heartbeatMs, leaseMs } = DEFAULT_TIMINGS;
const order = expect.objectContaining({ code: "ERR_PROTOCOL_ORDER" });

describe("ordering writes", () => {
  test("all of one turn is one batch: own disk and followers in parallel, then the mark", () => {
    const { host, join, accept, write, persist, clock } = leaderOf(3);
    const pipe = join(2);
    pipe.sent = [];
    write(1, 2, 3);
    expect(host.logged.map(({ count }) => count)).toEqual([3]);
    expect(pipe.kinds).toEqual(["proposal"]);
    accept(pipe, txnid(3));
    expect(host.commits).toEqual([]);
    persist();
    expect(host.commits).toEqual([txnid(3)]);
    clock.advance(0);
    expect(pipe.kinds).toEqual(["proposal", "commit"]);
  });

  test("its own accept counts when its own disk has answered", () => {
    const { host, join, accept, write, persist } = leaderOf(5);
    const [two, three] = [join(2), join(3)];
    write(1);
    accept(two, txnid(1));
    expect(host.commits).toEqual([]);
    persist();
    expect(host.commits).toEqual([]);
    accept(three, txnid(1));
    expect(host.commits).toEqual([txnid(1)]);
  });

  test("an ensemble of one commits by its own disk", () => {
    const { host, write, persist } = leaderOf(1);
    write(1);
    expect(host.commits).toEqual([]);
    persist();
    expect(host.commits).toEqual([txnid(1)]);
  });

  test("a few batches are in flight, the rest gathers", () => {
    const { host, join, write, accept, persist, clock } = leaderOf(3);
    const pipe = join(2);
    for (let i = 1; i <= BATCHES_IN_FLIGHT_MAX + 3; i += 1) write(i);
    expect(host.logged).toHaveLength(BATCHES_IN_FLIGHT_MAX);
    persist();
    accept(pipe, txnid(1));
    clock.advance(0);
    expect(host.logged.at(-1)?.count).toBe(3);
  });

  test("one batch in a turn: heartbeats are heard before the next is prepared", () => {
    const { leader, host, clock } = leaderOf(1);
    for (let i = 1; i <= 3; i += 1) {
      leader.queueRequest("1", request(i, 1, BATCH_BYTES_SOFT_MAX));
    }
    const logged: number[] = [];
    const look = (): void => {
      logged.push(host.logged.length);
      if (logged.length < 4) clock.defer(look);
    };
    clock.defer(look);
    clock.advance(0);
    expect(logged).toEqual([1, 2, 3, 3]);
    expect(host.logged.map(({ count }) => count)).toEqual([1, 1, 1]);
  });

  test("G25: an accept counts only after that follower's NewLeaderAck", () => {
    const { leader, write, persist, host, join } = leaderOf(3);
    join(2);
    const pipe = new FakePipe(3);
    write(1);
    leader.onMessage(pipe, { kind: "accept", txnid: txnid(1), fid: "3" });
    persist();
    expect(host.commits).toEqual([]);
  });

  test("tells how much of its log each follower has not accepted, counted or not", () => {
    const { join, write, accept, persist, leader, observe } = leaderOf(3);
    const [two, three] = [join(2), join(3, false)];
    const entriesOf = (...pipes: FakePipe[]) => pipes.map((pipe) => leader.lagOf(pipe)?.entries);
    expect(entriesOf(two, three)).toEqual([0, 0]);
    write(1, 2, 3);
    write(4);
    persist();
    // What it joined with is of an earlier epoch.
    expect(entriesOf(two, three)).toEqual([4, 4]);
    accept(two, txnid(3));
    accept(three, txnid(4));
    expect(entriesOf(two, three)).toEqual([1, 0]);
    // Who has not joined yet, and a watcher, say nothing of their disks.
    const [joining, watcher] = [new FakePipe(4), new FakePipe(9)];
    observe(joining, new ObserverQueue());
    leader.addWatcher(watcher, { txnid: txnid(4), chain: 0n as never });
    expect(leader.lagOf(joining)).toBeNull();
    expect(entriesOf(watcher)).toEqual([null]);
  });

  test("tells for how long each owes the answer to a heartbeat, however often it answers", () => {
    const { leader, clock, join } = leaderOf(3);
    const [two, three] = [join(2), join(3)];
    const { heartbeatMs } = DEFAULT_TIMINGS;
    const answer = (pipe: FakePipe, round: number) =>
      leader.onMessage(pipe, { kind: "heartbeat", round, answer: true, touches: [] });
    const owed = () => [two, three].map((pipe) => leader.lagOf(pipe)?.answerMs);
    for (let round = 1; round <= 5; round += 1) {
      clock.advance(heartbeatMs);
      answer(two, round);
      // Behind by more and more.
      if (round > 1) answer(three, Math.ceil(round / 2));
      expect(owed()[0]).toBe(0);
    }
    // It has answered round 3, which was asked for since: the next one is asked for with round 6.
    expect(owed()[1]).toBe(0);
    for (let round = 6; round <= 13; round += 1) {
      clock.advance(heartbeatMs);
      answer(two, round);
      answer(three, Math.min(5, Math.ceil(round / 2)));
    }
    expect(owed()).toEqual([0, 7 * heartbeatMs]);
  });

  test("an accept that is no batch boundary closes the pipe and harms nobody", () => {
    const { join, write, accept, persist, host, stepDowns } = leaderOf(3);
    const pipe = join(2);
    write(1, 2, 3);
    persist();
    expect(() => accept(pipe, txnid(2))).toThrow(order);
    expect(() => accept(pipe, txnid(4))).toThrow(order);
    expect([host.commits, stepDowns]).toEqual([[], []]);
    accept(pipe, txnid(3));
    expect(host.commits).toEqual([txnid(3)]);
  });

  test("G27: a recovering voter is logged to but counts only from its admission on", () => {
    const { join, write, accept, persist, host, leader, clock } = leaderOf(5);
    const two = join(2);
    const recovering = join(3, false);
    join(4);
    write(1);
    persist();
    expect(recovering.kinds).toContain("proposal");
    accept(recovering, txnid(1));
    accept(two, txnid(1));
    expect(host.commits).toEqual([]);
    // What it accepted before is durable all the same: no new accept is needed.
    leader.admit(id(3), identityOf(3));
    // An admission is applied in the middle of a commit: the next commit waits for its end.
    expect(host.commits).toEqual([]);
    clock.advance(0);
    expect(host.commits).toEqual([txnid(1)]);
  });

  test("another identity under the admitted id does not count", () => {
    const { join, leader, write, persist, accept, host, clock } = leaderOf(3);
    join(2);
    const pipe = join(3, false);
    write(1);
    persist();
    accept(pipe, txnid(1));
    leader.admit(id(3), identityOf(9));
    clock.advance(0);
    expect(host.commits).toEqual([]);
  });
});

describe("peers that join", () => {
  test("Zab text, issues 1 and 3: queued proposals, then the newest mark", () => {
    const { join, write, accept, persist, leader, observe } = leaderOf(3);
    const two = join(2);
    const three = new FakePipe(3);
    observe(three, new ObserverQueue());
    write(1);
    persist();
    accept(two, txnid(1));
    write(2);
    const upTo = { txnid: txnid(0, 0), chain: 0n as never };
    leader.addFollower({ pipe: three, identity: identityOf(3), isCounted: true, upTo });
    expect(three.kinds).toEqual(["proposal", "proposal", "commit", "commit"]);
    expect(three.sent.findLast(({ kind }) => kind === "commit")).toMatchObject({ txnid: txnid(1) });
  });

  test("G7: one that fell too far behind is given up, and is not counted", () => {
    const { join, write, leader, observe, persist, host } = leaderOf(3);
    const three = new FakePipe(3);
    join(2);
    observe(three, new ObserverQueue(1));
    write(1);
    persist();
    const upTo = { txnid: txnid(1), chain: host.logged[0]?.chain ?? (0n as never) };
    leader.addFollower({ pipe: three, identity: identityOf(3), isCounted: true, upTo });
    expect(three.closed?.code).toBe("ERR_PROTOCOL_OVERFLOW");
    expect(leader.getActiveEnsembleSize()).toBe(2);
    expect(host.commits).toEqual([]);
  });

  test("a watcher gets committed entries and no proposals", () => {
    const { join, write, accept, persist, leader, observe } = leaderOf(3);
    const two = join(2);
    const watcher = new FakePipe(9);
    const queue = new ObserverQueue();
    observe(watcher, queue, true);
    write(1);
    expect(queue.byteLength).toBe(0);
    persist();
    accept(two, txnid(1));
    leader.addWatcher(watcher, { txnid: txnid(0, 0), chain: 0n as never });
    write(2);
    persist();
    accept(two, txnid(2));
    expect(watcher.kinds.filter((kind) => kind !== "commit")).toEqual(["inform", "inform"]);
    expect(leader.getActiveEnsembleSize()).toBe(2);
    expect(() => accept(watcher, txnid(2))).toThrow(order);
  });
});

describe("answers", () => {
  test("a refusal goes to the node that asked", () => {
    const { leader, join, host, clock, answer } = leaderOf(3);
    const [two, three] = [join(2), join(3)];
    host.refuse = () => true;
    leader.queueRequest("1", request(1));
    leader.onMessage(two, request(2));
    clock.advance(0);
    // Not before a round sent after the request proved that this leader still leads.
    expect(host.answers).toEqual([]);
    expect(two.sent.at(-2)).toMatchObject({ kind: "abort", reqId: 2n, after: 0n });
    expect(two.kinds).not.toContain("refusalsProven");
    answer(two);
    clock.advance(0);
    expect(host.answers).toEqual(["abort 1 1 ERR_ZNODE_NO_NODE"]);
    expect(two.sent.at(-1)).toEqual({ kind: "refusalsProven", fid: "2", reqId: 2n });
    expect(three.kinds).not.toContain("abort");
  });

  test("a refusal leaves before what is proposed behind it, whose commit proves it", () => {
    const { leader, join, host, clock, accept, answer, persist } = leaderOf(3);
    const two = join(2);
    const watcher = new FakePipe(9);
    leader.addWatcher(watcher, LOG_START);
    host.refuse = ({ reqId }) => reqId === 2n;
    for (const number of [1, 2, 3]) leader.onMessage(two, request(number));
    leader.onMessage(watcher, request(2));
    leader.onMessage(watcher, request(4));
    clock.advance(0);
    expect(two.kinds).toEqual(["commit", "abort", "proposal"]);
    expect(two.sent[2]).toMatchObject({ kind: "abort", reqId: 2n, after: txnid(1) });
    // Behind the third of the follower: its place is its own.
    expect(watcher.sent.at(-1)).toMatchObject({ kind: "abort", after: txnid(2) });
    const rounds = two.lastRound();
    persist();
    accept(two, txnid(3));
    clock.advance(0);
    answer(two);
    expect(watcher.kinds).toEqual(["commit", "abort", "inform"]);
    expect(two.kinds).toEqual(["commit", "abort", "proposal", "commit"]);
    // Nor was a round asked for.
    expect(two.lastRound()).toBe(rounds);
  });

  test("Invariant 8: a refusal of this node's is told between the entries around its place", () => {
    const { join, host, write, accept, persist } = leaderOf(3);
    const two = join(2);
    host.asksBetween = true;
    host.refuse = ({ reqId }) => reqId === 2n || reqId === 5n;
    write(1, 2, 3);
    write(4, 5);
    persist();
    accept(two, txnid(2));
    const upToThird = ["apply 1", "abort 1 2 ERR_ZNODE_NO_NODE", "apply 2"];
    expect(host.answers).toEqual(upToThird);
    accept(two, txnid(3));
    // The last one waits for its proof: nothing is proposed behind it.
    expect(host.answers).toEqual([...upToThird, "apply 3"]);
    write(6);
    persist();
    accept(two, txnid(4));
    expect(host.answers.slice(4)).toEqual(["abort 1 5 ERR_ZNODE_NO_NODE", "apply 4"]);
  });

  test("one round proves all refusals that wait, and each node is told once", () => {
    const { leader, join, host, clock, answer } = leaderOf(3);
    const two = join(2);
    host.refuse = () => true;
    for (let number = 1; number <= 500; number += 1) leader.onMessage(two, request(number));
    leader.queueRequest("1", request(1));
    leader.queueRequest("1", request(2));
    clock.advance(0);
    leader.onMessage(two, request(501));
    clock.advance(0);
    answer(two);
    clock.advance(0);
    expect(host.answers).toHaveLength(2);
    const proofs = () => two.sent.flatMap((m) => (m.kind === "refusalsProven" ? [m.reqId] : []));
    // What came later waits for a round that was sent later.
    expect(proofs()).toEqual([500n]);
    answer(two);
    clock.advance(0);
    expect(proofs()).toEqual([500n, 501n]);
  });

  test("what it refuses itself has no place in the order, and waits for no proof", () => {
    const { leader, join, host, clock, write, answer, persist, accept } = leaderOf(3);
    const two = join(2);
    host.asksBetween = true;
    host.refuse = ({ reqId }) => reqId === 0n;
    const remove = (): void => {
      expect(leader.proposeOwn(OpCode.deleteExpired, "/a", new Uint8Array(4))).toBe(true);
      clock.advance(0);
    };
    remove();
    write(1);
    remove();
    // The round of the first is proven while the second stands behind what is not committed.
    answer(two);
    clock.advance(0);
    persist();
    accept(two, txnid(1));
    expect(host.answers).toEqual(["apply 1"]);
    expect(host.commits).toEqual([txnid(1)]);
  });

  test("a refusal names the operation of a multi that failed, here and elsewhere", () => {
    const { leader, join, host, clock, answer } = leaderOf(3);
    const two = join(2);
    host.refusal = { ok: false, code: "ERR_ZNODE_NO_NODE", message: "no node", at: 3 };
    host.refuse = () => true;
    leader.queueRequest("1", request(1));
    leader.onMessage(two, request(2));
    clock.advance(0);
    answer(two);
    clock.advance(0);
    expect(host.answers).toEqual(["abort 1 1 ERR_ZNODE_NO_NODE at 3"]);
    expect(two.sent.at(-1)).toMatchObject({ kind: "refusalsProven", reqId: 2n });
    expect(two.sent).toContainEqual(expect.objectContaining({ kind: "abort", reqId: 2n, at: 3 }));
  });

  test("answers go to a node further down the way that its request came", () => {
    const { leader, host, clock, join } = leaderOf(3);
    join(2);
    const watcher = new FakePipe(9);
    leader.addWatcher(watcher, LOG_START);
    host.refuse = () => true;
    const relayed = { ...request(7), kind: "relayedRequest", fid: "11" } as const;
    leader.onMessage(watcher, { ...relayed, op: OpCode.admitVoter });
    expect(watcher.sent.at(-1)).toMatchObject({ kind: "abort", fid: "11", reqId: 7n });
    // Nobody may speak for a voter, nor is anything left of a way that is closed.
    expect(() => leader.onMessage(watcher, { ...relayed, fid: "2" })).toThrow(/for voter 2/);
    leader.removeMember(watcher);
    const before = watcher.sent.length;
    leader.queueRequest("11", request(8, OpCode.admitVoter));
    clock.advance(0);
    expect(watcher.sent).toHaveLength(before);
  });

  test("only this node itself proposes the ensemble's own entries", () => {
    const { leader, join, host, clock } = leaderOf(3);
    const two = join(2);
    leader.onMessage(two, request(1, OpCode.admitVoter));
    clock.advance(0);
    expect(two.sent.at(-1)).toMatchObject({ kind: "abort", code: "ERR_SERVER_UNSUPPORTED" });
    expect(host.logged).toEqual([]);
  });

  test("G10: custom operations without a handler, with one that throws, with one that answers", () => {
    const custom = request(7, CUSTOM_OP_CODE_MIN);
    const without = leaderOf(1);
    without.leader.queueRequest("1", custom);
    expect(without.host.answers).toEqual(["abort 1 7 ERR_SERVER_NO_CUSTOM_HANDLER"]);

    let respond: ((response: ResponseMsg) => void) | null = null;
    let mustThrow = true;
    const handler: CustomRequestHandler = {
      onNewRequest: () => {
        if (mustThrow) throw new Error("host failed");
      },
      attach: (to) => void (respond = to),
    };
    const all = leaderOf(3, handler);
    const pipe = all.join(2);
    all.leader.queueRequest("1", custom);
    expect(all.host.answers).toEqual(["respond 1 7 host failed"]);

    mustThrow = false;
    all.leader.onMessage(pipe, custom);
    const answer = { kind: "response", reqId: 7n, error: "", content: new Uint8Array(1) } as const;
    (respond as ((response: ResponseMsg) => void) | null)?.({ ...answer, fid: "2" });
    expect(pipe.sent.at(-1)).toMatchObject({ kind: "response", reqId: 7n });
    // Nothing was logged for any of them.
    all.clock.advance(0);
    expect([all.host.logged, all.stepDowns]).toEqual([[], []]);
    all.leader.terminate();
    expect(respond).toBeNull();
  });
});

describe("linearizable reads", () => {
  test("G30: wait for a round that was sent after they arrived; all share it", () => {
    const { leader, join, answer, clock } = leaderOf(3);
    const pipe = join(2);
    clock.advance(heartbeatMs);
    const before = pipe.lastRound();
    const marks: unknown[] = [];
    leader.readIndex((mark) => marks.push(mark));
    leader.readIndex((mark) => marks.push(mark));
    answer(pipe, before);
    expect(marks).toEqual([]);
    clock.advance(0);
    expect(pipe.lastRound()).toBe(before + 1);
    answer(pipe, before);
    expect(marks).toEqual([]);
    // This one came after the round was sent.
    leader.readIndex((mark) => marks.push(mark));
    answer(pipe);
    expect(marks).toHaveLength(2);
    clock.advance(0);
    answer(pipe);
    expect(marks).toHaveLength(3);
  });

  test("a follower's question is answered on its pipe", () => {
    const { leader, join, answer, clock } = leaderOf(3);
    const pipe = join(2);
    leader.onMessage(pipe, { kind: "readIndexRequest", readId: 5 });
    clock.advance(0);
    answer(pipe);
    expect(pipe.sent.at(-1)).toMatchObject({ kind: "readIndexReply", readId: 5 });
  });

  test("F15: more reads here than may wait do not turn a follower's question away", () => {
    const { leader, join, answer, clock } = leaderOf(3);
    const pipe = join(2);
    const refused: unknown[] = [];
    for (let i = 0; i <= PENDING_READS_MAX; i += 1) {
      leader.readIndex((mark) => {
        if (typeof mark !== "bigint") refused.push(mark);
      });
    }
    leader.onMessage(pipe, { kind: "readIndexRequest", readId: 5 });
    expect(refused).toMatchObject([{ code: "ERR_SERVER_BUSY" }]);
    expect(pipe.closed).toBeNull();
    clock.advance(0);
    answer(pipe);
    expect(pipe.sent.at(-1)).toMatchObject({ kind: "readIndexReply", readId: 5 });
    expect(refused).toHaveLength(1);
  });

  test("are told when the leader stops, and afterwards", () => {
    const { leader, join } = leaderOf(3);
    join(2);
    const marks: unknown[] = [];
    leader.readIndex((mark) => marks.push(mark));
    leader.terminate();
    leader.readIndex((mark) => marks.push(mark));
    expect(marks).toMatchObject([{ retryable: true }, { retryable: true }]);
  });
});

describe("the end of leading", () => {
  test("steps down when a quorum is not connected any more", () => {
    const { leader, join, clock, stepDowns } = leaderOf(5);
    const [two, three, four] = [join(2), join(3), join(4)];
    leader.removeMember(two);
    clock.advance(0);
    expect(stepDowns).toEqual([]);
    leader.removeMember(three);
    clock.advance(0);
    expect(stepDowns).toMatchObject([{ code: "ERR_SERVER_NOT_LEADING" }]);
    four.sent = [];
    leader.queueRequest("1", request(1));
    clock.advance(1000);
    expect(four.sent).toEqual([]);
  });

  test("G15: steps down when its lease ends although all pipes are open", () => {
    const { join, answer, clock, stepDowns } = leaderOf(3);
    const pipe = join(2);
    clock.advance(heartbeatMs);
    answer(pipe);
    clock.advance(leaseMs);
    expect(stepDowns).toEqual([]);
    clock.advance(heartbeatMs);
    expect(stepDowns).toHaveLength(1);
  });

  test("G30: judges its lease first when it wakes from a pause", () => {
    const { leader, join, answer, clock, stepDowns } = leaderOf(3);
    const pipe = join(2);
    clock.advance(heartbeatMs);
    answer(pipe);
    const marks: unknown[] = [];
    leader.readIndex((mark) => marks.push(mark));
    pipe.sent = [];
    clock.pause(leaseMs * 5);
    clock.advance(heartbeatMs);
    expect(stepDowns).toHaveLength(1);
    expect(marks).toMatchObject([{ code: "ERR_SERVER_NOT_READY" }]);
  });

  test("drains what it has begun, refuses what is new, then hands over", () => {
    const { leader, join, write, accept, persist, clock, host } = leaderOf(3);
    const pipe = join(2);
    write(1);
    let drained = 0;
    leader.drain(() => void (drained += 1));
    clock.advance(0);
    leader.queueRequest("1", request(2));
    expect(host.answers).toEqual(["abort 1 2 ERR_SERVER_NOT_READY"]);
    expect(drained).toBe(0);
    persist();
    accept(pipe, txnid(1));
    clock.advance(0);
    expect(drained).toBe(1);
    leader.handOver();
    expect(pipe.kinds.slice(-2)).toEqual(["commit", "handover"]);
  });

  test("what waited for a batch is refused, not unknown: it drew no txnid", () => {
    const { leader, join, host } = leaderOf(3);
    join(2);
    leader.queueRequest("1", request(1));
    leader.terminate();
    expect(host.answers).toEqual(["abort 1 1 ERR_SERVER_NOT_READY"]);
    expect(host.logged).toEqual([]);
  });

  test("a refusal that could not be proved any more is retryable, not unknown", () => {
    const { leader, join, write, answer, host, clock } = leaderOf(3);
    const two = join(2);
    write(1);
    host.refuse = ({ reqId }) => reqId !== 1n;
    // Judged against a transaction that is not committed: proved to be a leader's, and held.
    write(2);
    answer(two);
    leader.onMessage(two, request(3));
    clock.advance(0);
    answer(two);
    // Not even proved.
    write(4);
    expect(host.answers).toEqual([]);
    leader.terminate();
    expect(host.answers.sort()).toEqual([
      "abort 1 2 ERR_SERVER_NOT_READY",
      "abort 1 4 ERR_SERVER_NOT_READY",
    ]);
    // Of another node's it is told by that.
    expect(two.kinds).not.toContain("refusalsProven");
    // The proof that they have no effect: only the first is in any log.
    expect(host.logged.map(({ count }) => count)).toEqual([1]);
  });

  test("a voter whose connection was reset counts as before, and nothing new counts", () => {
    const { leader, join, write, accept, persist, host, clock, stepDowns } = leaderOf(3);
    const old = join(2);
    leader.suspendMember(old);
    write(1);
    persist();
    // Heard of no more: neither its messages nor a quorum that it would be a part of.
    accept(old, txnid(1));
    clock.advance(heartbeatMs);
    expect([stepDowns, host.commits]).toEqual([[], []]);
    const fresh = join(2);
    accept(fresh, txnid(1));
    expect(host.commits).toEqual([txnid(1)]);
  });

  test("a voter whose connection was reset is gone when it is not back within the lease", () => {
    const { leader, join, answer, clock, stepDowns } = leaderOf(5);
    const [two, three, four] = [join(2), join(3), join(4)];
    leader.suspendMember(two);
    for (let ms = 0; ms <= leaseMs; ms += heartbeatMs) {
      clock.advance(heartbeatMs);
      for (const pipe of [three, four]) answer(pipe);
    }
    clock.advance(heartbeatMs);
    expect(stepDowns).toEqual([]);
    // With it there would still be a quorum of three.
    leader.removeMember(four);
    clock.advance(0);
    expect(stepDowns).toHaveLength(1);
  });

  test("a voter that comes back as another one does not count for the one that left", () => {
    const { leader, join, clock, stepDowns } = leaderOf(3);
    leader.suspendMember(join(2));
    join(2, false);
    clock.advance(0);
    expect(stepDowns).toHaveLength(1);
  });

  test("an older pipe of the same voter, removed, does not count for the newer", () => {
    const { leader, join, write, accept, persist, host, clock } = leaderOf(3);
    const old = join(2);
    leader.removeMember(old);
    const fresh = join(2);
    leader.removeMember(old);
    write(1);
    persist();
    accept(fresh, txnid(1));
    clock.advance(0);
    expect(host.commits).toEqual([txnid(1)]);
    expect(positionOf(host.logged[0] as never).txnid).toBe(txnid(1));
  });
});
