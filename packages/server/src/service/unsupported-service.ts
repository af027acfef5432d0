import {
  QuorateError,
  TXNID_ZERO,
  type ErrorCode,
  type NodeId,
  type Service,
} from "@quorate/protocol";

const CODE: ErrorCode = "ERR_SERVER_UNSUPPORTED";
const MESSAGE = "a host of its own has no tree to serve";

/** Of a node over a host's own ActionHandler: there is no tree, and there are no sessions. */
export function unsupportedService(nodeId: NodeId): Service {
  const error = (): QuorateError => new QuorateError(CODE, MESSAGE);
  return {
    nodeId,
    isServing: false,
    lastApplied: TXNID_ZERO,
    sessionCount: 0,
    attach: () => () => undefined,
    readNow: () => ({ ok: false, code: CODE, message: MESSAGE }),
    submit: (_op, _key, _content, complete) => {
      complete({ ok: false, error: error() });
    },
    catchUp: (done) => {
      done(error());
    },
    session: () => undefined,
    takeOver: () => undefined,
    touch: () => undefined,
  };
}
