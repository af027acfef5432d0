import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { toNodeId, TXNID_ZERO } from "@quorate/protocol";
import { History, row, snapshotInfo } from "@quorate/testkit";
import { dumpCommitLog, verifyCommitLog } from "../src/index.js";
import { openLogFiles } from "../src/log-recovery.js";
import { makeTempDirectory } from "./crash/shim.js";
import { openStore } from "./open-store.js";

function fixture() {
  const directory = makeTempDirectory();
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return { directory, open: () => openStore(directory) };
}

describe("a damaged directory", () => {
  test("F32: rows that are gone cost the checkpoint, and the identity until re-admission", async () => {
    const { directory, open } = fixture();
    const first = await open();
    const history = new History();
    await first.log(history.many(5));
    await first.checkpoint(snapshotInfo(history.end), [row("a", "1")]);
    await first.store.close();
    rmSync(join(directory, "state.db"));
    expect((await verifyCommitLog(directory)).problems).toEqual(["state.db is gone"]);
    const second = await open();
    const { recovered } = second.store;
    expect(recovered.damage).toMatch(/rows/);
    expect(recovered.checkpoint).toBeNull();
    expect(recovered.identity).not.toBe(first.store.recovered.identity);
    // The log still reaches back to its very beginning, so nothing of it is lost.
    expect(recovered.lastLogged).toEqual(history.end);
    await second.store.close();
    const third = await open();
    expect(third.store.recovered).toEqual(recovered);
    const members = new Map([[toNodeId(1), recovered.identity]]);
    await third.until(third.store.setIdentityTable(members));
    await third.checkpoint(snapshotInfo(history.end), [row("b", "2")]);
    await third.store.close();
    const fourth = await open();
    expect(fourth.store.recovered).toMatchObject({ damage: null, members });
    expect(await fourth.checkpointRows()).toEqual([["b", "2"]]);
    await fourth.store.close();
  });

  test("G31: an old log beside a newer high-water file is damage", async () => {
    const { directory, open } = fixture();
    const first = await open();
    const history = new History();
    await first.log(history.many(2));
    await first.store.close();
    const old = readFileSync(join(directory, "log.db"));
    const second = await open();
    await second.log(history.many(2));
    await second.store.close();
    writeFileSync(join(directory, "log.db"), old);
    const { problems } = await verifyCommitLog(directory);
    expect(problems).toEqual(["the history ends below its high-water mark"]);
    const third = await open();
    expect(third.store.recovered.damage).toMatch(/high-water/);
    expect(third.store.recovered.lastLogged.txnid).toBe(history.batches[1]?.last);
    await third.store.close();
  });

  test("a file that is no database is put aside and replaced", async () => {
    const { directory, open } = fixture();
    const first = await open();
    await first.log([new History().next()]);
    await first.store.close();
    writeFileSync(join(directory, "log.db"), "nothing that SQLite wrote, by any means".repeat(500));
    const second = await open();
    expect(second.store.recovered).toMatchObject({ lastLogged: { txnid: TXNID_ZERO } });
    expect(second.store.recovered.damage).toMatch(/corrupt/);
    expect(readFileSync(join(directory, "log.db.damaged"), "utf8")).toMatch(/^nothing/);
    await second.log([new History().next()]);
    await second.store.close();
  });

  test.each([["its log"], ["its log, damaged,"]])(
    "F16, G27: that lost %s and its high-water file remembers it over a crash in its repair",
    async (what) => {
      const { directory, open } = fixture();
      const first = await open();
      const history = new History();
      await first.log(history.many(5));
      await first.checkpoint(snapshotInfo(history.end), [row("a", "1")]);
      await first.store.close();
      rmSync(join(directory, "high-water"));
      if (what === "its log") rmSync(join(directory, "log.db"));
      else writeFileSync(join(directory, "log.db"), "no database".repeat(500));
      // A log is made in the place of the lost one, and there the process is killed.
      const files = openLogFiles(directory, 0);
      expect(files.opened.problems).not.toEqual([]);
      files.db.close();
      files.highWater.close();
      const second = await open();
      expect(second.store.recovered.damage).toMatch(/log.db is (gone|corrupt)/);
      await second.store.close();
    },
  );
});

describe("the operator's reads", () => {
  test("verify reports what is there, dump gives every entry in order, beside the store", async () => {
    const { directory, open } = fixture();
    const driver = await open();
    const history = new History();
    await driver.log([history.next(3), history.next(2)]);
    await driver.checkpoint(snapshotInfo(history.end), [row("a", "1"), row("b", "2")]);
    const report = await verifyCommitLog(directory);
    expect(report).toMatchObject({
      problems: [],
      schemaVersion: 1,
      identity: driver.store.recovered.identity,
      batchCount: 2,
      entryCount: 5,
      lastLogged: history.end,
      checkpoint: { position: history.end, rowCount: 2 },
      damage: null,
    });
    const dumped: string[] = [];
    const after = (history.end.txnid - 4n) as typeof history.end.txnid;
    for await (const { txnid, key } of dumpCommitLog(directory)) dumped.push(`${txnid & 7n}${key}`);
    expect(dumped).toEqual(["1/k0", "2/k1", "3/k2", "4/k0", "5/k1"]);
    const later = [];
    for await (const entry of dumpCommitLog(directory, { after })) later.push(entry);
    expect(later.at(-1)?.txnid).toBe(history.end.txnid);
    await driver.store.close();
  });

  test("both refuse a directory without a store", async () => {
    const { directory } = fixture();
    await expect(verifyCommitLog(directory)).rejects.toMatchObject({ code: "ERR_ARG_VALUE" });
    const first = dumpCommitLog(directory)[Symbol.asyncIterator]().next();
    await expect(first).rejects.toMatchObject({ code: "ERR_ARG_VALUE" });
  });
});
