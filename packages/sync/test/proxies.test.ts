import { defaultMsgFactory, majorityQuorum, positionOf, silentLogger } from "@quorate/protocol";
import { describe, expect, test } from "vitest";
import {
  ConsentState,
  FollowerSyncProxy,
  LeaderSyncProxy,
  type FollowerSyncOutcome,
  type Gate,
} from "../src/index.js";
import { batchAfter, endOf, epoch, FakeHost, FakePipe, id, logOf, settled } from "./support.js";

function followerOf(host: FakeHost, voting = true) {
  const pipe = new FakePipe(2);
  const outcomes: FollowerSyncOutcome[] = [];
  const proxy = new FollowerSyncProxy(
    { leader: id(2), voting },
    {
      pipe,
      handler: host.handler,
      factory: defaultMsgFactory,
      logger: silentLogger,
      onDone: (outcome) => void outcomes.push(outcome),
    },
  );
  proxy.start();
  return { pipe, outcomes, proxy };
}

describe("a follower's proxy", () => {
  test("ZOOKEEPER-4643: asks the disk in the order history, epoch, and answers by the disk", () => {
    const host = new FakeHost();
    host.log = logOf([1, 2]);
    const { proxy, pipe, outcomes } = followerOf(host);
    const start = endOf(host.log);
    const batch = batchAfter(start, 2, 1);
    proxy.onMessage({ kind: "leaderInfo", epoch: epoch(3) });
    expect(pipe.kinds).toEqual(["followerInfo"]);
    proxy.onPersisted(1);
    expect(pipe.kinds).toEqual(["followerInfo", "epochAck"]);
    proxy.onMessage({ kind: "streamBegin", after: start });
    proxy.onMessage({ kind: "history", batch, committed: batch.last });
    proxy.onMessage({ kind: "newLeader", epoch: epoch(3), last: positionOf(batch) });
    expect(host.calls).toEqual(["acceptedEpoch 3 2", "append 1", "currentEpoch 3"]);
    // The history is durable, the epoch is not: no acknowledgement may leave.
    proxy.onPersisted(2);
    expect(host.calls.slice(3)).toEqual(["commit 1"]);
    expect(pipe.kinds.slice(2)).toEqual(["syncProgress"]);
    expect(outcomes).toEqual([]);
    proxy.onPersisted(3);
    expect(pipe.kinds.slice(3)).toEqual(["newLeaderAck"]);
    expect(outcomes).toMatchObject([{ kind: "synced", received: positionOf(batch) }]);
  });

  test("a watcher waits for its history and writes no epoch", () => {
    const host = new FakeHost();
    host.log = logOf([1, 2]);
    const { proxy, pipe, outcomes } = followerOf(host, false);
    const start = endOf(host.log);
    const batch = batchAfter(start, 2, 1);
    proxy.onMessage({ kind: "leaderInfo", epoch: epoch(3) });
    proxy.onMessage({ kind: "streamBegin", after: start });
    proxy.onMessage({ kind: "history", batch, committed: batch.last });
    proxy.onMessage({ kind: "newLeader", epoch: epoch(3), last: positionOf(batch) });
    expect(host.calls).toEqual(["append 1"]);
    expect(outcomes).toEqual([]);
    proxy.onPersisted(1);
    expect(host.calls).toEqual(["append 1", "commit 1"]);
    expect(pipe.kinds).toEqual(["followerInfo", "epochAck", "syncProgress", "newLeaderAck"]);
    expect(outcomes).toMatchObject([{ kind: "synced" }]);
  });

  test("a watcher that lacks nothing is done at once", () => {
    const host = new FakeHost();
    const { proxy, outcomes } = followerOf(host, false);
    proxy.onMessage({ kind: "leaderInfo", epoch: epoch(3) });
    proxy.onMessage({ kind: "streamBegin", after: endOf([]) });
    proxy.onMessage({ kind: "newLeader", epoch: epoch(3), last: endOf([]) });
    expect(outcomes).toMatchObject([{ kind: "synced" }]);
  });

  test("drops a snapshot received in part, once, whatever ends it", () => {
    const host = new FakeHost();
    const { proxy } = followerOf(host);
    proxy.onMessage({ kind: "leaderInfo", epoch: epoch(3) });
    proxy.onPersisted(1);
    const snapshot = { position: endOf(logOf([1, 1])), digest: 0n, members: [] };
    proxy.onMessage({ kind: "snapshotBegin", snapshot });
    proxy.terminate();
    proxy.terminate();
    expect(host.calls.filter((call) => call === "discard")).toHaveLength(1);
  });

  test("a log that cannot be read is replaced by a snapshot", async () => {
    const host = new FakeHost();
    host.log = logOf([1, 2]);
    const { proxy, pipe } = followerOf(host);
    proxy.onMessage({ kind: "leaderInfo", epoch: epoch(3) });
    proxy.onPersisted(1);
    host.floors = Promise.reject(new Error("unreadable"));
    proxy.onMessage({ kind: "truncate", after: endOf(host.log.slice(0, 1)) });
    await settled();
    expect(pipe.kinds.at(-1)).toBe("snapshotRequest");
  });
});

