/**
 * The durable store on SQLite (L2): `DurableStore` of @quorate/protocol.
 * @packageDocumentation
 */
export { sha256Chain } from "./chain.js";
export { openCommitLog, type CommitLogOptions } from "./commit-log.js";
export { dumpCommitLog, verifyCommitLog, type CommitLogReport } from "./inspect.js";
