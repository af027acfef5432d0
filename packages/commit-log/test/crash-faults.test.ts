import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { sha256Chain, verifyCommitLog, openCommitLog } from "../src/index.js";
import { silentLogger, silentMeter } from "@quorate/protocol";
import { Expectation, reopen } from "./crash/reopen.js";
import { canShim, compileShim, linesOf, makeTempDirectory, runWorkload } from "./crash/shim.js";

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

  function start(name: string, kind: "commits" | "forever") {
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
});

/** A process that ends still syncs on its way out. */
function lastNote(lines: readonly string[]): string | undefined {
  return lines.findLast((line) => !line.startsWith("sync"));
}
