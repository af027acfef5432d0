import { isUint8Array } from "node:util/types";
import {
  defaultMsgFactory,
  isCustomOpCode,
  QuorateError,
  type CustomRequestHandler,
  type RequestMsg,
  type ResponseMsg,
} from "@quorate/protocol";

export interface CustomRequest {
  /** The node whose client asked, in decimal. */
  readonly fid: string;
  readonly op: number;
  readonly key: string;
  readonly content: Uint8Array;
}

/**
 * Answers one operation of the host's own, with bytes. A throw, a rejection, or an answer that is
 * not a Uint8Array is an error response.
 */
export type CustomHandler = (request: CustomRequest) => Uint8Array | Promise<Uint8Array>;

/** By op code, 51 to 255. */
export type CustomHandlers = Readonly<Record<number, CustomHandler>>;

/** Handlers that return their answers, in the form that a leader asks. @throws ERR_CONFIG_VALUE. */
export function customRequestHandler(handlers: CustomHandlers): CustomRequestHandler {
  const byOp = new Map<number, CustomHandler>();
  for (const [key, handler] of Object.entries<unknown>(handlers)) {
    // As it is written: "060" would be one code more for 60.
    if (!/^[1-9]\d*$/.test(key) || !isCustomOpCode(Number(key))) {
      throw new QuorateError("ERR_CONFIG_VALUE", `handlers: ${key} is not in 51..255`);
    }
    if (typeof handler !== "function") {
      throw new QuorateError("ERR_CONFIG_VALUE", `handlers: that of ${key} is not a function`);
    }
    byOp.set(Number(key), handler as CustomHandler);
  }
  let respond: ((response: ResponseMsg) => void) | null = null;
  return {
    attach: (to) => {
      respond = to;
    },
    async onNewRequest(fid: string, { reqId, op, key, content }: RequestMsg) {
      const handler = byOp.get(op);
      if (handler === undefined) throw new Error(`there is no handler for operation ${op}`);
      // A program without types may return anything, and the wire takes bytes.
      // And gets a copy: in this process the content is the caller's own.
      const answer: unknown = await handler({ fid, op, key, content: content.slice() });
      if (!isUint8Array(answer)) {
        const what = answer === null ? "null" : `a value of type ${typeof answer}`;
        throw new Error(`the handler of operation ${op} must return a Uint8Array, not ${what}`);
      }
      // The leader that asked may have ended meanwhile; nobody waits for the answer then.
      // What the handler changes later must not change what is on its way.
      respond?.(defaultMsgFactory.createResponse(fid, reqId, "", answer.slice()));
    },
  };
}
