/**
 * The replicated state machine: ZooKeeper's tree of znodes. Requests and answers have their
 * codecs here, for servers and clients alike; nothing in it needs more than a browser has.
 * @packageDocumentation
 */
export {
  decodeChildren,
  decodeCreateResult,
  decodeGetResult,
  decodeStat,
  type ChildrenResult,
  type CreateResult,
  type GetResult,
} from "./answers.js";
export { CHILDREN_BYTES_MAX, ZNODE_DATA_BYTES_MAX } from "./limits.js";
export * from "./op.js";
export { operationsOf } from "./operations.js";
export { checkPath, type PathProblem } from "./paths.js";
export { ANY_VERSION, encodeCreate, encodeDelete, encodeRead, encodeSet } from "./requests.js";
export type { Stat } from "./stat.js";
export {
  treeClient,
  type CallSettings,
  type ReadSettings,
  type TreeAnswer,
  type TreeCall,
  type TreeClient,
  type WriteSettings,
} from "./tree-client.js";
export { ZnodeMachine } from "./znode-machine.js";
export { WatchTable, type WatchRequest, type WatchType } from "./watches/watch-table.js";
