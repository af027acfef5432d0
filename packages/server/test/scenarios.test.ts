import {
  BatchBuilder,
  DEFAULT_TIMINGS,
  LOG_START,
  makeTxnid,
  positionOf,
  TXNID_ZERO,
  type EntryBatch,
  type LogEntryMsg,
  type LogPosition,
} from "@quorate/protocol";
import { MemoryDisk, openMemoryStore } from "@quorate/testkit";
import { ZnodeMachine, ZnodeOp } from "@quorate/znode";
import { describe, expect, test } from "vitest";
import { Replica } from "../src/replica.js";
import { createOf, Ensemble, READ, seededRandom, testHash, VirtualClock } from "./support.js";

const create = createOf(new Uint8Array([1]));
const builder = new BatchBuilder(testHash);

/** What a leader would have prepared: the tree's own transaction, in a batch of one. */
function batchOf(machine: ZnodeMachine, path: string, end: LogPosition): EntryBatch {
  const first = makeTxnid(1, Number(end.txnid & 0xffff_ffffn) + 1);
  const prepared = machine.prepare(ZnodeOp.create, path, create, { txnid: first, wallTimeMs: 1 });
  if (!prepared.ok) throw new Error(prepared.message);
  builder.add(1, 1n, prepared.op, prepared.key, prepared.content);
  return builder.finish(first, end);
}

function replicaOf(): { replica: Replica; applied: LogEntryMsg[]; stateMachine: ZnodeMachine } {
  const applied: LogEntryMsg[] = [];
  const stateMachine = new ZnodeMachine();
  const replica = new Replica({
    stateMachine,
    onApplied: (entry) => void applied.push(entry),
    onFounded: () => undefined,
    onAdmitted: () => undefined,
  });
  return { replica, applied, stateMachine };
}

/** A store that holds three entries of which the first two are known to be committed. */
async function storeOfThree(clock: VirtualClock, disk: MemoryDisk): Promise<EntryBatch[]> {
  const open = (): ReturnType<typeof openMemoryStore> =>
    openMemoryStore(disk, {
      clock,
      random: seededRandom(1),
      chainHash: testHash,
      latencyMs: () => 1,
    });
  const store = await settle(clock, open());
  const preparing = new ZnodeMachine();
  const batches: EntryBatch[] = [];
  let end: LogPosition = LOG_START;
  for (const path of ["/a", "/b", "/c"]) {
    const batch = batchOf(preparing, path, end);
    batches.push(batch);
    end = positionOf(batch);
  }
  let persisted = TXNID_ZERO;
  store.attach({
    onPersisted: (_ticket, lastLogged) => (persisted = lastLogged.txnid),
    onFailed: (error) => {
      throw error;
    },
  });
  store.append(batches.slice(0, 2), TXNID_ZERO);
  store.append(batches.slice(2), batches[1]?.last ?? TXNID_ZERO);
  await clock.until(() => persisted === end.txnid);
  await settle(clock, store.close());
  return batches;
}

async function settle<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  let isDone = false;
  const done = (): void => void (isDone = true);
  promise.then(done, done);
  await clock.until(() => isDone);
  return promise;
}

async function reopened(clock: VirtualClock, disk: MemoryDisk) {
  const options = { clock, random: seededRandom(2), chainHash: testHash, latencyMs: () => 1 };
  return settle(clock, openMemoryStore(disk, options));
}

describe("the node's memory", () => {
  test("ZOOKEEPER-2845: after a restart it is the log up to the mark, the tail waits", async () => {
    const clock = new VirtualClock();
    const disk = new MemoryDisk();
    const [, second, third] = await storeOfThree(clock, disk);
    if (second === undefined || third === undefined) throw new Error("three batches");
    const store = await reopened(clock, disk);
    const { recovered } = store;
    const { replica, applied } = replicaOf();
    const load = replica.load(store, null, recovered.lastLogged, recovered.commitMark);
    await settle(clock, load);
    expect(applied.map(({ key }) => key)).toEqual(["/a", "/b"]);
    expect(replica.applied).toEqual(positionOf(second));
    expect(replica.logEnd).toEqual(positionOf(third));
    // The next leader lacks the tail: it goes without having been seen by anybody.
    replica.truncateAfter(positionOf(second));
    replica.commit(second.last);
    expect(applied).toHaveLength(2);
    expect(() => {
      replica.commit(third.last);
    }).toThrow(/only what is logged/);
  });

  test("G5: whatever mark it starts from, each entry is applied once and none is left out", async () => {
    const clock = new VirtualClock();
    const disk = new MemoryDisk();
    const batches = await storeOfThree(clock, disk);
    const store = await reopened(clock, disk);
    const digests = new Set<bigint>();
    for (const mark of [TXNID_ZERO, ...batches.map(({ last }) => last)]) {
      const { replica, applied, stateMachine } = replicaOf();
      await settle(clock, replica.load(store, null, store.recovered.lastLogged, mark));
      for (const { last } of batches) replica.commit(last);
      replica.commit(batches[0]?.last ?? TXNID_ZERO);
      expect(applied.map(({ key }) => key)).toEqual(["/a", "/b", "/c"]);
      digests.add(stateMachine.digest());
    }
    expect(digests.size).toBe(1);
  });
});

