import { describe, expect, test } from "vitest";
import {
  CHAIN_ZERO,
  InvariantError,
  LOG_START,
  makeTxnid,
  positionOf,
  toEpoch,
  toNodeId,
  TXNID_ZERO,
  type Txnid,
} from "@quorate/protocol";
import type { StoreContext } from "./durable-store.js";
import { History, IDENTITY_A, NODE_1 } from "../store-driver.js";

export function logCases(context: StoreContext): void {
  describe("writes", () => {
    test("a new directory is empty, has an identity and reports no damage", async () => {
      const { store } = await context.open();
      expect(store.recovered).toMatchObject({
        acceptedEpoch: { epoch: 0, leader: 0 },
        currentEpoch: 0,
        logStart: LOG_START,
        lastLogged: LOG_START,
        commitMark: TXNID_ZERO,
        checkpoint: null,
        damage: null,
      });
      expect(store.recovered.identity).toMatch(/^[0-9a-f]{32}$/);
      expect(store.recovered.members.size).toBe(0);
    });

    test("tickets rise and are answered in order, never synchronously", async () => {
      const driver = await context.open();
      const history = new History();
      const tickets: number[] = [];
      for (let i = 0; i < 5; i += 1)
        tickets.push(driver.store.append([history.next()], TXNID_ZERO));
      tickets.push(driver.store.setCurrentEpoch(toEpoch(1)));
      expect(tickets).toEqual([...tickets].sort((a, b) => a - b));
      expect(new Set(tickets).size).toBe(tickets.length);
      expect(driver.answers).toEqual([]);
      await driver.until(tickets[5] ?? 0);
      const answered = driver.answers.map(({ upTo }) => upTo);
      expect(answered).toEqual([...answered].sort((a, b) => a - b));
      expect(driver.answers.at(-1)?.lastLogged).toEqual(history.end);
    });

    test("an answer covers exactly the log that it names (Invariant 4)", async () => {
      const driver = await context.open();
      const history = new History();
      const ends = new Map<number, unknown>();
      for (let i = 0; i < 20; i += 1) {
        ends.set(driver.store.append([history.next()], TXNID_ZERO), history.end);
        if (i % 3 === 0) await driver.until(i + 1 - (i % 2));
      }
      await driver.until(Math.max(...ends.keys()));
      for (const { upTo, lastLogged } of driver.answers) expect(lastLogged).toEqual(ends.get(upTo));
    });

    test("ZOOKEEPER-4925: a batch that does not continue the log is refused", async () => {
      const driver = await context.open();
      const history = new History();
      await driver.log([history.next()]);
      history.next();
      const gap = history.next();
      expect(() => driver.store.append([gap], TXNID_ZERO)).toThrow(InvariantError);
      const other = new History({ txnid: positionOf(gap).txnid, chain: CHAIN_ZERO });
      expect(() => driver.store.append([other.next()], TXNID_ZERO)).toThrow(InvariantError);
    });

    test("a commit mark above the log is refused", async () => {
      const driver = await context.open();
      const batch = new History().next();
      expect(() => driver.store.append([batch], makeTxnid(1, 2))).toThrow(InvariantError);
    });

    test("all of it is there after a reopen, in one identity", async () => {
      const first = await context.open();
      const history = new History();
      await first.log(history.many(3, 4), history.batches[1]?.last ?? TXNID_ZERO);
      first.store.setAcceptedEpoch({ epoch: toEpoch(9), leader: toNodeId(3) });
      first.store.setCurrentEpoch(toEpoch(8));
      await first.until(first.store.setIdentityTable(new Map([[NODE_1, IDENTITY_A]])));
      await first.store.close();
      const { store } = await context.open();
      expect(store.recovered).toEqual({
        identity: first.store.recovered.identity,
        acceptedEpoch: { epoch: 9, leader: 3 },
        currentEpoch: 8,
        logStart: LOG_START,
        lastLogged: history.end,
        commitMark: history.batches[1]?.last,
        checkpoint: null,
        members: new Map([[NODE_1, IDENTITY_A]]),
        damage: null,
      });
      const read = await store.readBatches(TXNID_ZERO, history.end.txnid, 1e6);
      expect(read).toEqual(history.batches);
    });

    test("F16: what was answered survives a crash; what was not may be there or not", async () => {
      const first = await context.open();
      const history = new History();
      await first.log(history.many(3));
      const answered = history.end;
      for (let i = 0; i < 3; i += 1) first.store.append([history.next()], answered.txnid);
      await context.harness.crash();
      const { store } = await context.open();
      expect(store.recovered.damage).toBeNull();
      const boundaries = history.batches.slice(2).map(positionOf);
      expect(boundaries).toContainEqual(store.recovered.lastLogged);
      expect(store.recovered.identity).toBe(first.store.recovered.identity);
    });

    test("Invariant 1: a promise is the pair, is made once, and epochs never go back", async () => {
      const { store } = await context.open();
      store.setAcceptedEpoch({ epoch: toEpoch(5), leader: toNodeId(1) });
      store.setCurrentEpoch(toEpoch(5));
      const write = (epoch: number, leader: number) => () =>
        store.setAcceptedEpoch({ epoch: toEpoch(epoch), leader: toNodeId(leader) });
      expect(write(4, 1)).toThrow(InvariantError);
      expect(write(5, 2)).toThrow(InvariantError);
      expect(() => store.setCurrentEpoch(toEpoch(4))).toThrow(InvariantError);
    });

    test("a close answers what is open, twice the same, and frees the directory (F21)", async () => {
      const driver = await context.open();
      await expect(context.harness.open()).rejects.toMatchObject({ code: "ERR_STORE_LOCKED" });
      const ticket = driver.store.append([new History().next()], TXNID_ZERO);
      await Promise.all([driver.store.close(), driver.store.close()]);
      expect(driver.persisted).toBe(ticket);
      const again = await context.open();
      expect(again.store.recovered.lastLogged.txnid).toBe(makeTxnid(1, 1));
    });

    test("after a close reads are refused with ERR_STORE_CLOSED", async () => {
      const { store } = await context.open();
      await store.close();
      await expect(store.findPosition(TXNID_ZERO)).rejects.toMatchObject({
        code: "ERR_STORE_CLOSED",
      });
      await expect(store.readBatches(TXNID_ZERO, TXNID_ZERO, 1)).rejects.toMatchObject({
        code: "ERR_STORE_CLOSED",
      });
    });
  });

  readCases(context);
  truncationCases(context);
}

