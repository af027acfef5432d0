import { afterEach, beforeEach, describe } from "vitest";
import { checkpointCases } from "./store-checkpoint-cases.js";
import { logCases } from "./store-log-cases.js";
import { snapshotCases } from "./store-snapshot-cases.js";
import { StoreDriver, type StoreHarness } from "../store-driver.js";

export interface StoreContext {
  readonly harness: StoreHarness;
  open(): Promise<StoreDriver>;
}

/**
 * What the port DurableStore promises, case by case. `setup` gives an empty directory; it is
 * asked anew for each test.
 */
export function durableStoreCompliance(name: string, setup: () => Promise<StoreHarness>): void {
  describe(`${name} keeps the contract of DurableStore`, () => {
    let harness: StoreHarness | null = null;
    beforeEach(async () => {
      harness = await setup();
    });
    afterEach(async () => {
      await harness?.dispose();
      harness = null;
    });
    const context: StoreContext = {
      get harness() {
        if (harness === null) throw new Error("a case runs inside of a test");
        return harness;
      },
      async open() {
        return new StoreDriver(await this.harness.open());
      },
    };
    logCases(context);
    checkpointCases(context);
    snapshotCases(context);
  });
}
