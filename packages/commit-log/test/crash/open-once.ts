// A process of its own under the shim: opens a store, notes what came of it, and ends.
import { appendFileSync } from "node:fs";
import { errorCodeOf, silentLogger, silentMeter } from "@quorate/protocol";
import { testHash } from "@quorate/testkit";
import { openCommitLog } from "../../src/index.js";

const [directory = "", journal = "", kind = ""] = process.argv.slice(2);
try {
  const store = await openCommitLog({
    directory,
    chainHash: testHash,
    logger: silentLogger,
    meter: silentMeter,
    ...(kind === "hung" ? { openTimeoutMs: 300, diskTimeoutMs: 200 } : {}),
  });
  appendFileSync(journal, `opened ${String(store.recovered.damage)}\n`);
  await store.close();
} catch (error) {
  appendFileSync(journal, `not opened ${String(errorCodeOf(error))}\n`);
}
