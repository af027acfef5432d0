/**
 * The suites that every implementation of a port must pass. Imports vitest.
 * @packageDocumentation
 */
export { durableStoreCompliance } from "./durable-store.js";
export * from "./peer-compliance.js";
export { RETAINED_TAIL_BYTES, testHash, type StoreHarness } from "../store-driver.js";
