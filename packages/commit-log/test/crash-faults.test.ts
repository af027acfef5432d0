import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { sha256Chain, verifyCommitLog, openCommitLog } from "../src/index.js";
import { silentLogger, silentMeter } from "@quorate/protocol";
import { Expectation, reopen } from "./crash/reopen.js";
import {
  canShim,
  compileShim,
  linesOf,
  makeTempDirectory,
  runUnderShim,
  runWorkload,
  type WorkloadKind,
} from "./crash/shim.js";

const ENOSPC = 28;
const EIO = 5;

describe.skipIf(!canShim)("a real store on a disk that fails", () => {
  let base = "";
  let library = "";

  beforeAll(() => {
    base = makeTempDirectory();
    library = compileShim(base);
  });

  afterAll(() => rmSync(base, { recursive: true, force: true }));

  function start(name: string, kind: WorkloadKind) {
    const directory = join(base, name);
    mkdirSync(directory);
    const run = runWorkload(library, directory, kind, false);
    onTestFinished(() => void run.child.kill("SIGKILL"));
    return run;
  }

  test("one commit costs one sync, and a power cut within it nothing more", async () => {
    const run = start("commits", "commits");
    expect(await run.ended).toBe(0);
    const lines = linesOf(run.journal);
    const counted = lines.slice(lines.indexOf("open"), lines.indexOf("counted"));
    const syncs = counted.filter((line) => line.startsWith("sync"));
    const answers = counted.filter((line) => line.startsWith("answer"));
    expect(answers).toHaveLength(20);
    // The first commit after the WAL was emptied syncs its new header as well.
    expect(syncs.filter((line) => line.endsWith("log.db-wal"))).toHaveLength(21);
    expect(syncs.filter((line) => !line.endsWith("log.db-wal")).length).toBeLessThanOrEqual(1);
    for (const [i, line] of counted.entries()) {
      if (!line.startsWith("answer")) continue;
      expect(counted[i - 1], "an answer follows a sync").toMatch(/^(sync|write)/);
      const before = counted.slice(0, i);
      const lastWrite = before.findLastIndex((other) => other.startsWith("write"));
      expect(before.slice(lastWrite).some((other) => other.endsWith("log.db-wal"))).toBe(true);
    }
  });

  test("F16: after kill -9 every answered write is there, and no damage", async () => {
    const run = start("killed", "forever");
    await run.noted("answer", 50);
    run.child.kill("SIGKILL");
    expect(await run.ended).toBe("SIGKILL");
    const found = reopen(run.directory);
    const { states } = new Expectation(linesOf(run.journal));
    expect(found.damage).toBeNull();
    expect(states).toContain(found.state);
  });

  test("F21: a directory that another process has open is refused, and read all the same", async () => {
    const run = start("locked", "forever");
    await run.noted("answer", 5);
    const open = openCommitLog({
      directory: run.directory,
      chainHash: sha256Chain,
      logger: silentLogger,
      meter: silentMeter,
    });
    await expect(open).rejects.toMatchObject({ code: "ERR_STORE_LOCKED" });
    const report = await verifyCommitLog(run.directory);
    expect(report.problems).toEqual([]);
    expect(report.batchCount).toBeGreaterThanOrEqual(5);
    const { length } = linesOf(run.journal);
    await run.noted("answer", length);
  });

  test("F29, ZOOKEEPER-4882: a full disk rolls back what is open, and nothing else", async () => {
    const run = start("full", "forever");
    await run.noted("answer", 20);
    writeFileSync(run.control, `write log.db-wal ${String(ENOSPC)} always\n`);
    expect(await run.ended).toBe(3);
    const lines = linesOf(run.journal);
    expect(lastNote(lines)).toBe("failed ERR_STORE_FULL");
    const found = reopen(run.directory);
    expect(found.damage).toBeNull();
    expect(found.state).toBe(new Expectation(lines).answered);
  });

  for (const [what, operation, file] of [
    ["G32, F28: a failed sync of the log", "sync", "log.db-wal"],
    ["a failed write of the log", "write", "log.db-wal"],
    ["a failed write of the high-water file", "write", "high-water"],
  ] as const) {
    test(`${what} ends the store, with an outcome that is unknown and whole`, async () => {
      const run = start(`${operation}-${file}`, "forever");
      await run.noted("answer", 20);
      writeFileSync(run.control, `${operation} ${file} ${String(EIO)} once\n`);
      expect(await run.ended).toBe(3);
      const lines = linesOf(run.journal);
      expect(lastNote(lines)).toBe("failed ERR_STORE_IO");
      const found = reopen(run.directory);
      expect(found.damage).toBeNull();
      expect(new Expectation(lines).states).toContain(found.state);
    });
  }

  for (const [what, operation, file] of [
    ["a write of a checkpoint's rows", "write", "state.db-wal"],
    ["the sync of a checkpoint's rows", "sync", "state.db-wal"],
  ] as const) {
    for (const kind of ["checkpoints", "installs"] as const) {
      test(`F28, F30: ${what} fails among ${kind}: the process ends, all is whole`, async () => {
        const run = start(`${kind}-${operation}`, kind);
        await run.noted(kind === "checkpoints" ? "checkpoint" : "installed", 3);
        writeFileSync(run.control, `${operation} ${file} ${String(EIO)} once\n`);
        expect(await run.ended).toBe(3);
        const lines = linesOf(run.journal);
        expect(lines.filter((line) => line.startsWith("failed"))).toEqual(["failed ERR_STORE_IO"]);
        const found = reopen(run.directory);
        expect(found.damage).toBeNull();
        expect(new Expectation(lines).states).toContain(found.state);
      });
    }
  }

  test("F30: rows that cannot be read end the process, and are there when the disk reads", async () => {
    const run = start("unreadable", "reads");
    await run.noted("read 1000", 2);
    writeFileSync(run.control, `read state.db ${String(EIO)} always\n`);
    expect(await run.ended).toBe(3);
    expect(lastNote(linesOf(run.journal))).toBe("failed ERR_STORE_IO");
    const found = reopen(run.directory);
    expect(found.damage).toBeNull();
    expect(found.keys).toHaveLength(1000);
  });

  for (const file of ["log.db", "state.db"]) {
    test(`F30: a ${file} that cannot be read is not taken for damaged`, async () => {
      const first = start(`unopened-${file}`, "checkpoints");
      await first.noted("checkpoint", 3);
      first.child.kill("SIGKILL");
      await first.ended;
      const lines = linesOf(first.journal);
      const { directory, control } = first;
      writeFileSync(control, `read ${file} ${String(EIO)} always\n`);
      const second = runUnderShim(library, join(directory, ".."), {
        script: "open-once.ts",
        withImages: false,
      });
      expect(await second.ended).toBe(0);
      expect(linesOf(first.journal).at(-1)).toBe("not opened ERR_STORE_IO");
      rmSync(control);
      expect(readdirSync(directory).filter((name) => name.includes("damaged"))).toEqual([]);
      const found = reopen(directory);
      expect(found.damage).toBeNull();
      expect(new Expectation(lines).states).toContain(found.state);
    });
  }

  test("F29: no room for rows ends the checkpoint alone; the next one finds some", async () => {
    const run = start("rows-full", "checkpoints");
    await run.noted("checkpoint", 3);
    writeFileSync(run.control, `write state.db-wal ${String(ENOSPC)} always\n`);
    await run.noted("no checkpoint ERR_STORE_FULL", 3);
    rmSync(run.control);
    const { length } = linesOf(run.journal).filter((line) => line === "checkpoint");
    await run.noted("checkpoint", length + 3);
    run.child.kill("SIGKILL");
    await run.ended;
    const lines = linesOf(run.journal);
    expect(lines.filter((line) => line.startsWith("failed"))).toEqual([]);
    const found = reopen(run.directory);
    expect(found.damage).toBeNull();
    expect(new Expectation(lines).states).toContain(found.state);
  });

  test("F29: half a checkpoint, which needs room to be removed, neither ends the store nor shows", async () => {
    const run = start("half-full", "halves");
    expect(await run.ended).toBe(0);
    const lines = linesOf(run.journal);
    expect(lines.filter((line) => line.startsWith("failed"))).toEqual([]);
    const lost = lines.filter((line) => line.startsWith("no checkpoint"));
    expect(lost).toEqual(Array(3).fill("no checkpoint ERR_STORE_FULL"));
    expect(lines.filter((line) => line.startsWith("row")).sort()).toEqual(
      ["base", "base-second", "found", "found-second"].map((key) => `row ${key}`),
    );
    expect((await verifyCommitLog(run.directory)).problems).toEqual([]);
  });

  for (const file of ["log.db-wal", "*"]) {
    test(`F29, ZOOKEEPER-4882: a store is opened again once there is room (${file})`, async () => {
      const run = start(file === "*" ? "reopened-any" : "reopened-wal", "reopened");
      await run.noted("answer", 20);
      writeFileSync(run.control, `write ${file} ${String(ENOSPC)} always\n`);
      if (file === "*") await run.noted("still", 3);
      else await run.noted("failed", 2);
      rmSync(run.control);
      const { length } = linesOf(run.journal).filter((line) => line.startsWith("answer"));
      await run.noted("answer", length + 20);
      run.child.kill("SIGKILL");
      await run.ended;
      const lines = linesOf(run.journal);
      const kinds = new Set(lines.filter((line) => /^(failed|still)/.test(line)));
      kinds.delete("failed ERR_STORE_FULL");
      // Never ERR_STORE_LOCKED, nor anything that would end the process.
      expect([...kinds]).toEqual(file === "*" ? ["still ERR_STORE_FULL true"] : []);
      const found = reopen(run.directory);
      expect(found.damage).toBeNull();
      const reopened = lines.findLastIndex((line) => line.startsWith("reopened"));
      expect(new Expectation(lines.slice(reopened)).states).toContain(found.state);
    });
  }

  test("F29: no room for SQLite's index of the log is a full disk, not a broken one", async () => {
    const first = start("no-index", "checkpoints");
    await first.noted("checkpoint", 1);
    first.child.kill("SIGKILL");
    await first.ended;
    rmSync(join(first.directory, "log.db-shm"));
    writeFileSync(first.control, `write log.db-shm ${String(ENOSPC)} always\n`);
    const second = runUnderShim(library, join(first.directory, ".."), {
      script: "open-once.ts",
      withImages: false,
    });
    expect(await second.ended).toBe(0);
    expect(linesOf(first.journal).at(-1)).toBe("not opened ERR_STORE_FULL");
  });

  for (const file of ["log.db", "state.db"]) {
    test(`F31: opening a ${file} that hangs in the disk is given up`, async () => {
      const first = start(`hung-${file}`, "checkpoints");
      await first.noted("checkpoint", 1);
      first.child.kill("SIGKILL");
      await first.ended;
      writeFileSync(first.control, `read ${file} 0 hang\n`);
      const second = runUnderShim(library, join(first.directory, ".."), {
        script: "open-once.ts",
        kind: "hung",
        withImages: false,
      });
      onTestFinished(() => void second.child.kill("SIGKILL"));
      await vi.waitFor(
        () => expect(lastNote(linesOf(first.journal))).toBe("not opened ERR_STORE_TIMEOUT"),
        { timeout: 10_000 },
      );
      // Let go of, its threads end, and with them the process.
      rmSync(first.control);
      expect(await second.ended).toBe(0);
    });
  }

  test("F31: a close does not wait for a disk that hangs, nor is the directory opened twice", async () => {
    const run = start("hanging", "closed");
    await run.noted("ready", 1);
    writeFileSync(run.control, `sync log.db-wal 0 hang\n`);
    run.child.stdin?.write("close\n");
    await run.noted("not opened", 1);
    const lines = linesOf(run.journal);
    const waited = Number(lines.find((line) => line.startsWith("given up"))?.split(" ")[2]);
    expect(waited).toBeGreaterThanOrEqual(300);
    expect(waited).toBeLessThan(2500);
    // The thread that hangs still holds the lock, and this process must not count as another one.
    expect(lastNote(lines)).toBe("not opened ERR_STORE_TIMEOUT");
    rmSync(run.control);
    run.child.stdin?.write("open\n");
    expect(await run.ended).toBe(0);
    expect(linesOf(run.journal)).toContainEqual(expect.stringMatching(/^reopened e1:[12]$/));
  });
});

/** A process that ends still syncs on its way out. */
function lastNote(lines: readonly string[]): string | undefined {
  return lines.findLast((line) => !line.startsWith("sync"));
}
