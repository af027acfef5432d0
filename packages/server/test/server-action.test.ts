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

  const action = await settle(
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
  expect(action.getCommittedPosition().txnid).toBe(admission.last);
  expect(action.getStanding()).toBe("member");
});
