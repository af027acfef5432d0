import { describe, expect, test } from "vitest";
import {
  makeTxnid,
  toNodeId,
  TXNID_ZERO,
  type Clock,
  type DurableStore,
  type Random,
  type Txnid,
} from "@quorate/protocol";
import { durableStoreCompliance, RETAINED_TAIL_BYTES, testHash } from "../src/compliance/index.js";
import { History, row, snapshotInfo, StoreDriver } from "../src/store-driver.js";
import { MemoryDisk, openMemoryStore } from "../src/index.js";

const realClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  setTimer: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return { cancel: () => clearTimeout(timer) };
  },
  defer: (callback) => void setImmediate(callback),
};

function seededRandom(seed: number): Random {
  let state = BigInt(seed) * 0x9e37_79b9_7f4a_7c15n + 1n;
  const nextUint64 = (): bigint => {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
    return state ^ (state >> 29n);
  };
  return { nextUint64, next: () => Number(nextUint64() >> 11n) / 2 ** 53 };
}

function fixture(seed = 1, latencyMs: () => number = () => 1) {
  const disk = new MemoryDisk();
  const random = seededRandom(seed);
  const open = (): Promise<DurableStore> =>
    openMemoryStore(disk, {
      clock: realClock,
      random,
      chainHash: testHash,
      latencyMs,
      diskTimeoutMs: 50,
      retainedTailBytes: RETAINED_TAIL_BYTES,
    });
  return { disk, open, driver: async () => new StoreDriver(await open()) };
}

let seed = 0;
durableStoreCompliance("the memory store", () => {
  seed += 1;
  const { disk, open } = fixture(seed);
  return Promise.resolve({
    open,
    crash: () => Promise.resolve(disk.crash()),
    dispose: () => Promise.resolve(disk.crash()),
  });
});

describe("a memory disk", () => {
  test("joins what waits into one transaction", async () => {
    const { disk, driver } = fixture();
    const { store, until } = await bound(driver);
    const history = new History();
    const before = disk.commitCount;
    let ticket = 0;
    for (let i = 0; i < 10; i += 1) ticket = store.append([history.next()], TXNID_ZERO);
    await until(ticket);
    expect(disk.commitCount).toBe(before + 1);
  });

  test("ZOOKEEPER-4882, F29: a full disk rolls back all that is open and says so once", async () => {
    const { disk, driver } = fixture();
    const first = await driver();
    const history = new History();
    await first.log([history.next()]);
    const kept = history.end;
    disk.failNextCommit("full");
    const ticket = first.store.append([history.next()], TXNID_ZERO);
    await expect(first.until(ticket)).rejects.toMatchObject({ code: "ERR_STORE_FULL" });
    first.store.append([history.next()], TXNID_ZERO);
    expect(first.failures).toHaveLength(1);
    await first.store.close();
    const again = await driver();
    expect(again.store.recovered).toMatchObject({ lastLogged: kept, damage: null });
  });

  test("G32, F28: after a failed sync the transaction is there as a whole or not at all", async () => {
    const ends = new Set<Txnid>();
    for (let i = 1; i <= 20; i += 1) {
      const { disk, driver } = fixture(i);
      const first = await driver();
      const history = new History();
      disk.failNextCommit("io");
      const ticket = first.store.append(history.many(2), TXNID_ZERO);
      await expect(first.until(ticket)).rejects.toMatchObject({ code: "ERR_STORE_IO" });
      disk.crash();
      const { recovered } = (await driver()).store;
      expect(recovered.damage).toBeNull();
      ends.add(recovered.lastLogged.txnid);
    }
    expect(ends).toEqual(new Set([TXNID_ZERO, makeTxnid(1, 2)]));
  });

  test("G31, F25: a lost tail of durable transactions is damage and another identity", async () => {
    for (const commits of [1, 3]) {
      const { disk, driver } = fixture();
      const first = await driver();
      const history = new History();
      for (let i = 0; i < 6; i += 1) await first.log([history.next()]);
      await first.store.close();
      disk.damage({ kind: "lostTail", commits });
      const again = await driver();
      const { recovered } = again.store;
      expect(recovered.damage).toMatch(/high-water/);
      expect(recovered.identity).not.toBe(first.store.recovered.identity);
      expect(recovered.lastLogged.txnid).toBe(makeTxnid(1, 6 - commits));
      await again.store.close();
      // Until the ensemble has re-admitted the new identity it is said at every open.
      const third = await driver();
      expect(third.store.recovered).toEqual(recovered);
      const members = new Map([[toNodeId(1), recovered.identity]]);
      await third.until(third.store.setIdentityTable(members));
      await third.store.close();
      expect((await driver()).store.recovered).toMatchObject({ damage: null, members });
    }
  });

  test("F25: a flipped batch cuts the log there, or empties it below a checkpoint", async () => {
    const { disk, driver } = fixture();
    const first = await driver();
    const history = new History();
    await first.log(history.many(3));
    await first.checkpoint(snapshotInfo(history.end), [row("a", "1")]);
    const base = history.end;
    await first.log(history.many(3));
    await first.store.close();
    disk.damage({ kind: "flippedBatch", txnid: makeTxnid(1, 5) });
    const second = await driver();
    expect(second.store.recovered.damage).toMatch(/unreadable/);
    expect(second.store.recovered.lastLogged.txnid).toBe(makeTxnid(1, 4));
    await second.store.close();
    disk.damage({ kind: "flippedBatch", txnid: makeTxnid(1, 2) });
    const third = await driver();
    expect(third.store.recovered).toMatchObject({ logStart: base, lastLogged: base });
    expect(third.store.recovered.damage).toMatch(/unreadable/);
  });

  test("F32: a wiped disk is a new directory", async () => {
    const { disk, driver } = fixture();
    const first = await driver();
    await first.log([new History().next()]);
    disk.crash();
    disk.wipe();
    const { recovered } = (await driver()).store;
    expect(recovered).toMatchObject({ damage: null, lastLogged: { txnid: TXNID_ZERO } });
    expect(recovered.identity).not.toBe(first.store.recovered.identity);
  });

  test("F31: a close gives up on a disk that does not answer in time", async () => {
    let latency = 1;
    const { open } = fixture(1, () => latency);
    const driver = new StoreDriver(await open());
    latency = 1e6;
    const writer = driver.store.append([new History().next()], TXNID_ZERO);
    expect(writer).toBe(1);
    await driver.store.close();
    expect(driver.answers).toEqual([]);
    latency = 1;
    await expect(open()).resolves.toBeDefined();
  });
});

async function bound(driver: () => Promise<StoreDriver>) {
  const made = await driver();
  return { store: made.store, until: (ticket: number) => made.until(ticket) };
}
