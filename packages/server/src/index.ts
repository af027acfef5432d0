/**
 * Leader and follower servers and the coordinator between them. Sees ports only; the composition
 * root supplies sockets, disk, time and randomness, and the simulator supplies virtual ones.
 * @packageDocumentation
 */
export type { CommittedLog, CommittedListener } from "./applied-feed.js";
export {
  startServer,
  type ExitReason,
  type HostContext,
  type NodeRole,
  type NodeStatus,
  type OpenedHost,
  type ReadOptions,
  type Server,
  type ServerDeps,
  type ServerOptions,
  type ServerPressure,
} from "./server.js";
export type { PlainActionHandler } from "./plain-host.js";
export type { RoleEnd } from "./role.js";
export {
  runFollowerServer,
  runLeaderServer,
  runLeaderServerWithCustomHandler,
  runWatcherServer,
  runWatcherServerWithRequest,
  type RunFollowerDeps,
  type RunFollowerOptions,
  type RunLeaderDeps,
  type RunLeaderOptions,
  type RunLeaderWithCustomHandlerOptions,
  type RunServerDeps,
} from "./run-servers.js";
export { syncActionHandler, type SyncActionOptions } from "./sync-action-handler.js";
export {
  runWatcherServerWithElection,
  WatcherServer,
  type WatcherEnd,
  type WatcherServerDeps,
  type WatcherServerOptions,
} from "./watcher-server.js";
