import { LOG_START, type PeerMsg } from "@quorate/protocol";
import { describe, expect, test } from "vitest";
import { LeaderSyncMachine } from "../src/leader-sync-machine.js";
import { batchAfter, endOf, epoch, id, identity, logOf } from "./support.js";

const log = logOf([1, 2], [2, 2]);
const summary = { currentEpoch: epoch(2), lastLogged: endOf(log).txnid };

function machineOf(options: { voting?: boolean; counted?: boolean } = {}) {
  const { voting = true, counted = voting } = options;
  const machine = new LeaderSyncMachine(id(3), summary);
  const receive = (message: PeerMsg) => machine.step({ kind: "messageReceived", message });
  const info: PeerMsg = {
    kind: "followerInfo",
    acceptedEpoch: epoch(2),
    fid: "3",
    voting,
    standing: "member",
    identity: identity(3),
  };
  const introduce = () => {
    const [effect] = receive(info);
    machine.setCounted(counted);
    return [effect, ...machine.introduced()];
  };
  const ack = (last = endOf(log), current = 2, uncounted = false) =>
    receive({ kind: "epochAck", lastLogged: last, currentEpoch: epoch(current), uncounted });
  const open = (gate: "acceptedEpoch" | "epochAck" | "newLeaderAck") =>
    machine.step({ kind: "gateOpened", gate });
  const ready = () => machine.step({ kind: "epochReady", epoch: epoch(3) });
  return { machine, receive, info, introduce, ack, open, ready };
}

const failure = (code: string) => [
  { kind: "fail", error: expect.objectContaining({ code }) as unknown },
];

describe("discovery, on the leader", () => {
  test("G22: offers the epoch only when its own promise is durable", () => {
    const { introduce, open, ready } = machineOf();
    expect(introduce().map((effect) => effect?.kind)).toEqual(["introduce", "voteAcceptedEpoch"]);
    expect(open("acceptedEpoch")).toEqual([]);
    expect(ready()).toEqual([{ kind: "sendLeaderInfo", epoch: 3 }]);
  });

  test("does not count who is not counted", () => {
    const { introduce, ready, ack, machine } = machineOf({ counted: false });
    expect(introduce().map((effect) => effect?.kind)).toEqual(["introduce"]);
    ready();
    expect(ack()).toEqual([]);
    expect(machine.isCounted).toBe(false);
  });

  test("G21: a promise made to another leader is a report, not a vote", () => {
    const { introduce, ready, ack } = machineOf();
    introduce();
    ready();
    expect(ack(endOf(log), 2, true)).toEqual([]);
  });

  test("G4: abdicates for a counted voter that knows more, before the gate", () => {
    for (const [last, current] of [
      [endOf([batchAfter(endOf(log), 2, 3)]), 2],
      [LOG_START, 3],
    ] as const) {
      const { introduce, ready, ack } = machineOf();
      introduce();
      ready();
      expect(ack(last, current)).toMatchObject([{ kind: "abdicate" }]);
    }
  });

  test("a longer log of a lower epoch is no reason to abdicate", () => {
    const { introduce, ready, ack } = machineOf();
    introduce();
    ready();
    expect(ack(endOf([batchAfter(endOf(log), 2, 3)]), 1)).toEqual([{ kind: "voteEpochAck" }]);
  });

  test("G29: after the gate it stays, and a longer tail is planned against", () => {
    const { introduce, open, ready, ack } = machineOf();
    introduce();
    open("acceptedEpoch");
    ready();
    open("epochAck");
    const last = endOf([batchAfter(endOf(log), 2, 3)]);
    expect(ack(last, 3)).toEqual([{ kind: "findFloor", atOrBelow: last.txnid }]);
  });

  test("one that knows more and is not counted does not make it abdicate", () => {
    const { introduce, ready, ack } = machineOf({ counted: false });
    introduce();
    ready();
    expect(ack(LOG_START, 9)).toEqual([]);
  });

  test("refuses a peer that calls itself by another's name", () => {
    const { receive, info } = machineOf();
    expect(receive({ ...info, fid: "4" } as PeerMsg)).toEqual(failure("ERR_PROTOCOL_HANDSHAKE"));
  });
});

