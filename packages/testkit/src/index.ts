/**
 * In-memory twins of the adapters, with the faults that the real ones can have. The compliance
 * suites that both must pass are in `@quorate/testkit/compliance` (it imports vitest).
 * @packageDocumentation
 */
export {
  MemoryDisk,
  type DiskDamage,
  type DiskImage,
  type HighWater,
  type StateRows,
} from "./memory-disk.js";
export { idleService } from "./idle-service.js";
export { MemoryCommittedLog, type MemoryEntry } from "./memory-committed-log.js";
export { openMemoryStore, type MemoryStoreOptions } from "./memory-store.js";
export {
  History,
  row,
  snapshotInfo,
  StoreDriver,
  testHash,
  text,
  type StoreHarness,
} from "./store-driver.js";
