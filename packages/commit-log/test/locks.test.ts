import { execFile } from "node:child_process";
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import { History, row, snapshotInfo } from "@quorate/testkit";
import { dumpCommitLog, verifyCommitLog } from "../src/index.js";
import { linesOf, makeTempDirectory, scriptArguments } from "./crash/shim.js";
import { openStore } from "./open-store.js";

const run = promisify(execFile);
const PAGE_BYTES = 4096;
/** Of a running store: its own lock, and those by which SQLite tells others of its connections. */
const LOCKED = ["lock.db", "log.db", "log.db-shm", "state.db", "state.db-shm"];

/** A closed store with a log and a checkpoint. */
async function written(): Promise<{ readonly directory: string; readonly history: History }> {
  const base = makeTempDirectory();
  onTestFinished(() => rmSync(base, { recursive: true }));
  const directory = join(base, "store");
  const driver = await openStore(directory);
  const history = new History();
  await driver.log(history.many(5));
  await driver.checkpoint(snapshotInfo(history.end), [row("a", "1")]);
  await driver.store.close();
  return { directory, history };
}

/** All pages behind the first: SQLite itself finds them corrupt. */
function damage(path: string): void {
  const { size } = statSync(path);
  const fd = openSync(path, "r+");
  writeSync(fd, new Uint8Array(size - PAGE_BYTES).fill(0xa5), 0, size - PAGE_BYTES, PAGE_BYTES);
  closeSync(fd);
}

/** What opening the directory comes to in another process. */
async function openedElsewhere(directory: string): Promise<string | undefined> {
  const journal = join(directory, "..", "journal");
  await run(process.execPath, scriptArguments("open-once.ts", directory, journal));
  return linesOf(journal).findLast((line) => /^(not )?opened /.test(line));
}

/** Of the store's files, those that the kernel holds a lock on for this process. */
function lockedFiles(directory: string): string[] {
  const locks = readFileSync("/proc/locks", "utf8").split("\n");
  const own = locks.filter((line) => line.includes(` ${process.pid} `));
  return readdirSync(directory).filter((name) => {
    const { ino } = statSync(join(directory, name));
    return own.some((line) => line.includes(`:${ino} `));
  });
}

describe.skipIf(process.platform !== "linux")("the locks of a store", () => {
  test.each(["state.db", "log.db"])("F21: are held when %s was found damaged", async (file) => {
    const { directory } = await written();
    damage(join(directory, file));
    const driver = await openStore(directory);
    expect(driver.store.recovered.damage).not.toBeNull();
    await driver.log([new History(driver.store.recovered.lastLogged).next()]);
    expect(await openedElsewhere(directory)).toBe("not opened ERR_STORE_LOCKED");
    expect(lockedFiles(directory)).toEqual(LOCKED);
    await driver.store.close();
    expect(lockedFiles(directory)).toEqual([]);
    expect(await openedElsewhere(directory)).toMatch(/^opened/);
  });

  test("F21: are not lost to a look during an open, nor to an open during a look", async () => {
    const { directory } = await written();
    const opening = openStore(directory);
    await new Promise((resolve) => setImmediate(resolve));
    await expect(verifyCommitLog(directory)).rejects.toMatchObject({ code: "ERR_STORE_LOCKED" });
    const driver = await opening;
    expect(lockedFiles(directory)).toEqual(LOCKED);
    await driver.store.close();
    const dump = dumpCommitLog(directory)[Symbol.asyncIterator]();
    expect((await dump.next()).done).toBe(false);
    await expect(openStore(directory)).rejects.toMatchObject({ code: "ERR_STORE_LOCKED" });
    await dump.return?.();
    await (await openStore(directory)).store.close();
  });

  test("F21: are held when its own process looks at it", async () => {
    const { directory, history } = await written();
    const driver = await openStore(directory);
    await driver.log([history.next()]);
    expect((await verifyCommitLog(directory)).problems).toEqual([]);
    expect(await openedElsewhere(directory)).toBe("not opened ERR_STORE_LOCKED");
    expect(lockedFiles(directory)).toEqual(LOCKED);
    await driver.store.close();
  });
});