describe("sync, on the leader", () => {
  function synchronising(voting = true) {
    const all = machineOf({ voting });
    all.introduce();
    all.open("acceptedEpoch");
    all.ready();
    all.ack();
    all.open("epochAck");
    return all;
  }
  const found = (all: ReturnType<typeof synchronising>) =>
    all.machine.step({ kind: "floorFound", floor: endOf(log) });
  const acknowledge: PeerMsg = { kind: "newLeaderAck", epoch: epoch(3) };

  test("plans, sends, declares, and joins when the last gate is open", () => {
    const all = synchronising();
    expect(found(all)).toEqual([
      { kind: "sendHistory", plan: { kind: "diff", after: endOf(log) } },
    ]);
    expect(all.machine.step({ kind: "historySent", last: endOf(log) })).toEqual([
      { kind: "sendNewLeader", epoch: 3, last: endOf(log) },
    ]);
    expect(all.receive(acknowledge)).toEqual([{ kind: "voteNewLeaderAck" }]);
    expect(all.open("newLeaderAck")).toEqual([{ kind: "join", last: endOf(log) }]);
    expect(all.open("newLeaderAck")).toEqual([]);
  });

  test("a late joiner joins at once", () => {
    const all = synchronising();
    all.open("newLeaderAck");
    found(all);
    all.machine.step({ kind: "historySent", last: endOf(log) });
    expect(all.receive(acknowledge).map(({ kind }) => kind)).toEqual(["voteNewLeaderAck", "join"]);
  });

  test("a watcher is planned for only when the initial history is committed", () => {
    const all = synchronising(false);
    expect(all.machine.stage).toBe("updateCurrentEpochAfterQuorum");
    expect(all.open("newLeaderAck").map(({ kind }) => kind)).toEqual(["findFloor"]);
  });

  test("an equal txnid with another content is refused, never overwritten", () => {
    const all = synchronising();
    const floor = { txnid: endOf(log).txnid, chain: 1n as never };
    expect(all.machine.step({ kind: "floorFound", floor })).toEqual(failure("ERR_SYNC_DIVERGED"));
  });

  test("sends a snapshot instead when the follower does not hold the plan's start", () => {
    const all = synchronising();
    found(all);
    all.machine.step({ kind: "historySent", last: endOf(log) });
    expect(all.receive({ kind: "snapshotRequest" })).toEqual([
      { kind: "sendHistory", plan: { kind: "snapshot" } },
    ]);
    expect(all.machine.stage).toBe("syncSend");
  });

  const order = failure("ERR_PROTOCOL_ORDER");
  const cases: readonly (readonly [string, (all: ReturnType<typeof machineOf>) => PeerMsg[]])[] = [
    ["a second followerInfo", ({ info }) => [info]],
    ["progress before anything was sent", () => [{ kind: "syncProgress", received: 0 }]],
    ["a request for a snapshot before any plan", () => [{ kind: "snapshotRequest" }]],
    ["an early newLeaderAck", () => [acknowledge]],
    ["an accept", () => [{ kind: "accept", txnid: endOf(log).txnid, fid: "3" }]],
  ];
  test.each(cases)("%s ends the conversation", (_what, messages) => {
    const all = machineOf();
    all.introduce();
    expect(messages(all).flatMap(all.receive)).toEqual(order);
    expect(all.ready()).toEqual([]);
  });

  test("a snapshot asked for while the plan is made ends it, and the late floor is ignored", () => {
    const all = synchronising();
    expect(all.receive({ kind: "snapshotRequest" })).toEqual(order);
    expect(found(all)).toEqual([]);
  });

  test("G25: a newLeaderAck of another epoch, or a second one, is refused", () => {
    for (const messages of [[{ ...acknowledge, epoch: epoch(2) }], [acknowledge, acknowledge]]) {
      const all = synchronising();
      found(all);
      all.machine.step({ kind: "historySent", last: endOf(log) });
      expect((messages as PeerMsg[]).flatMap(all.receive).slice(-1)).toEqual(order);
    }
  });
});
