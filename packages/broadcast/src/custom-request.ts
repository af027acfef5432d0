import { QuorateError } from "@quorate/protocol";
import type {
  CustomRequestHandler,
  Logger,
  MsgFactory,
  RequestMsg,
  ResponseMsg,
} from "@quorate/protocol";

/**
 * Hands one of the host's own operations to its handler. A host that throws has answered with an
 * error; it never takes the leader along (G10).
 * @returns what must be answered at once; null when the handler answers later.
 */
export function runCustomRequest(
  fid: string,
  request: RequestMsg,
  deps: {
    readonly customHandler?: CustomRequestHandler;
    readonly factory: MsgFactory;
    readonly logger: Logger;
  },
): QuorateError | ResponseMsg | null {
  const { customHandler, factory, logger } = deps;
  if (customHandler === undefined) {
    return new QuorateError("ERR_SERVER_NO_CUSTOM_HANDLER", "no custom request handler");
  }
  try {
    customHandler.onNewRequest(fid, request);
    return null;
  } catch (error) {
    logger.warn("custom request handler threw", { op: request.op }, error);
    const text = error instanceof Error && error.message !== "" ? error.message : String(error);
    return factory.createResponse(fid, request.reqId, text, new Uint8Array());
  }
}
