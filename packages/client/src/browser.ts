/**
 * The client in a browser: the same as in Node, over the browser's own WebSocket. Bundlers take
 * this entry by the `browser` condition. The page's origin must be in the node's `allowedOrigins`.
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
