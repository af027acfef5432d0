import { toNodeId, TXNID_ZERO, type Service } from "@quorate/protocol";

/** Of a node that does not serve and never will. */
export const idleService: Service = {
  nodeId: toNodeId(1),
  isServing: false,
  lastApplied: TXNID_ZERO,
  sessionCount: 0,
  attach: () => () => undefined,
  readNow: () => ({ ok: false, code: "ERR_SERVER_NOT_READY", message: "it never serves" }),
  submit: () => undefined,
  catchUp: () => undefined,
  session: () => undefined,
  takeOver: () => undefined,
  touch: () => undefined,
};