describe("an ensemble", () => {
  test("G3: a tail that no quorum has is gone after the return, on every node", async () => {
    const ensemble = new Ensemble(3);
    await ensemble.start(1, 2, 3);
    await ensemble.clock.until(() => ensemble.allReady());
    const first = ensemble.leader;
    if (first === undefined) throw new Error("nobody leads");
    const leaderId = first.status().id;
    // The others' disks answer no more: what is proposed now reaches the leader's disk alone.
    for (const other of ensemble.voters) {
      if (other !== leaderId) ensemble.disk(other).failNextCommit("full");
    }
    const phantom = first.submit(ZnodeOp.create, "/phantom", create);
    await expect(ensemble.settle(phantom)).rejects.toMatchObject({
      code: "ERR_CLIENT_OUTCOME_UNKNOWN",
    });
    await ensemble.clock.until(() => ensemble.allReady() && ensemble.leader !== undefined);
    await ensemble.settle(ensemble.server(1).submit(ZnodeOp.create, "/next", create));
    const mark = ensemble.leader?.status().lastCommitted ?? TXNID_ZERO;
    const all = [...ensemble.servers.values()];
    await ensemble.clock.until(() => all.every((one) => one.status().lastApplied >= mark));
    const digests = new Set(all.map((one) => one.status().digest));
    expect(digests.size).toBe(1);
    const seen = new Set<string>();
    for (const one of all) {
      const read = one.read(ZnodeOp.exists, "/phantom", READ);
      await ensemble.settle(read).then(
        () => seen.add("present"),
        () => seen.add("absent"),
      );
    }
    // It may have been committed as initial history or truncated, but everywhere alike.
    expect(seen.size).toBe(1);
  });

  test("G9: broadcast entries are logged and synchronised like any other", async () => {
    const ensemble = new Ensemble(3);
    await ensemble.start(1, 2, 3);
    await ensemble.clock.until(() => ensemble.allReady());
    await ensemble.settle(ensemble.server(3).stop());
    ensemble.servers.delete(ensemble.server(3).status().id);
    await ensemble.clock.until(() => ensemble.leader !== undefined);
    const content = new Uint8Array([7]);
    for (let i = 0; i < 3; i += 1) {
      await ensemble.settle(ensemble.server(1).submit(ZnodeOp.broadcast, "news", content));
    }
    const { txnid } = await ensemble.settle(
      ensemble.server(2).submit(ZnodeOp.create, "/after", create),
    );
    await ensemble.start(3);
    const late = ensemble.server(3);
    await ensemble.clock.until(() => late.status().ready && late.status().lastApplied >= txnid);
    expect(late.status().digest).toBe(ensemble.server(1).status().digest);
  });

  test("G11: followers that come and go again and again do not stop the leader", async () => {
    const ensemble = new Ensemble(5);
    await ensemble.start(1, 2, 3, 4, 5);
    await ensemble.clock.until(() => ensemble.allReady());
    const leader = ensemble.leader;
    if (leader === undefined) throw new Error("nobody leads");
    const comer = ensemble.voters.find((one) => one !== leader.status().id) ?? 1;
    for (let i = 0; i < 40; i += 1) {
      await ensemble.settle(ensemble.server(comer).stop());
      ensemble.servers.delete(ensemble.server(comer).status().id);
      await ensemble.start(comer);
      await ensemble.clock.until(() => ensemble.server(comer).status().ready);
    }
    expect(ensemble.leader).toBe(leader);
    await ensemble.settle(leader.submit(ZnodeOp.create, "/still", create));
  });

  test("G17: a leader that falls silent is given up within the follower's timeout", async () => {
    const ensemble = new Ensemble(3);
    await ensemble.start(1, 2, 3);
    await ensemble.clock.until(() => ensemble.allReady());
    const everyone = [...ensemble.servers.values()];
    await ensemble.clock.until(() => everyone.every((one) => one.status().standing === "member"));
    const old = ensemble.leader;
    if (old === undefined) throw new Error("nobody leads");
    const rest = [...ensemble.servers.values()].filter((one) => one !== old);
    ensemble.network.silence(old.status().id);
    const before = ensemble.clock.now();
    await ensemble.clock.until(() =>
      rest.some((one) => one.status().role === "leading" && one.status().ready),
    );
    const { followerTimeoutMs, finalizeWaitMs, connectTimeoutMs } = DEFAULT_TIMINGS;
    const bound = followerTimeoutMs + finalizeWaitMs + connectTimeoutMs;
    expect(ensemble.clock.now() - before).toBeLessThan(bound);
  });
});
