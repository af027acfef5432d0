import {
  advanceTxnid,
  HISTORY_CHUNKS_IN_FLIGHT_MAX,
  LOG_START,
  positionOf,
  TXNID_ZERO,
  type EntryBatch,
  type PeerMsg,
  type SnapshotInfo,
  type Txnid,
} from "@quorate/protocol";
import { describe, expect, test } from "vitest";
import { FollowerSyncMachine, type FollowerSyncStart } from "../src/follower-sync-machine.js";
import { batchAfter, endOf, epoch, id, logOf } from "./support.js";

const log = logOf([1, 3]);
const next = batchAfter(endOf(log), 2, 1);
const info: SnapshotInfo = { position: endOf(log), digest: 7n, members: [] };

function machineOf(start: Partial<FollowerSyncStart> = {}) {
  const machine = new FollowerSyncMachine({
    leader: id(2),
    voting: true,
    acceptedEpoch: epoch(1),
    acceptedLeader: id(3),
    currentEpoch: epoch(1),
    lastLogged: endOf(log),
    commitMark: log[1]?.last ?? (0n as never),
    ...start,
  });
  const receive = (...messages: PeerMsg[]) =>
    messages.flatMap((message) => machine.step({ kind: "messageReceived", message }));
  const kinds = (...messages: PeerMsg[]) => receive(...messages).map(({ kind }) => kind);
  return { machine, receive, kinds };
}

/** Up to the point where history may come: epoch 5 promised and acknowledged. */
function readyForHistory(start: Partial<FollowerSyncStart> = {}) {
  const all = machineOf(start);
  all.machine.step({ kind: "started" });
  all.receive({ kind: "leaderInfo", epoch: epoch(5) });
  if (start.voting !== false) all.machine.step({ kind: "acceptedEpochPersisted" });
  return all;
}

const failure = (code: string) => [
  { kind: "fail", error: expect.objectContaining({ code }) as unknown },
];
const history = (batch: EntryBatch, committed: Txnid = TXNID_ZERO): PeerMsg => ({
  kind: "history",
  batch,
  committed,
});
const begin = (after = endOf(log)): PeerMsg => ({ kind: "streamBegin", after });
const newLeader = (last = endOf(log), of = 5): PeerMsg => ({
  kind: "newLeader",
  epoch: epoch(of),
  last,
});

describe("promising an epoch", () => {
  test("acknowledges only when the promise is durable", () => {
    const { machine, receive } = machineOf();
    expect(machine.step({ kind: "started" })).toEqual([{ kind: "sendFollowerInfo" }]);
    expect(receive({ kind: "leaderInfo", epoch: epoch(5) })).toEqual([
      { kind: "persistAcceptedEpoch", epoch: 5 },
    ]);
    expect(machine.step({ kind: "acceptedEpochPersisted" })).toEqual([
      { kind: "sendEpochAck", uncounted: false },
    ]);
  });

  test("refuses an epoch below its promise", () => {
    const { machine, receive } = machineOf({ acceptedEpoch: epoch(6) });
    machine.step({ kind: "started" });
    expect(receive({ kind: "leaderInfo", epoch: epoch(5) })).toEqual(
      failure("ERR_SYNC_EPOCH_STALE"),
    );
  });

  test("G21: reports without consent when the epoch was promised to another leader", () => {
    const { machine, receive } = machineOf({ acceptedEpoch: epoch(5), acceptedLeader: id(3) });
    machine.step({ kind: "started" });
    expect(receive({ kind: "leaderInfo", epoch: epoch(5) })).toEqual([
      { kind: "sendEpochAck", uncounted: true },
    ]);
  });

  test("consents again to the leader that it promised the epoch to", () => {
    const { machine, receive } = machineOf({ acceptedEpoch: epoch(5), acceptedLeader: id(2) });
    machine.step({ kind: "started" });
    expect(receive({ kind: "leaderInfo", epoch: epoch(5) })).toEqual([
      { kind: "sendEpochAck", uncounted: false },
    ]);
  });

  test("a watcher promises nothing and persists no epoch", () => {
    const { machine, receive } = machineOf({ voting: false });
    machine.step({ kind: "started" });
    expect(receive({ kind: "leaderInfo", epoch: epoch(5) })).toEqual([
      { kind: "sendEpochAck", uncounted: true },
    ]);
    expect(receive(begin(), newLeader())).toEqual([{ kind: "awaitHistory" }]);
    expect(machine.step({ kind: "historyComplete" })).toEqual([
      { kind: "sendNewLeaderAck", epoch: 5 },
      { kind: "finish", epoch: 5, received: endOf(log) },
    ]);
  });
});

