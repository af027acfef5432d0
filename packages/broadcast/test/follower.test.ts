import {
  defaultMsgFactory,
  LOG_START,
  positionOf,
  type AbortMsg,
  type PeerMsg,
  type ResponseMsg,
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

  test.each<AbortMsg | ResponseMsg>([
    { kind: "abort", fid: "3", reqId: 1n, code: "ERR_SERVER_BUSY", error: "", at: -1 },
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
