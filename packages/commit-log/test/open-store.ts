import { silentLogger, silentMeter } from "@quorate/protocol";
import { StoreDriver, testHash } from "@quorate/testkit";
import { openCommitLog } from "../src/index.js";

/** The store in a directory as a process opens it, with nobody to be told. */
export async function openStore(directory: string): Promise<StoreDriver> {
  const store = await openCommitLog({
    directory,
    chainHash: testHash,
    logger: silentLogger,
    meter: silentMeter,
  });
  return new StoreDriver(store);
}
