import { OpCode } from "@quorate/protocol";

/** The operations of the tree. */
export const ZnodeOp = {
  create: OpCode.add,
  set: OpCode.set,
  delete: OpCode.delete,
  setAcl: OpCode.setAcl,
  multi: OpCode.multi,
  /** In a multi only. */
  check: OpCode.check,
  createSession: OpCode.createSession,
  closeSession: OpCode.closeSession,
  resumeSession: OpCode.resumeSession,
  /** An entry only: what a resumeSession becomes. */
  moveSession: OpCode.moveSession,
  deleteExpired: OpCode.deleteExpired,
  /** The operator's own. */
  importNodes: OpCode.importNodes,
  /** Ordered like a write, kept nowhere: its content reaches every subscriber. */
  broadcast: OpCode.broadcast,
  get: OpCode.get,
  exists: OpCode.exists,
  children: OpCode.children,
  getAcl: OpCode.getAcl,
  getEphemerals: OpCode.getEphemerals,
  countAllChildren: OpCode.countAllChildren,
} as const;

export type ZnodeOp = (typeof ZnodeOp)[keyof typeof ZnodeOp];

const reads: ReadonlySet<number> = new Set<number>([
  ZnodeOp.get,
  ZnodeOp.exists,
  ZnodeOp.children,
  ZnodeOp.getAcl,
  ZnodeOp.getEphemerals,
  ZnodeOp.countAllChildren,
]);

/** Whether it is answered from the applied state, and so is no entry of the log. */
export function isZnodeRead(op: number): boolean {
  return reads.has(op);
}
