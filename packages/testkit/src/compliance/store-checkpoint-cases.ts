import { describe, expect, test } from "vitest";
import {
  InvariantError,
  LOG_START,
  positionOf,
  TXNID_ZERO,
  type SnapshotSource,
} from "@quorate/protocol";
import type { StoreContext } from "./durable-store.js";
import {
  asText,
  History,
  IDENTITY_A,
  NODE_1,
  RETAINED_TAIL_BYTES,
  row,
  snapshotInfo,
} from "../store-driver.js";

export function checkpointCases(context: StoreContext): void {
  describe("checkpoints (G18)", () => {
    test("each row is read once; later checkpoints change, add and remove some", async () => {
      const driver = await context.open();
      const history = new History();
      await driver.log([history.next()]);
      expect(await driver.checkpointRows()).toEqual([]);
      await driver.checkpoint(snapshotInfo(history.end), [row("b", "1"), row("a", "1")]);
      expect(await driver.checkpointRows()).toEqual([
        ["a", "1"],
        ["b", "1"],
      ]);
      await driver.log([history.next()]);
      const changes = [row("a", null), row("b", "2"), row("ü", "é"), row("", "root")];
      await driver.checkpoint(snapshotInfo(history.end, 9n), changes);
      const expected = [
        ["", "root"],
        ["b", "2"],
        ["ü", "é"],
      ];
      expect(await driver.checkpointRows()).toEqual(expected);
      await driver.store.close();
      const again = await context.open();
      expect(again.store.recovered.checkpoint).toMatchObject({
        position: history.end,
        digest: 9n,
        members: [[NODE_1, IDENTITY_A]],
      });
      expect(again.store.recovered.damage).toBeNull();
      expect(await again.checkpointRows()).toEqual(expected);
    });

    test("a generation rises with each; a full one holds its own rows only", async () => {
      const driver = await context.open();
      const history = new History();
      const generations: number[] = [];
      for (const [i, full] of [false, true, false].entries()) {
        await driver.log([history.next()]);
        await driver.checkpoint(snapshotInfo(history.end), [row(`k${String(i)}`, "x")], full);
      }
      await driver.store.close();
      for (let i = 0; i < 2; i += 1) {
        const again = await context.open();
        generations.push(again.store.recovered.checkpoint?.generation ?? 0);
        expect(asKeys(await again.checkpointRows())).toEqual(i === 0 ? ["k1", "k2"] : ["z"]);
        await again.log([history.next()]);
        await again.checkpoint(snapshotInfo(history.end), [row("z", "x")], true);
        await again.store.close();
      }
      expect(generations).toEqual([3, 4]);
    });

    test("is current only once finished: a crash or a discard leaves the one before", async () => {
      const driver = await context.open();
      const history = new History();
      await driver.log([history.next()]);
      await driver.checkpoint(snapshotInfo(history.end), [row("a", "old")]);
      await driver.log([history.next()]);
      const dropped = driver.store.beginCheckpoint(snapshotInfo(history.end), { full: false });
      await dropped.write([row("a", "dropped"), row("b", "dropped")]);
      expect(await driver.checkpointRows()).toEqual([["a", "old"]]);
      await dropped.discard();
      await dropped.discard();
      const cut = driver.store.beginCheckpoint(snapshotInfo(history.end), { full: true });
      await cut.write([row("a", "cut"), row("c", "cut")]);
      await context.harness.crash();
      const again = await context.open();
      expect(again.store.recovered.damage).toBeNull();
      expect(await again.checkpointRows()).toEqual([["a", "old"]]);
      await again.checkpoint(snapshotInfo(history.end), [row("d", "new")]);
      expect(await again.checkpointRows()).toEqual([
        ["a", "old"],
        ["d", "new"],
      ]);
    });

    test("a crash while it is finished leaves the old one or the new one", async () => {
      const driver = await context.open();
      const history = new History();
      await driver.log([history.next()]);
      await driver.checkpoint(snapshotInfo(history.end), [row("a", "old")]);
      await driver.log([history.next()]);
      const writer = driver.store.beginCheckpoint(snapshotInfo(history.end), { full: false });
      await writer.write([row("a", "new")]);
      writer.finish().catch(() => undefined);
      await context.harness.crash();
      const again = await context.open();
      expect(again.store.recovered.damage).toBeNull();
      const isNew = again.store.recovered.checkpoint?.position.txnid === history.end.txnid;
      expect(await again.checkpointRows()).toEqual([["a", isNew ? "new" : "old"]]);
    });

    test("one at a time, at a position that is durable", async () => {
      const driver = await context.open();
      const history = new History();
      await driver.log([history.next()]);
      const at = snapshotInfo(history.end);
      const writer = driver.store.beginCheckpoint(at, { full: true });
      expect(() => driver.store.beginCheckpoint(at, { full: true })).toThrow(InvariantError);
      await writer.discard();
      driver.store.append([history.next()], TXNID_ZERO);
      const ahead = snapshotInfo(history.end);
      expect(() => driver.store.beginCheckpoint(ahead, { full: true })).toThrow(InvariantError);
    });
  });

  describe("compaction (F42)", () => {
    test("the log goes below a finished checkpoint, down to a retained tail", async () => {
      const driver = await context.open();
      const history = new History();
      await driver.log(history.many(100));
      await driver.checkpoint(snapshotInfo(history.end), [row("a", "1")]);
      await driver.log(history.many(2));
      const early = driver.store.readBatches(TXNID_ZERO, history.end.txnid, 1e6);
      await expect(early).rejects.toMatchObject({ code: "ERR_STORE_COMPACTED" });
      expect(await driver.store.findPosition(TXNID_ZERO)).toBeNull();
      const startByNow = driver.store.logStart;
      await driver.store.close();
      const { store } = await context.open();
      const { logStart, lastLogged } = store.recovered;
      expect(lastLogged).toEqual(history.end);
      expect(logStart.txnid).toBeGreaterThan(0n);
      expect([startByNow, store.logStart]).toEqual([logStart, logStart]);
      expect(await store.findPosition(logStart.txnid)).toEqual(logStart);
      const kept = await store.readBatches(logStart.txnid, history.end.txnid, 1e6);
      expect(kept).toEqual(history.batches.slice(-kept.length));
      const tail = kept.slice(0, -2).reduce((sum, { bytes }) => sum + bytes.length, 0);
      expect(tail).toBeLessThanOrEqual(RETAINED_TAIL_BYTES);
      expect(tail).toBeGreaterThan(RETAINED_TAIL_BYTES / 2);
    });

    test("an empty log above a checkpoint goes on from the checkpoint's position", async () => {
      const driver = await context.open();
      const history = new History();
      await driver.log([history.next(1, RETAINED_TAIL_BYTES)]);
      await driver.checkpoint(snapshotInfo(history.end), [row("a", "1")]);
      await driver.store.close();
      const again = await context.open();
      expect(again.store.recovered).toMatchObject({
        logStart: history.end,
        lastLogged: history.end,
        damage: null,
      });
      expect(await again.store.findPosition(LOG_START.txnid)).toBeNull();
      await again.log([history.next()]);
      expect(await again.store.findPosition(history.end.txnid)).toEqual(history.end);
    });
  });

  describe("an open snapshot", () => {
    test("is null before the first checkpoint", async () => {
      const { store } = await context.open();
      expect(await store.openSnapshot()).toBeNull();
    });

    test("is joined by the log above it, also when it is opened while a checkpoint lands", async () => {
      const driver = await context.open();
      const history = new History();
      await driver.log(history.many(60));
      await driver.checkpoint(snapshotInfo(history.end), [row("a", "old")]);
      const rounds = 12;
      let turns = 0;
      for (let round = 0; round < rounds; round += 1) {
        await driver.log(history.many(60));
        const at = history.end;
        const writer = driver.store.beginCheckpoint(snapshotInfo(at), { full: false });
        await writer.write([row("a", String(round))]);
        await driver.log(history.many(5));
        const finishing = { isOver: false };
        const finished = writer.finish().finally(() => (finishing.isOver = true));
        // One snapshot a round, ever later within the time that a checkpoint takes to land.
        const openAt = Math.floor((turns * round) / rounds);
        let source: SnapshotSource | null = null;
        for (let turn = 0; !finishing.isOver; turn += 1) {
          if (turn === openAt && round > 0) source = await driver.store.openSnapshot();
          await new Promise((resolve) => setImmediate(resolve));
          if (round === 0) turns = turn;
        }
        await finished;
        if (source === null) continue;
        const from = source.info.position.txnid;
        const above = await driver.store.readBatches(from, history.end.txnid, 1e6);
        const expected = history.batches.filter(({ last }) => last > from);
        expect(above.map(positionOf)).toEqual(expected.map(positionOf));
        const value = String(from === at.txnid ? round : round - 1);
        expect(asText(await source.read(1000))).toEqual([["a", value]]);
        source.close();
      }
    });

    test("keeps its rows and the log above it while later checkpoints land", async () => {
      const driver = await context.open();
      const history = new History();
      await driver.log(history.many(3));
      const at = history.end;
      const rows = Array.from({ length: 50 }, (_, i) => row(`k${String(i + 10)}`, "old"));
      await driver.checkpoint(snapshotInfo(at), rows);
      const source = await driver.store.openSnapshot();
      if (source === null) throw new Error("a snapshot was expected");
      expect(source.info).toEqual(snapshotInfo(at));
      const read = asText(await source.read(100));
      expect(read.length).toBeGreaterThan(0);
      expect(read.length).toBeLessThan(50);
      for (let i = 0; i < 3; i += 1) {
        await driver.log(history.many(40));
        const changes = [row("k20", String(i)), row("k21", null), row("k99", "x")];
        await driver.checkpoint(snapshotInfo(history.end), changes, i === 1);
      }
      for (;;) {
        const more = await source.read(100);
        if (more.length === 0) break;
        read.push(...asText(more));
      }
      expect(read).toEqual(asText(rows));
      const above = await driver.store.readBatches(at.txnid, history.end.txnid, 1e6);
      expect(above.map(positionOf)).toEqual(history.batches.slice(3).map(positionOf));
      source.close();
      source.close();
      await driver.log(history.many(40));
      await driver.checkpoint(snapshotInfo(history.end), [row("end", "1")]);
      const gone = driver.store.readBatches(at.txnid, history.end.txnid, 1e6);
      await expect(gone).rejects.toMatchObject({ code: "ERR_STORE_COMPACTED" });
    });
  });
}

function asKeys(rows: readonly (readonly [string, unknown])[]): string[] {
  return rows.map(([key]) => key);
}