describe("receiving history", () => {
  test("ZOOKEEPER-3023, 3911, 4643, 4646, 4685: history, then the epoch, then NewLeaderAck", () => {
    const { machine, receive } = readyForHistory();
    const effects = receive(begin(), history(next), newLeader(positionOf(next)));
    expect(effects).toEqual([
      { kind: "append", batch: next, staged: false },
      { kind: "persistCurrentEpoch", epoch: 5 },
    ]);
    expect(machine.step({ kind: "historyPersisted", count: 1 })).toEqual([
      { kind: "sendSyncProgress", received: 1 },
    ]);
    expect(machine.step({ kind: "currentEpochPersisted" })).toEqual([
      { kind: "sendNewLeaderAck", epoch: 5 },
      { kind: "finish", epoch: 5, received: positionOf(next) },
    ]);
  });

  test("G26: a staged snapshot becomes current only at the end of the leader's history", () => {
    const { receive } = readyForHistory({ lastLogged: LOG_START, commitMark: 0n as never });
    const before = receive(
      { kind: "snapshotBegin", snapshot: info },
      { kind: "snapshotChunk", index: 0, rows: [{ key: new Uint8Array(1), value: null }] },
      { kind: "snapshotEnd", rowCount: 1 },
      begin(),
      history(next),
    );
    expect(before.map(({ kind }) => kind)).toEqual(["stageSnapshot", "stageRows", "append"]);
    expect(before[2]).toMatchObject({ staged: true });
    expect(receive(newLeader(positionOf(next))).map(({ kind }) => kind)).toEqual([
      "installStaged",
      "persistCurrentEpoch",
    ]);
  });

  test("ZOOKEEPER-4394: commits history up to the mark with it, once it is durable here", () => {
    const { machine, receive } = readyForHistory();
    const after = batchAfter(positionOf(next), 2, 2);
    const last = batchAfter(positionOf(after), 2, 3);
    receive(
      begin(),
      history(next, next.last),
      history(after, after.last),
      history(last, next.last),
    );
    expect(machine.step({ kind: "historyPersisted", count: 1 })).toEqual([
      { kind: "commit", upTo: next.last },
      { kind: "sendSyncProgress", received: 1 },
    ]);
    // Several answers of the disk at a time; the last batch is not committed yet.
    expect(machine.step({ kind: "historyPersisted", count: 3 })).toEqual([
      { kind: "commit", upTo: after.last },
      { kind: "sendSyncProgress", received: 3 },
    ]);
    expect(receive(newLeader(positionOf(last)))).toEqual([
      { kind: "persistCurrentEpoch", epoch: 5 },
    ]);
  });

  test("G26: nothing that is staged is committed before it is current, then up to its mark", () => {
    const { machine, receive } = readyForHistory({ lastLogged: LOG_START, commitMark: TXNID_ZERO });
    receive(
      { kind: "snapshotBegin", snapshot: info },
      { kind: "snapshotChunk", index: 0, rows: [{ key: new Uint8Array(1), value: null }] },
      { kind: "snapshotEnd", rowCount: 1 },
      begin(),
      history(next, next.last),
    );
    expect(machine.step({ kind: "historyPersisted", count: 2 })).toEqual([
      { kind: "sendSyncProgress", received: 2 },
    ]);
    expect(receive(newLeader(positionOf(next)))[0]).toEqual({
      kind: "installStaged",
      upTo: next.last,
    });
  });

  test("G29: a tail that the leader lacks is removed down to what is held", () => {
    const { machine, receive } = readyForHistory();
    const floor = endOf(log.slice(0, 2));
    expect(receive({ kind: "truncate", after: floor }, begin(floor))).toEqual([
      { kind: "checkHeld", position: floor },
    ]);
    expect(machine.step({ kind: "heldChecked", held: true })).toEqual([
      { kind: "truncate", after: floor },
    ]);
    expect(receive(newLeader(floor)).map(({ kind }) => kind)).toEqual(["persistCurrentEpoch"]);
  });

  test("asks for a snapshot when it does not hold where the plan continues", () => {
    const { machine, receive, kinds } = readyForHistory();
    const foreign = endOf([batchAfter(endOf(log.slice(0, 2)), 1, 3, "other")]);
    receive({ kind: "truncate", after: foreign });
    expect(kinds(begin(foreign))).toEqual([]);
    expect(machine.step({ kind: "heldChecked", held: false })).toEqual([
      { kind: "sendSnapshotRequest" },
    ]);
    // What the old plan still sends is void, its end too.
    expect(kinds(history(next), newLeader(positionOf(next)))).toEqual([]);
    expect(kinds({ kind: "snapshotBegin", snapshot: info })).toEqual(["stageSnapshot"]);
  });

  test("ZOOKEEPER-2418: a diff that starts beyond its end is not guessed at", () => {
    const { kinds } = readyForHistory({ lastLogged: endOf(log.slice(0, 2)) });
    expect(kinds(begin())).toEqual(["sendSnapshotRequest"]);
  });

  test("never removes what is committed", () => {
    const { receive } = readyForHistory();
    expect(receive({ kind: "truncate", after: endOf(log.slice(0, 1)) })).toEqual(
      failure("ERR_SYNC_DIVERGED"),
    );
    const other = readyForHistory({ lastLogged: LOG_START });
    const older = { ...info, position: endOf(log.slice(0, 1)) };
    const effects = other.receive(
      { kind: "snapshotBegin", snapshot: older },
      { kind: "snapshotEnd", rowCount: 0 },
      begin(older.position),
      newLeader(older.position),
    );
    expect(effects.slice(1)).toEqual(failure("ERR_SYNC_DIVERGED"));
  });

  test("a leader that ignores the window while the log is asked is given up", () => {
    const { receive } = readyForHistory();
    receive({ kind: "truncate", after: endOf(log.slice(0, 2)) });
    const effects = Array.from({ length: HISTORY_CHUNKS_IN_FLIGHT_MAX + 3 }, () =>
      receive(history(next)),
    );
    expect(effects.at(-2)).toEqual([]);
    expect(effects.at(-1)).toEqual(failure("ERR_PROTOCOL_OVERFLOW"));
  });
});

