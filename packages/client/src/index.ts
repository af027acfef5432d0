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
export type { ClientDeps, ClientOptions, QuorateClient, SubscribeSettings } from "./client.js";
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
export type { CallSettings, ReadSettings, WriteSettings } from "@quorate/znode";
export type { ClientSocket, OpenSocket } from "./socket.js";
export * from "./status.js";
