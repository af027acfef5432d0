import { rmSync } from "node:fs";
import type { Worker } from "node:worker_threads";
import { describe, expect, onTestFinished, test } from "vitest";
import { silentLogger, silentMeter } from "@quorate/protocol";
import { History, row, snapshotInfo, StoreDriver, testHash } from "@quorate/testkit";
import { openCommitLog } from "../src/index.js";
import { makeTempDirectory } from "./crash/shim.js";

/** Both threads of a store, in the order in which they are started. */
type Threads = readonly [log: Worker, state: Worker];

async function opened(directory: string): Promise<{ driver: StoreDriver; threads: Threads }> {
  const started: Worker[] = [];
  const note = (worker: Worker): void => void started.push(worker);
  process.on("worker", note);
  try {
    const store = await openCommitLog({
      directory,
      chainHash: testHash,
      logger: silentLogger,
      meter: silentMeter,
      diskTimeoutMs: 2000,
    });
    const [log, state] = started;
    if (log === undefined || state === undefined) throw new Error("a store has two threads");
    return { driver: new StoreDriver(store), threads: [log, state] };
  } finally {
    process.off("worker", note);
  }
}

function temporary(): string {
  const directory = makeTempDirectory();
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

const LOSSES = {
  "is terminated": (worker: Worker): void => void worker.terminate(),
  // No message that the store sends: the thread ends with an uncaught error.
  "throws what nobody catches": (worker: Worker): void => worker.postMessage(null),
} as const;

describe("a store that loses a thread", () => {
  for (const [index, name] of ["log", "state"].entries()) {
    for (const [how, lose] of Object.entries(LOSSES)) {
      test(`the ${name} thread ${how}: ERR_STORE_IO, once, and nothing is answered`, async () => {
        const directory = temporary();
        const { driver, threads } = await opened(directory);
        const { store } = driver;
        const history = new History();
        await driver.log(history.many(3));
        await driver.checkpoint(snapshotInfo(history.end), [row("a", "1")]);
        const answered = history.end;
        const worker = threads[index];
        if (worker === undefined) throw new Error("there are two threads");
        const exited = new Promise((resolve) => worker.once("exit", resolve));
        lose(worker);
        const reading = driver.checkpointRows();
        const staged = store.stageSnapshot(snapshotInfo(history.end));
        staged.writeRows([row("b", "2")]);
        const installed = driver.until(store.installSnapshot(staged));
        const lost = expect(installed).rejects.toMatchObject({ code: "ERR_STORE_IO" });
        // The rows may have been read before the end came.
        await reading.catch((error: unknown) =>
          expect(error).toMatchObject({ code: "ERR_STORE_IO" }),
        );
        await Promise.all([lost, exited]);
        expect(driver.failures).toHaveLength(1);
        expect(store.setCurrentEpoch(store.recovered.currentEpoch)).toBe(Number.MAX_SAFE_INTEGER);
        await expect(store.findPosition(answered.txnid)).rejects.toMatchObject({
          code: "ERR_STORE_IO",
        });
        const startedAt = performance.now();
        await store.close();
        expect(performance.now() - startedAt).toBeLessThan(1900);

        const again = await opened(directory);
        const { recovered } = again.driver.store;
        expect(recovered.damage).toBeNull();
        expect(recovered.lastLogged).toEqual(answered);
        await again.driver.store.close();
      });
    }
  }
});
