import {
  LAZY_APPEND_BYTES_MAX,
  LAZY_APPEND_MS,
  makeTxnid,
  TXNID_ZERO,
  type Clock,
  type DurableStore,
  type Ticket,
} from "@quorate/protocol";
import { History, MemoryDisk, openMemoryStore, testHash } from "@quorate/testkit";
import { durableStoreCompliance, RETAINED_TAIL_BYTES } from "@quorate/testkit/compliance";
import { describe, expect, test } from "vitest";
import { LazyStore } from "../src/lazy-store.js";
import { seededRandom, VirtualClock } from "./support.js";

const diskTimeoutMs = 5000;
const realClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  setTimer: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return { cancel: () => clearTimeout(timer) };
  },
  defer: (callback) => void setImmediate(callback),
};

let seed = 0;
durableStoreCompliance("a lazy store over the memory store", () => {
  seed += 1;
  const disk = new MemoryDisk();
  const random = seededRandom(seed);
  return Promise.resolve({
    open: async () =>
      new LazyStore(
        await openMemoryStore(disk, {
          clock: realClock,
          random,
          chainHash: testHash,
          latencyMs: () => 1,
          diskTimeoutMs: 50,
          retainedTailBytes: RETAINED_TAIL_BYTES,
        }),
        { clock: realClock, diskTimeoutMs },
      ),
    crash: () => Promise.resolve(disk.crash()),
    dispose: () => Promise.resolve(disk.crash()),
  });
});

async function opened() {
  const clock = new VirtualClock();
  const disk = new MemoryDisk();
  const open = async (): Promise<DurableStore> => {
    const opening = openMemoryStore(disk, {
      clock,
      random: seededRandom(1),
      chainHash: testHash,
      latencyMs: () => 1,
    });
    let store: DurableStore | null = null;
    void opening.then((found) => (store = found));
    await clock.until(() => store !== null);
    return opening;
  };
  const inner = await open();
  let appends = 0;
  const counted = new Proxy(inner, {
    get(target, name) {
      if (name === "append") appends += 1;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
  const store = new LazyStore(counted, { clock, diskTimeoutMs });
  const persisted: Ticket[] = [];
  store.attach({
    onPersisted: (upTo) => void persisted.push(upTo),
    onFailed: (error) => expect.fail(error.message),
  });
  return { clock, disk, open, store, persisted, appends: () => appends };
}

describe("lazy appends", () => {
  test("are one write within a second, and answered together", async () => {
    const { clock, store, persisted, appends } = await opened();
    const history = new History();
    const tickets: Ticket[] = [];
    for (let i = 1; i <= 50; i += 1) {
      tickets.push(store.appendLazily([history.next()], TXNID_ZERO));
    }
    await clock.pass(LAZY_APPEND_MS - 1);
    expect([appends(), persisted]).toEqual([0, []]);
    await clock.until(() => persisted.length > 0, 10);
    expect([appends(), persisted]).toEqual([1, [tickets.at(-1)]]);
  });

  test("are written at once when they are many bytes", async () => {
    const { store, appends } = await opened();
    const history = new History();
    store.appendLazily([history.next(1, LAZY_APPEND_BYTES_MAX / 2)], TXNID_ZERO);
    expect(appends()).toBe(0);
    store.appendLazily([history.next(1, LAZY_APPEND_BYTES_MAX / 2)], TXNID_ZERO);
    expect(appends()).toBe(1);
  });

  test("keep their place before any other write, and are seen by every read", async () => {
    const { clock, store, persisted } = await opened();
    const history = new History();
    const lazy = store.appendLazily([history.next()], TXNID_ZERO);
    const eager = store.append([history.next()], TXNID_ZERO);
    expect(eager).toBeGreaterThan(lazy);
    await clock.until(() => persisted.at(-1) === eager, 10);
    const last = history.next();
    store.appendLazily([last], TXNID_ZERO);
    const reading = store.readBatches(makeTxnid(1, 2), makeTxnid(1, 3), 1000);
    let count = 0;
    void reading.then((batches) => (count = batches.length));
    await clock.until(() => count === 1, 10);
  });

  test("cost a crash no more than what was gathered, and an orderly end nothing", async () => {
    const { clock, disk, open, store, persisted } = await opened();
    const history = new History();
    store.append([history.next()], TXNID_ZERO);
    await clock.until(() => persisted.length === 1);
    store.appendLazily([history.next()], TXNID_ZERO);
    disk.crash();
    const again = await open();
    expect([again.recovered.lastLogged.txnid, again.recovered.damage]).toEqual([
      makeTxnid(1, 1),
      null,
    ]);
    const lazy = new LazyStore(again, { clock, diskTimeoutMs });
    lazy.attach({ onPersisted: () => undefined, onFailed: (error) => expect.fail(error.message) });
    const rest = new History(again.recovered.lastLogged);
    lazy.appendLazily([rest.next()], TXNID_ZERO);
    let isClosed = false;
    void lazy.close().then(() => (isClosed = true));
    await clock.until(() => isClosed);
    expect((await open()).recovered.lastLogged.txnid).toBe(makeTxnid(1, 2));
  });
});
