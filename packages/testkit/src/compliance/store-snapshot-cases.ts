import { describe, expect, test } from "vitest";
import {
  InvariantError,
  makeTxnid,
  positionOf,
  toEpoch,
  TXNID_ZERO,
  type Chain,
  type LogPosition,
} from "@quorate/protocol";
import type { StoreContext } from "./durable-store.js";
import {
  History,
  IDENTITY_A,
  NODE_1,
  row,
  snapshotInfo,
  type StoreDriver,
  type StoreHarness,
} from "../store-driver.js";

const POSITION: LogPosition = { txnid: makeTxnid(4, 100), chain: 0xabcdn as Chain };
const OLD_ROWS = [["a", "old"]];
const NEW_ROWS = [
  ["b", "new"],
  ["c", "new"],
];

export function snapshotCases(context: StoreContext): void {
  describe("a staged snapshot (G26)", () => {
    test("replaces rows, log, marks and table in one switch, and the log goes on", async () => {
      const driver = await withOldState(context);
      const identity = driver.store.recovered.identity;
      const history = new History(POSITION);
      const staged = driver.store.stageSnapshot(snapshotInfo(POSITION, 5n));
      expect(staged.info).toEqual(snapshotInfo(POSITION, 5n));
      staged.writeRows([row("c", "new")]);
      staged.writeRows([row("b", "new")]);
      await driver.until(staged.append(history.many(2)));
      expect(await driver.checkpointRows()).toEqual(OLD_ROWS);
      expect(driver.answers.at(-1)?.lastLogged.txnid).toBe(makeTxnid(1, 3));
      const ticket = driver.store.installSnapshot(staged);
      expect(await driver.store.findPosition(makeTxnid(1, 3))).toBeNull();
      expect(await driver.store.findPosition(history.end.txnid)).toEqual(history.end);
      await driver.until(ticket);
      expect(driver.answers.at(-1)?.lastLogged).toEqual(history.end);
      expect(await driver.checkpointRows()).toEqual(NEW_ROWS);
      const old = driver.store.readBatches(TXNID_ZERO, history.end.txnid, 1e6);
      await expect(old).rejects.toMatchObject({ code: "ERR_STORE_COMPACTED" });
      await driver.log(history.many(2), POSITION.txnid);
      await driver.store.close();
      const again = await context.open();
      expect(again.store.recovered).toMatchObject({
        identity,
        logStart: POSITION,
        lastLogged: history.end,
        commitMark: POSITION.txnid,
        checkpoint: { position: POSITION, digest: 5n, members: [[NODE_1, IDENTITY_A]] },
        members: new Map([[NODE_1, IDENTITY_A]]),
        acceptedEpoch: { epoch: 4, leader: NODE_1 },
        damage: null,
      });
      expect(await again.checkpointRows()).toEqual(NEW_ROWS);
      const read = await again.store.readBatches(POSITION.txnid, history.end.txnid, 1e6);
      expect(read).toEqual(history.batches);
    });

    test("is dropped by a discard and by another stage; a crash forgets it", async () => {
      const driver = await withOldState(context);
      const first = driver.store.stageSnapshot(snapshotInfo(POSITION));
      first.writeRows([row("x", "first")]);
      const second = driver.store.stageSnapshot(snapshotInfo(POSITION));
      expect(() => driver.store.installSnapshot(first)).toThrow(InvariantError);
      second.writeRows([row("y", "second")]);
      await driver.until(driver.store.discardStaged(second));
      expect(() => driver.store.installSnapshot(second)).toThrow(InvariantError);
      const third = driver.store.stageSnapshot(snapshotInfo(POSITION));
      await driver.until(third.writeRows([row("z", "third")]));
      await context.harness.crash();
      const again = await context.open();
      expect(again.store.recovered.lastLogged.txnid).toBe(makeTxnid(1, 3));
      expect(await again.checkpointRows()).toEqual(OLD_ROWS);
      const fourth = again.store.stageSnapshot(snapshotInfo(POSITION));
      fourth.writeRows([row("b", "new"), row("c", "new")]);
      await again.until(again.store.installSnapshot(fourth));
      expect(await again.checkpointRows()).toEqual(NEW_ROWS);
    });

    test("its entries continue from its position", async () => {
      const driver = await withOldState(context);
      const staged = driver.store.stageSnapshot(snapshotInfo(POSITION));
      expect(() => staged.append([new History().next()])).toThrow(InvariantError);
    });

    test("an install ends a checkpoint of the state that it replaces", async () => {
      const driver = await withOldState(context);
      const at = driver.store.recovered.lastLogged;
      const position = at.txnid === TXNID_ZERO ? driver.answers.at(-1)?.lastLogged : at;
      if (position === undefined) throw new Error("something was logged");
      const writer = driver.store.beginCheckpoint(snapshotInfo(position), { full: false });
      await writer.write([row("a", "late")]);
      const staged = driver.store.stageSnapshot(snapshotInfo(POSITION));
      staged.writeRows([row("b", "new"), row("c", "new")]);
      await driver.until(driver.store.installSnapshot(staged));
      await expect(writer.finish()).rejects.toMatchObject({ code: "ERR_STORE_COMPACTED" });
      await writer.discard();
      expect(await driver.checkpointRows()).toEqual(NEW_ROWS);
    });

    for (let steps = 1; steps <= 6; steps += 1) {
      for (const waits of [false, true]) {
        const when = `${String(steps)} calls, the last one ${waits ? "answered" : "on its way"}`;
        test(`a crash after ${when}, leaves the old state or the new one`, async () => {
          await crashInInstall(context.harness, await withOldState(context), steps, waits);
          const again = await context.open();
          const { lastLogged, checkpoint, damage } = again.store.recovered;
          expect(damage).toBeNull();
          const isNew = checkpoint?.position.txnid === POSITION.txnid;
          if (steps < 5) expect(isNew).toBe(false);
          if (steps > 5 && waits) expect(isNew).toBe(true);
          expect(await again.checkpointRows()).toEqual(isNew ? NEW_ROWS : OLD_ROWS);
          const history = new History(POSITION);
          history.many(2);
          const news = history.end.txnid;
          if (isNew) expect([news, news + 1n]).toContain(lastLogged.txnid);
          else expect(lastLogged.txnid).toBe(makeTxnid(1, 3));
        });
      }
    }
  });
}

/** Three entries, a checkpoint of one row, a promise. */
async function withOldState(context: StoreContext): Promise<StoreDriver> {
  const driver = await context.open();
  const history = new History();
  await driver.log(history.many(3));
  driver.store.setAcceptedEpoch({ epoch: toEpoch(4), leader: NODE_1 });
  await driver.checkpoint(snapshotInfo(history.end), [row("a", "old")]);
  return driver;
}

async function crashInInstall(
  harness: StoreHarness,
  driver: StoreDriver,
  steps: number,
  waits: boolean,
): Promise<void> {
  const history = new History(POSITION);
  const { store } = driver;
  const staged = store.stageSnapshot(snapshotInfo(POSITION));
  const calls = [
    () => staged.writeRows([row("b", "new")]),
    () => staged.writeRows([row("c", "new")]),
    () => staged.append([history.next()]),
    () => staged.append([history.next()]),
    () => store.installSnapshot(staged),
    () => store.append([history.next()], positionOf(history.batches[0] ?? history.next()).txnid),
  ];
  let ticket = 0;
  for (const call of calls.slice(0, steps)) ticket = call();
  if (waits) await driver.until(ticket);
  await harness.crash();
}
