/**
 * The client in a browser: the same as in Node, over the browser's own WebSocket. Bundlers take
 * this entry by the `browser` condition. The page's origin must be in the node's `allowedOrigins`.
 * @packageDocumentation
 */
export type { Ambient } from "./ambient.js";
export type { ClientDeps, ClientOptions, QuorateClient, SubscribeSettings } from "./client.js";
export type { CallSettings, ReadSettings, WriteSettings } from "@quorate/znode";
export { createClient } from "./browser-client.js";
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
export type { ClientSocket, OpenSocket } from "./socket.js";
export * from "./status.js";