function readCases(context: StoreContext): void {
  describe("reads of the log", () => {
    test("a position is the greatest boundary at or below, across epochs (G6)", async () => {
      const driver = await context.open();
      const history = new History();
      history.next(3);
      history.next(2);
      history.next(4, 10, 10);
      history.next(1, 10, 0x8000_0001);
      await driver.log(history.batches);
      const ends = history.batches.map(positionOf);
      const find = (txnid: Txnid) => driver.store.findPosition(txnid);
      expect(await find(TXNID_ZERO)).toEqual(LOG_START);
      expect(await find(makeTxnid(1, 2))).toEqual(LOG_START);
      expect(await find(makeTxnid(1, 3))).toEqual(ends[0]);
      expect(await find(makeTxnid(1, 4))).toEqual(ends[0]);
      expect(await find(makeTxnid(9, 7))).toEqual(ends[1]);
      expect(await find(makeTxnid(10, 0))).toEqual(ends[1]);
      expect(await find(makeTxnid(10, 4))).toEqual(ends[2]);
      expect(await find(makeTxnid(0xffff_ffff, 4))).toEqual(ends[3]);
      const read = await driver.store.readBatches(makeTxnid(1, 5), history.end.txnid, 1e6);
      expect(read).toEqual(history.batches.slice(2));
    });

    test("G23: a position sees appends and truncations that are still on their way", async () => {
      const driver = await context.open();
      const history = new History();
      await driver.log(history.many(2), TXNID_ZERO);
      const cut = positionOf(history.batches[0] ?? history.next());
      driver.store.append([history.next()], TXNID_ZERO);
      expect(await driver.store.findPosition(history.end.txnid)).toEqual(history.end);
      driver.store.append([history.next()], TXNID_ZERO);
      const appended = driver.store.findPosition(history.end.txnid);
      driver.store.truncateAfter(cut);
      const truncated = driver.store.findPosition(history.end.txnid);
      const other = new History(cut);
      driver.store.append([other.next(2)], TXNID_ZERO);
      const replaced = driver.store.findPosition(history.end.txnid);
      expect(await appended).toEqual(history.end);
      expect(await truncated).toEqual(cut);
      expect(await replaced).toEqual(other.end);
    });

    test("a read waits until its end is durable and then returns those bytes", async () => {
      const driver = await context.open();
      const history = new History();
      driver.store.append(history.many(3), TXNID_ZERO);
      const read = await driver.store.readBatches(TXNID_ZERO, history.end.txnid, 1e6);
      expect(read).toEqual(history.batches);
      expect(driver.persisted).toBeGreaterThan(0);
    });

    test("a read gives at least one batch and about the bytes asked for", async () => {
      const driver = await context.open();
      const history = new History();
      await driver.log(history.many(10));
      const size = history.batches[0]?.bytes.length ?? 0;
      const read = (bytesMax: number) =>
        driver.store.readBatches(TXNID_ZERO, history.end.txnid, bytesMax);
      expect(await read(1)).toHaveLength(1);
      expect((await read(size * 3)).length).toBeGreaterThanOrEqual(3);
      expect((await read(size * 3)).length).toBeLessThanOrEqual(4);
      const upTo = history.batches[4]?.last ?? TXNID_ZERO;
      const after = history.batches[2]?.last ?? TXNID_ZERO;
      expect(await driver.store.readBatches(after, upTo, 1e6)).toEqual(history.batches.slice(3, 5));
      expect(await driver.store.readBatches(upTo, upTo, 1e6)).toEqual([]);
    });
  });
}

