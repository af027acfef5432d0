/**
 * The composition root (L3): configuration, logging, the native client port and the wiring of one
 * node from its parts; and a node within a program:
 *
 * ```ts
 * const node = await embed({ dataDir: "data" });
 * await node.ready();
 * await node.client.create("/greeting", new TextEncoder().encode("hello"));
 * const { data } = await node.client.get("/greeting");
 * await node.close();
 * ```
 * @packageDocumentation
 */
export { formatAddress, parseAddress, type Address } from "./config/address.js";
export { buildConfig, describeConfig, loadConfig, type NodeConfig } from "./config/config.js";
export {
  explainConfig,
  explainGiven,
  type ExplainedConfig,
  type ExplainedSetting,
} from "./config/explain.js";
export type { ConfigSources } from "./config/layers.js";
export { formatOrigin, type Origin } from "./config/located.js";
export type { Member, MemberRole } from "./config/members.js";
export { nearestOf } from "./config/nearest.js";
export type { CustomState, LogEntryMsg } from "@quorate/protocol";
export { embed, type EmbeddedNode, type EmbedParts } from "./embed/embed.js";
export type { LocalClient, LocalSession } from "./embed/local-client.js";
export { embedEnsemble } from "./embed/embed-ensemble.js";
export {
  customRequestHandler,
  type CustomHandler,
  type CustomHandlers,
  type CustomRequest,
} from "./embed/handlers.js";
export type { SubscribeOptions } from "./feed/subscribe.js";
export {
  createWinstonLogger,
  type ClosableLogger,
  type LoggerOptions,
} from "./log/winston-logger.js";
export { openNativePort, type NativePort, type NativePortDeps } from "./native/native-port.js";
export type { StatusDocument } from "./native/status-document.js";
export {
  syncActionHandler,
  type HostContext,
  type OpenedHost,
  type PlainActionHandler,
  type SyncActionOptions,
} from "@quorate/server";
export { productionParts } from "./production-parts.js";
export { runNode, type NodeParts, type RunningNode } from "./run-node.js";
export type { ExitReason, NodeStatus, ServerHandle } from "./server-handle.js";
