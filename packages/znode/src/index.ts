/**
 * The replicated state machine: ZooKeeper's tree of znodes. Requests and answers have their
 * codecs here, for servers and clients alike; nothing in it needs more than a browser has.
 * @packageDocumentation
 */
export { ACL_BYTES_MAX, OPEN_ACL, Perms, READ_ACL, resolveAcl, type AclEntry } from "./acl.js";
export {
  decodeAclResult,
  decodeChildren,
  decodeCount,
  decodeCreateResult,
  decodeGetResult,
  decodeMulti,
  decodePaths,
  decodeStat,
  type AclResult,
  type ChildrenResult,
  type CreateResult,
  type GetResult,
  type MultiResult,
} from "./answers.js";
export {
  CONTAINER_OWNER,
  CreateMode,
  isEphemeral,
  isSequential,
  isTtl,
  NO_OWNER,
  ownerKind,
  TTL_MS_MAX,
  ttlOfOwner,
  ttlOwner,
  type OwnerKind,
} from "./create-mode.js";
export {
  createsOf,
  decodeImportedNode,
  encodeImport,
  encodeImportedNode,
  type NodeImage,
} from "./import-format.js";
export {
  CHILDREN_BYTES_MAX,
  EPHEMERAL_BYTES_MAX,
  SESSIONS_MAX,
  ZNODE_DATA_BYTES_MAX,
} from "./limits.js";
export * from "./op.js";
export {
  op,
  type CheckOp,
  type CreateOp,
  type CreateSettings,
  type DeleteOp,
  type MultiOp,
  type ResultOf,
  type ResultsOf,
  type SetOp,
} from "./multi-builder.js";
export { operationsOf, readersOf, type Readers } from "./operations.js";
export { pathsBelow, SAME_PATHS, type PathMap } from "./path-map.js";
export { checkPath, CONFIG_PATH, type PathProblem } from "./paths.js";
export type { QuotaExcess } from "./quota.js";
export {
  ANY_VERSION,
  decodeResumeSession,
  encodeCloseSession,
  encodeCreate,
  encodeCreateSession,
  encodeDelete,
  encodeDeleteExpired,
  encodeMulti,
  encodeMultiParts,
  encodeRead,
  encodeResumeSession,
  encodeSet,
  encodeSetAcl,
  hasCaller,
  withCaller,
  type CreateRequest,
  type MultiOperation,
  type SessionRequest,
} from "./requests.js";
export type { Stat } from "./stat.js";
export { States, type ClientState } from "./states.js";
export {
  treeClient,
  type CallSettings,
  type ReadSettings,
  type TreeAnswer,
  type TreeCall,
  type TreeClient,
  type WriteSettings,
} from "./tree-client.js";
export { armedAgain, missedChange, type OneShotWatch } from "./watches/missed-change.js";
export { openWatch, type WatchOpening } from "./watches/open-watch.js";
export {
  WatchBook,
  type ArmedAs,
  type BookedWatch,
  type NodeEvent,
  type WatchKind,
} from "./watches/watch-book.js";
export { WatcherNumbers } from "./watches/watcher-numbers.js";
export { WatchTable, type WatchRequest, type WatchType } from "./watches/watch-table.js";
export { ZnodeMachine, type ZnodeMachineOptions } from "./znode-machine.js";