describe("a leader that breaks the order", () => {
  const order = failure("ERR_PROTOCOL_ORDER");
  const row = { key: new Uint8Array(1), value: null };
  const snapshot: PeerMsg = { kind: "snapshotBegin", snapshot: info };
  const beyond = advanceTxnid(next.last, 1);
  const cases: readonly (readonly [string, readonly PeerMsg[]])[] = [
    ["a second epoch", [{ kind: "leaderInfo", epoch: epoch(6) }]],
    ["history outside a stream", [history(next)]],
    ["history that is committed beyond itself", [begin(), history(next, beyond)]],
    ["a second stream", [begin(), begin()]],
    ["a truncation within a stream", [begin(), { kind: "truncate", after: endOf(log) }]],
    ["a truncation of a snapshot", [snapshot, { kind: "truncate", after: endOf(log) }]],
    ["a snapshot within a stream", [begin(), snapshot]],
    ["a second snapshot", [snapshot, snapshot]],
    ["a chunk without a snapshot", [{ kind: "snapshotChunk", index: 0, rows: [] }]],
    ["a chunk out of order", [snapshot, { kind: "snapshotChunk", index: 1, rows: [] }]],
    [
      "a chunk after the end",
      [
        snapshot,
        { kind: "snapshotEnd", rowCount: 0 },
        { kind: "snapshotChunk", index: 0, rows: [] },
      ],
    ],
    [
      "an end that does not match its rows",
      [
        snapshot,
        { kind: "snapshotChunk", index: 0, rows: [row] },
        { kind: "snapshotEnd", rowCount: 2 },
      ],
    ],
    ["entries before the end of the snapshot", [snapshot, begin()]],
    ["an end without a stream", [newLeader()]],
    ["an end of another epoch", [begin(), newLeader(endOf(log), 6)]],
    ["an end beyond the stream", [begin(), newLeader(positionOf(next))]],
    ["ZOOKEEPER-4925: a hole", [begin(), history(batchAfter(endOf(log), 2, 2))]],
    ["history after its end", [begin(), newLeader(), history(next)]],
    ["a second end", [begin(), newLeader(), newLeader()]],
    ["a proposal", [{ kind: "proposal", batch: next }]],
    ["a commit", [{ kind: "commit", txnid: next.last }]],
  ];
  test.each(cases)("%s ends the conversation", (_what, messages) => {
    const { machine, receive } = readyForHistory();
    expect(receive(...messages).slice(-1)).toEqual(order);
    // Nothing is believed any more.
    expect(machine.step({ kind: "currentEpochPersisted" })).toEqual([]);
  });

  test.each<PeerMsg>([begin(), snapshot, { kind: "truncate", after: endOf(log) }])(
    "$kind before the promise is durable and acknowledged ends it, too",
    (message) => {
      const { machine, receive } = machineOf();
      machine.step({ kind: "started" });
      receive({ kind: "leaderInfo", epoch: epoch(5) });
      expect(receive(message)).toEqual(order);
    },
  );
});
