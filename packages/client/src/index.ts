/**
 * The client for Quorate's native port.
 *
 * ```ts
 * const client = createClient({ servers: ["127.0.0.1:9003", "127.0.0.1:9013"] });
 * await client.create("/greeting", new TextEncoder().encode("hello"));
 * const { data } = await client.get("/greeting", { linearizable: true });
 * client.close();
 * ```
 * @packageDocumentation
 */
export type { Ambient } from "./ambient.js";
export type {
  ClientDeps,
  ClientOptions,
  ClientSession,
  ConnectedClient,
  QuorateClient,
  SessionSettings,
  SubscribeSettings,
} from "./client.js";
export type { WatchSettings } from "./watches.js";
export { createClient } from "./node-client.js";
export {
  errorCodeOf,
  formatTxnid,
  parseTxnid,
  QuorateError,
  type CommittedEvent,
  type CommittedOperation,
  type ErrorCode,
  type Txnid,
} from "@quorate/protocol";
export {
  eventDocument,
  printableData,
  type EventDocument,
  type OperationDocument,
} from "@quorate/codec";
export {
  op,
  OPEN_ACL,
  Perms,
  READ_ACL,
  type AclEntry,
  type CallSettings,
  type ClientState,
  type CreateSettings,
  type MultiOp,
  type NodeEvent,
  type ReadSettings,
  type ResultsOf,
  type Stat,
  type TreeClient,
  type WatchKind,
  type WriteSettings,
} from "@quorate/znode";
export type { ClientSocket, OpenSocket } from "./socket.js";
export * from "./status.js";
