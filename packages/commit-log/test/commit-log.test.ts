import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger, silentMeter } from "@quorate/protocol";
import { durableStoreCompliance, RETAINED_TAIL_BYTES, testHash } from "@quorate/testkit/compliance";
import { openCommitLog } from "../src/index.js";
import { LogStore } from "../src/log-store.js";

durableStoreCompliance("the commit log", () => {
  const directory = mkdtempSync(join(tmpdir(), "quorate-commit-log-"));
  let open: LogStore | null = null;
  return Promise.resolve({
    async open() {
      const store = await openCommitLog({
        directory,
        chainHash: testHash,
        logger: silentLogger,
        meter: silentMeter,
        retainedTailBytes: RETAINED_TAIL_BYTES,
      });
      if (store instanceof LogStore) open = store;
      return store;
    },
    async crash() {
      await open?.abandon();
    },
    async dispose() {
      await open?.abandon();
      rmSync(directory, { recursive: true });
    },
  });
});
