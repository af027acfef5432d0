import type { ErrorCode } from "@quorate/protocol";
import { ZkOp } from "./jute/op-codes.js";

/** ZooKeeper's error numbers. */
export const ZkError = {
  ok: 0,
  systemError: -1,
  runtimeInconsistency: -2,
  marshalling: -5,
  unimplemented: -6,
  badArguments: -8,
  noNode: -101,
  noAuth: -102,
  badVersion: -103,
  noChildrenForEphemerals: -108,
  nodeExists: -110,
  notEmpty: -111,
  sessionExpired: -112,
  invalidAcl: -114,
  authFailed: -115,
  sessionMoved: -118,
  notReadOnly: -119,
  noWatcher: -121,
  reconfigDisabled: -123,
  authRequired: -124,
  quotaExceeded: -125,
  throttled: -127,
} as const;

/** The one table between this project's codes and ZooKeeper's numbers. */
const numbers: ReadonlyMap<ErrorCode, number> = new Map<ErrorCode, number>([
  ["ERR_PROTOCOL_DECODE", ZkError.marshalling],
  ["ERR_ARG_PATH", ZkError.badArguments],
  ["ERR_ARG_VALUE", ZkError.badArguments],
  // ZooKeeper bounds the packet alone. Here it is told, not cut off: its client would only retry.
  ["ERR_ARG_TOO_LARGE", ZkError.badArguments],
  ["ERR_ZNODE_NO_NODE", ZkError.noNode],
  ["ERR_ZNODE_NODE_EXISTS", ZkError.nodeExists],
  ["ERR_ZNODE_BAD_VERSION", ZkError.badVersion],
  ["ERR_ZNODE_NOT_EMPTY", ZkError.notEmpty],
  ["ERR_ZNODE_BAD_ARGUMENTS", ZkError.badArguments],
  ["ERR_ZNODE_UNIMPLEMENTED", ZkError.unimplemented],
  ["ERR_ZNODE_INCONSISTENT", ZkError.runtimeInconsistency],
  ["ERR_ZNODE_NO_AUTH", ZkError.noAuth],
  ["ERR_ZNODE_NO_CHILDREN_FOR_EPHEMERALS", ZkError.noChildrenForEphemerals],
  ["ERR_ZNODE_INVALID_ACL", ZkError.invalidAcl],
  ["ERR_ZNODE_NO_WATCHER", ZkError.noWatcher],
  ["ERR_ZNODE_RECONFIG_DISABLED", ZkError.reconfigDisabled],
  ["ERR_ZNODE_QUOTA_EXCEEDED", ZkError.quotaExceeded],
  // No number of its own: clients die of those that their release does not know.
  ["ERR_ZNODE_TOO_MANY_EPHEMERALS", ZkError.badArguments],
  ["ERR_SESSION_EXPIRED", ZkError.sessionExpired],
  ["ERR_SESSION_MOVED", ZkError.sessionMoved],
  ["ERR_SESSION_AUTH_FAILED", ZkError.authFailed],
  ["ERR_SESSION_AUTH_REQUIRED", ZkError.authRequired],
  ["ERR_SESSION_READ_ONLY", ZkError.notReadOnly],
  ["ERR_SESSION_THROTTLED", ZkError.throttled],
  ["ERR_SERVER_BUSY", ZkError.throttled],
  ["ERR_SERVER_UNSUPPORTED", ZkError.unimplemented],
]);

/**
 * What the client is told; null when it can be told nothing that is true, and the connection must
 * close: the outcome is unknown, or this node has no role in which it could have one.
 */
export function zkErrorOf(code: ErrorCode): number | null {
  return numbers.get(code) ?? null;
}

/** What ZooKeeper makes of a path that is none. Some writes look at it; all else finds no node. */
export function badPathError(op: number): number {
  switch (op) {
    case ZkOp.create:
    case ZkOp.create2:
    case ZkOp.createTtl:
    case ZkOp.createContainer:
    case ZkOp.setData:
    case ZkOp.setAcl:
    case ZkOp.check:
      return ZkError.badArguments;
    default:
      return ZkError.noNode;
  }
}
