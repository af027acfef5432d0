import {
  BatchBuilder,
  LOG_START,
  majorityQuorum,
  makeTxnid,
  OpCode,
  positionOf,
  silentLogger,
  toIdentity,
  type DurableStore,
  type EntryBatch,
  type IdentityTable,
  type LogPosition,
} from "@quorate/protocol";
import { MemoryDisk, openMemoryStore } from "@quorate/testkit";
import { ZnodeMachine } from "@quorate/znode";
import { expect, test } from "vitest";
import { encodeIdentities } from "../src/identity-record.js";
import { RequestManager } from "../src/request-manager.js";
import { ServerAction } from "../src/server-action.js";
import { id, seededRandom, testHash, VirtualClock } from "./support.js";

const clock = new VirtualClock();
const random = seededRandom(1);

async function settle<T>(promise: Promise<T>): Promise<T> {
  let isDone = false;
  promise.then(
    () => (isDone = true),
    () => (isDone = true),
  );
  await clock.until(() => isDone);
  return promise;
}

const open = (disk: MemoryDisk): Promise<DurableStore> =>
  settle(openMemoryStore(disk, { clock, random, chainHash: testHash, latencyMs: () => 1 }));

function record(after: LogPosition, counter: number, op: number, who: IdentityTable): EntryBatch {
  const builder = new BatchBuilder(testHash);
  builder.add(1, 0n, op, "", encodeIdentities(who));
  return builder.finish(makeTxnid(1, counter), after);
}

async function openAction(disk: MemoryDisk): Promise<ServerAction> {
  return settle(
    ServerAction.open(
      {
        nodeId: id(1),
        quorum: majorityQuorum([id(1)]),
        trustEmpty: false,
        checkpointBytes: 1 << 20,
      },
      {
        store: await open(disk),
        stateMachine: new ZnodeMachine(),
        requests: new RequestManager({ clock, random }),
        clock,
        logger: silentLogger,
      },
    ),
  );
}

test("G27: an admission above an installed snapshot outlives a crash before its table", async () => {
  const disk = new MemoryDisk();
  const store = await open(disk);
  const own = store.recovered.identity;
  let persisted = 0;
  store.attach({
    onPersisted: (upTo) => (persisted = upTo),
    onFailed: (error) => expect.fail(error.message),
  });
  const founders = new Map([[id(1), toIdentity("f".repeat(32))]]);
  const founding = record(LOG_START, 1, OpCode.foundEnsemble, founders);
  const admission = record(positionOf(founding), 2, OpCode.admitVoter, new Map([[id(1), own]]));
  // What this node has known to be committed already, before a snapshot from below it came.
  store.append([founding, admission], admission.last);
  store.setIdentityTable(new Map([[id(1), own]]));
  const members = [...founders];
  const digest = new ZnodeMachine().digest();
  const staged = store.stageSnapshot({ position: positionOf(founding), digest, members });
  staged.append([admission]);
  const installed = store.installSnapshot(staged);
  await clock.until(() => persisted >= installed);
  disk.crash();

  const action = await openAction(disk);
  expect(action.getCommittedPosition().txnid).toBe(admission.last);
  expect(action.getStanding()).toBe("member");
});

test("G27: a history that is gone through again in steps does not bring an old table back", async () => {
  const disk = new MemoryDisk();
  const store = await open(disk);
  const named = (digit: string): IdentityTable => new Map([[id(1), toIdentity(digit.repeat(32))]]);
  const [first, second, third, fourth] = [named("a"), named("b"), named("c"), named("d")];
  const founding = record(LOG_START, 1, OpCode.foundEnsemble, first);
  const replaced = record(positionOf(founding), 2, OpCode.admitVoter, second);
  const newest = record(positionOf(replaced), 3, OpCode.admitVoter, third);
  let persisted = 0;
  store.attach({
    onPersisted: (upTo) => (persisted = upTo),
    onFailed: (error) => expect.fail(error.message),
  });
  // Its mark was persisted lazily, its table at once.
  store.append([founding, replaced, newest], founding.last);
  const ticket = store.setIdentityTable(third);
  await clock.until(() => persisted >= ticket);
  disk.crash();

  const action = await openAction(disk);
  expect(action.getCommittedPosition()).toEqual(positionOf(founding));
  expect(action.getIdentityTable()).toEqual(third);
  action.commit(replaced.last);
  expect(action.getIdentityTable()).toEqual(third);
  action.commit(newest.last);
  expect(action.getIdentityTable()).toEqual(third);
  // From here on records are news again.
  const next = record(positionOf(newest), 4, OpCode.admitVoter, fourth);
  action.logAndCommit(next, next.last);
  expect(action.getIdentityTable()).toEqual(fourth);
});
