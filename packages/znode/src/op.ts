import { OpCode } from "@quorate/protocol";

/** The operations of the tree. The first five are writes, the others reads. */
export const ZnodeOp = {
  create: OpCode.add,
  set: OpCode.set,
  delete: OpCode.delete,
  /** Ordered like a write, kept nowhere: its content reaches every subscriber. */
  broadcast: OpCode.broadcast,
  get: OpCode.get,
  exists: OpCode.exists,
  children: OpCode.children,
} as const;

export type ZnodeOp = (typeof ZnodeOp)[keyof typeof ZnodeOp];
