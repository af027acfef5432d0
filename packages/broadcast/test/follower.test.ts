import {
  defaultMsgFactory,
  LOG_START,
  PENDING_REQUESTS_MAX,
  positionOf,
  type AnswerMsg,
  type PeerMsg,
  type Txnid,
} from "@quorate/protocol";
import { describe, expect, test } from "vitest";
import { Follower } from "../src/index.js";
import { batchAfter, FakeHost, FakePipe, first, request, second, txnid } from "./support.js";

function followerOf(kind: "follower" | "watcher" = "follower", received = LOG_START) {
  const host = new FakeHost();
  const pipe = new FakePipe(2);
  let ready = 0;
  const follower = new Follower(kind, received, {
    pipe,
    handler: host.handler,
    factory: defaultMsgFactory,
    onReady: () => void (ready += 1),
  });
  return { host, pipe, follower, readyCount: () => ready };
}
const order = expect.objectContaining({ code: "ERR_PROTOCOL_ORDER" });
const proposal = (batch = first): PeerMsg => ({ kind: "proposal", batch });
const commit = (upTo = first.last): PeerMsg => ({ kind: "commit", txnid: upTo });

describe("a follower", () => {
  test("accepts what its disk has persisted, not what it has received", () => {
    const { follower, pipe, host } = followerOf();
    follower.onMessage(proposal());
    follower.onMessage(proposal(second));
    expect(host.logged).toEqual([first, second]);
    expect(pipe.sent).toEqual([]);
    follower.onPersisted(positionOf(first));
    follower.onPersisted(positionOf(first));
    expect(pipe.sent).toEqual([{ kind: "accept", txnid: first.last, fid: "1" }]);
    follower.onPersisted(positionOf(second));
    expect(pipe.sent).toHaveLength(2);
  });

  test("G25: does not accept the history that its NewLeaderAck spoke of", () => {
    const { follower, pipe } = followerOf("follower", positionOf(first));
    follower.onPersisted(positionOf(first));
    expect(pipe.sent).toEqual([]);
  });

  test("Zab text, issue 2: a proposal that came with the history is ignored", () => {
    const { follower, host } = followerOf("follower", positionOf(first));
    follower.onMessage(proposal());
    follower.onMessage(proposal(second));
    follower.onMessage(proposal(second));
    expect(host.logged).toEqual([second]);
  });

  test("ZOOKEEPER-4925: a hole is refused", () => {
    const { follower, host } = followerOf();
    expect(() => follower.onMessage(proposal(second))).toThrow(order);
    follower.onMessage(proposal());
    expect(() => follower.onMessage(proposal(batchAfter(LOG_START, 1, 2)))).toThrow(order);
    expect(host.logged).toEqual([first]);
  });

  test("Zab text, issue 1: a commit before its proposal is refused", () => {
    const { follower, host } = followerOf();
    expect(() => follower.onMessage(commit())).toThrow(order);
    expect(host.commits).toEqual([]);
  });

  test("G13: a repeated or older commit moves nothing back", () => {
    const { follower, host } = followerOf();
    follower.onMessage(proposal());
    follower.onMessage(proposal(second));
    follower.onMessage(commit(second.last));
    follower.onMessage(commit(first.last));
    follower.onMessage(commit(second.last));
    expect(host.commits).toEqual([second.last]);
  });

  test("Zab text, issue 3: serves once it has heard the newest mark, and says so once", () => {
    const { follower, readyCount } = followerOf("follower", positionOf(second));
    expect(readyCount()).toBe(0);
    follower.onMessage(commit(second.last));
    follower.onMessage(commit(second.last));
    expect(readyCount()).toBe(1);
  });

  test("routes answers to whom they belong", () => {
    const { follower, host } = followerOf();
    follower.onMessage({
      kind: "abort",
      fid: "1",
      reqId: 4n,
      code: "ERR_SERVER_BUSY",
      error: "",
      at: -1,
      after: null,
    });
    follower.onMessage({
      kind: "response",
      fid: "1",
      reqId: 5n,
      error: "no",
      content: new Uint8Array(),
    });
    expect(host.answers).toEqual(["abort 1 4 ERR_SERVER_BUSY", "respond 1 5 no"]);
  });

  const refused = (reqId: number, after: bigint): PeerMsg => ({
    kind: "abort",
    fid: "1",
    reqId: BigInt(reqId),
    code: "ERR_ZNODE_NO_NODE",
    error: "",
    at: -1,
    after: after as Txnid,
  });
  const proven = (reqId: number): PeerMsg => ({
    kind: "refusalsProven",
    fid: "1",
    reqId: BigInt(reqId),
  });

  test("Invariant 8: a refusal is told behind its transaction and before the next one", () => {
    const { follower, host } = followerOf();
    host.asksBetween = true;
    follower.onMessage(proposal());
    follower.onMessage(refused(1, first.last));
    follower.onMessage(refused(2, first.last));
    follower.onMessage(proposal(second));
    follower.onMessage(refused(3, second.last));
    follower.onMessage(commit(first.last));
    expect(host.answers).toEqual(["apply 1"]);
    follower.onMessage(commit(second.last));
    const told = ["abort 1 1 ERR_ZNODE_NO_NODE", "abort 1 2 ERR_ZNODE_NO_NODE", "apply 2"];
    expect(host.answers.slice(1)).toEqual(told);
    // The proof of what a commit has proved is no news; of the last one it is.
    follower.onMessage(proven(2));
    expect(host.answers).toHaveLength(4);
    follower.onMessage(proven(3));
    expect(host.answers.at(-1)).toBe("abort 1 3 ERR_ZNODE_NO_NODE");
  });

  test("a host that does not ask is told of refusals when their commit is done", () => {
    const { follower, host } = followerOf();
    follower.onMessage(proposal());
    follower.onMessage(refused(1, 0n));
    expect(host.answers).toEqual([]);
    follower.onMessage(commit(first.last));
    expect(host.answers).toEqual(["abort 1 1 ERR_ZNODE_NO_NODE"]);
  });

  test("a refusal whose place never comes had no effect, and may be asked for again", () => {
    const { follower, host } = followerOf();
    follower.onMessage(proposal());
    follower.onMessage(refused(1, first.last));
    follower.terminate();
    expect(host.answers).toEqual(["abort 1 1 ERR_SERVER_NOT_READY"]);
  });

  test("a refusal that is proven before its place costs the pipe", () => {
    const { follower, host } = followerOf();
    follower.onMessage(proposal());
    follower.onMessage(refused(1, first.last));
    expect(() => follower.onMessage(proven(1))).toThrow(order);
    expect(host.answers).toEqual([]);
  });

  test("more refusals than requests may wait cost the pipe", () => {
    const { follower } = followerOf();
    for (let i = 0; i < PENDING_REQUESTS_MAX; i += 1) follower.onMessage(refused(i, 0n));
    expect(() => follower.onMessage(refused(PENDING_REQUESTS_MAX, 0n))).toThrow(order);
  });

  test("reads wait for the leader's mark, and are told when it is lost", () => {
    const { follower, pipe } = followerOf();
    const marks: unknown[] = [];
    follower.readIndex((mark) => marks.push(mark));
    follower.readIndex((mark) => marks.push(mark));
    expect(pipe.sent.map((one) => one.kind === "readIndexRequest" && one.readId)).toEqual([1, 2]);
    follower.onMessage({ kind: "readIndexReply", readId: 2, txnid: txnid(7) });
    follower.onMessage({ kind: "readIndexReply", readId: 2, txnid: txnid(8) });
    expect(marks).toEqual([txnid(7)]);
    follower.terminate();
    expect(marks[1]).toMatchObject({ code: "ERR_SERVER_NOT_READY", retryable: true });
    follower.readIndex((mark) => marks.push(mark));
    expect(marks[2]).toMatchObject({ code: "ERR_SERVER_NOT_READY" });
  });

  test.each<AnswerMsg>([
    { kind: "abort", fid: "3", reqId: 1n, code: "ERR_SERVER_BUSY", error: "", at: -1, after: null },
    { kind: "response", fid: "3", reqId: 1n, error: "", content: new Uint8Array() },
  ])("another node's $kind costs the pipe and completes nothing", (message) => {
    const { follower, host } = followerOf();
    expect(() => follower.onMessage(message)).toThrow(order);
    expect(host.answers).toEqual([]);
    follower.onMessage({ ...message, fid: "1" });
    expect(host.answers).toHaveLength(1);
  });

  test("forwards nothing and hears nothing after its end", () => {
    const { follower, pipe, host } = followerOf();
    follower.terminate();
    expect(follower.forwardRequest(request(1))).toBe(false);
    follower.onMessage(proposal());
    follower.onPersisted(positionOf(first));
    expect([pipe.sent, host.logged]).toEqual([[], []]);
  });

  test.each<PeerMsg>([
    { kind: "inform", batch: first },
    { kind: "streamBegin", after: LOG_START },
    { kind: "newLeaderAck", epoch: 1 as never },
  ])("refuses $kind", (message) => {
    expect(() => followerOf().follower.onMessage(message)).toThrow(order);
  });
});

describe("a watcher", () => {
  test("receives committed entries only, applies them at once and accepts nothing", () => {
    const { follower, host, pipe } = followerOf("watcher");
    follower.onMessage({ kind: "inform", batch: first });
    follower.onMessage({ kind: "inform", batch: first });
    expect(host.logged).toEqual([first]);
    expect(host.commits).toEqual([first.last]);
    follower.onPersisted(positionOf(first));
    expect(pipe.sent).toEqual([]);
    expect(() => follower.onMessage(proposal(second))).toThrow(order);
  });
});
