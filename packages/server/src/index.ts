/**
 * Leader and follower servers and the coordinator between them. Sees ports only; the composition
 * root supplies sockets, disk, time and randomness, and the simulator supplies virtual ones.
 * @packageDocumentation
 */
export {
  startServer,
  type ExitReason,
  type NodeRole,
  type NodeStatus,
  type ReadOptions,
  type Server,
  type ServerDeps,
  type ServerOptions,
} from "./server.js";
