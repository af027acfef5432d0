import { ZkOp } from "../jute/op-codes.js";

const writes: ReadonlySet<number> = new Set<number>([
  ZkOp.create,
  ZkOp.create2,
  ZkOp.createContainer,
  ZkOp.createTtl,
  ZkOp.delete,
  ZkOp.setData,
  ZkOp.setAcl,
  ZkOp.multi,
]);

const others: ReadonlySet<number> = new Set<number>([
  ZkOp.exists,
  ZkOp.getData,
  ZkOp.getAcl,
  ZkOp.getChildren,
  ZkOp.getChildren2,
  ZkOp.sync,
  ZkOp.ping,
  ZkOp.reconfig,
  ZkOp.checkWatches,
  ZkOp.removeWatches,
  ZkOp.multiRead,
  ZkOp.setWatches,
  ZkOp.setWatches2,
  ZkOp.getEphemerals,
  ZkOp.getAllChildrenNumber,
  ZkOp.addWatch,
  ZkOp.whoAmI,
  ZkOp.closeSession,
]);

/** Changes the tree. */
export function isWrite(op: number): boolean {
  return writes.has(op);
}

/**
 * Whether a client may ask for it outside of a multi. (Authentication, in either way, is not
 * among these: it is no request of a session.)
 * Deviation from ZooKeeper: deleteContainer and createSession are the server's own there as well,
 * but nothing keeps a client from sending them.
 */
export function isKnown(op: number): boolean {
  return writes.has(op) || others.has(op);
}

/** What a server without a quorum refuses its read-only clients. */
export function isRefusedReadOnly(op: number): boolean {
  return writes.has(op) || op === ZkOp.sync || op === ZkOp.reconfig;
}
