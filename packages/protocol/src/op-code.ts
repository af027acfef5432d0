/**
 * Operation codes. 1..7 are the original's; 8..49 belong to Quorate; custom codes are above 50
 * and go to the host's CustomRequestHandler.
 */
export const OpCode = {
  add: 1,
  set: 2,
  delete: 3,
  get: 4,
  streamBegin: 5,
  streamEnd: 6,
  broadcast: 7,
  exists: 8,
  children: 9,
  setAcl: 10,
  /** Several writes and checks, all or none, under one txnid. */
  multi: 11,
  createSession: 12,
  /** Its ephemerals go in the same transaction. */
  closeSession: 13,
  /** The leader's own: a container without children, or a node whose time to live is over. */
  deleteExpired: 14,
  /** A version check; within a multi only. */
  check: 15,
  /** The operator's own: nodes of another ensemble, with all that it knew of them. */
  importNodes: 16,
  /** An entry only: what resumeSession becomes where the session was at another node. */
  moveSession: 17,
  getAcl: 20,
  /** Paths of the caller's own ephemerals below a prefix. */
  getEphemerals: 21,
  countAllChildren: 22,
  /** A session goes on at the node that asks: logged, as moveSession, when it was elsewhere. */
  resumeSession: 30,
  /** The operator's own, answered by the leader, not logged: the next epoch is to be higher. */
  raiseEpoch: 37,
  /** Internal: the identity table, whole, as the founding leader saw it. */
  foundEnsemble: 40,
  /** Internal: one node id and the identity that is admitted under it. */
  admitVoter: 41,
} as const;

export const CUSTOM_OP_CODE_MIN = 51;
export const OP_CODE_MAX = 255;

/** Entries that the ensemble itself writes; they never reach the state machine. */
export function isInternalOpCode(op: number): boolean {
  return op === OpCode.foundEnsemble || op === OpCode.admitVoter;
}

const SESSION_OPS: ReadonlySet<number> = new Set<number>([
  OpCode.createSession,
  OpCode.closeSession,
  OpCode.resumeSession,
  OpCode.moveSession,
]);

/** By these a node keeps its clients' sessions: no client asks for them in their own bytes. */
export function isSessionOpCode(op: number): boolean {
  return SESSION_OPS.has(op);
}

/** Only a leader takes these on, by itself: no client and no other node may ask for them. */
export function isLeaderOpCode(op: number): boolean {
  return op === OpCode.deleteExpired;
}

/** Only for the ensemble's operator: a client has to prove that it is. */
export function isOperatorOpCode(op: number): boolean {
  return op === OpCode.importNodes || op === OpCode.raiseEpoch;
}

export function isCustomOpCode(op: number): boolean {
  return op >= CUSTOM_OP_CODE_MIN && op <= OP_CODE_MAX;
}