describe("a leader's proxy", () => {
  function leaderOf(host: FakeHost) {
    const pipe = new FakePipe(2);
    const consent = new ConsentState(id(1), majorityQuorum([id(1), id(2), id(3)]));
    const gates: Gate[] = [];
    const events: string[] = [];
    const proxy = new LeaderSyncProxy({
      pipe,
      consent,
      summary: { currentEpoch: epoch(1), lastLogged: endOf(host.log).txnid },
      handler: host.handler,
      factory: defaultMsgFactory,
      logger: silentLogger,
      introduce: () => ({ kind: "welcome", isCounted: true }),
      onGateOpened: (gate) => void gates.push(gate),
      onAbdicate: () => void events.push("abdicate"),
      startLiveQueue: () => void events.push("live"),
      stopLiveQueue: () => void events.push("stop"),
      onPlan: (kind) => void events.push(kind),
      onJoin: () => void events.push("join"),
      onFailed: (error) => void events.push(error.code),
    });
    const info = () => {
      proxy.onMessage({
        kind: "followerInfo",
        acceptedEpoch: epoch(1),
        fid: "2",
        voting: true,
        standing: "member",
        identity: "2".repeat(32) as never,
      });
    };
    return { pipe, consent, gates, events, proxy, info };
  }

  test("withdraws its votes at closed gates when it ends", () => {
    const { proxy, info, consent } = leaderOf(new FakeHost());
    info();
    proxy.terminate();
    expect(consent.voteAcceptedEpoch(id(1), epoch(1))).toBe(false);
    expect(consent.voteAcceptedEpoch(id(3), epoch(1))).toBe(true);
  });

  test("starts again with a snapshot, and forgets the first live queue", async () => {
    const host = new FakeHost();
    host.log = logOf([1, 3]);
    host.snapshot = {
      info: { position: endOf(host.log), digest: 0n, members: [] },
      read: () => Promise.resolve([]),
      close: () => undefined,
    };
    const { proxy, info, consent, events, pipe } = leaderOf(host);
    consent.voteAcceptedEpoch(id(1), epoch(1));
    info();
    proxy.onEpochReady(epoch(2));
    consent.voteEpochAck(id(1));
    const ack = { lastLogged: endOf(host.log), currentEpoch: epoch(1), uncounted: false };
    proxy.onMessage({ kind: "epochAck", ...ack });
    proxy.onGateOpened("epochAck");
    await settled();
    expect(pipe.kinds).toEqual(["leaderInfo", "streamBegin", "newLeader"]);
    proxy.onMessage({ kind: "snapshotRequest" });
    await settled();
    expect(events).toEqual(["diff", "live", "stop", "snapshot", "live"]);
    expect(pipe.kinds.slice(3)).toEqual([
      "snapshotBegin",
      "snapshotEnd",
      "streamBegin",
      "newLeader",
    ]);
  });

  test("progress beyond what was sent fails the peer, not the leader", async () => {
    const host = new FakeHost();
    const { proxy, info, consent, events } = leaderOf(host);
    consent.voteAcceptedEpoch(id(1), epoch(1));
    info();
    proxy.onEpochReady(epoch(2));
    const ack = { lastLogged: endOf([]), currentEpoch: epoch(1), uncounted: false };
    proxy.onMessage({ kind: "epochAck", ...ack });
    proxy.onGateOpened("epochAck");
    await settled();
    proxy.onMessage({ kind: "syncProgress", received: 5 });
    expect(events.at(-1)).toBe("ERR_PROTOCOL_ORDER");
  });
});
