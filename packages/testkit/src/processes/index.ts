/**
 * Real server processes on this machine, for tests and measurements that kill them.
 * @packageDocumentation
 */
export { proxyTcp, proxyUdp, type DroppingProxy } from "./dropping-proxy.js";
export { freePorts } from "./ports.js";
export { ProcessEnsemble, type EnsembleOptions, type NodeStatusView } from "./process-ensemble.js";
export { ServerProcess, type Exit } from "./server-process.js";
export { StreamFollower, verifyStreams } from "./stream-follower.js";
export {
  WriteLoad,
  type Acknowledged,
  type ParentRecord,
  type WriteLoadOptions,
} from "./write-load.js";
export { hasZookeeper, ZookeeperEnsemble, type ZookeeperOptions } from "./zookeeper-ensemble.js";