function truncationCases(context: StoreContext): void {
  describe("truncation (G2)", () => {
    test("removes the entries above, and the log goes on from there", async () => {
      const driver = await context.open();
      const history = new History();
      await driver.log(history.many(4), history.batches[1]?.last ?? TXNID_ZERO);
      const cut = positionOf(history.batches[1] ?? history.next());
      await driver.until(driver.store.truncateAfter(cut));
      expect(driver.answers.at(-1)?.lastLogged).toEqual(cut);
      const other = new History(cut);
      await driver.log([other.next(3, 100, 7)], cut.txnid);
      await driver.store.close();
      const { store } = await context.open();
      expect(store.recovered).toMatchObject({ lastLogged: other.end, damage: null });
      const read = await store.readBatches(TXNID_ZERO, other.end.txnid, 1e6);
      expect(read).toEqual([...history.batches.slice(0, 2), ...other.batches]);
    });

    test("a crash around it leaves the old end or the new one, undamaged", async () => {
      const driver = await context.open();
      const history = new History();
      await driver.log(history.many(4), TXNID_ZERO);
      const cut = positionOf(history.batches[1] ?? history.next());
      driver.store.truncateAfter(cut);
      await context.harness.crash();
      const { store } = await context.open();
      expect([cut, history.end]).toContainEqual(store.recovered.lastLogged);
      expect(store.recovered.damage).toBeNull();
    });

    test("spares what is committed", async () => {
      const driver = await context.open();
      const history = new History();
      await driver.log(history.many(2));
      expect(() =>
        driver.store.truncateAfter(positionOf(history.batches[0] ?? history.next())),
      ).toThrow(InvariantError);
    });
  });
}
