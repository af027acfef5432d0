import {
  CONTENT_BYTES_MAX,
  CUSTOM_REQUEST_MS_MAX,
  CUSTOM_REQUESTS_MAX,
  QuorateError,
} from "@quorate/protocol";
import type {
  Clock,
  CustomRequestHandler,
  Logger,
  MsgFactory,
  RequestMsg,
  ResponseMsg,
  Timer,
} from "@quorate/protocol";

export interface CustomRequestsDeps {
  readonly customHandler?: CustomRequestHandler;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly factory: MsgFactory;
  /** On its way to the node that asked, this one or another. */
  onResponse(response: ResponseMsg): void;
  onRefused(fid: string, request: RequestMsg, error: QuorateError): void;
}

interface Pending {
  readonly fid: string;
  readonly request: RequestMsg;
  readonly since: number;
}

const NO_CONTENT = new Uint8Array(0);

/**
 * The host's own operations that are answered and not logged, from their arrival at the leader to
 * their one answer. A handler is a stranger: one that throws has answered with an error (G10), one
 * that never answers is not waited for without end, and what it answers twice, or to somebody who
 * did not ask, reaches nobody: it must not complete a write that happens to have the same number.
 */
export class CustomRequests {
  readonly #deps: CustomRequestsDeps;
  /** In order of arrival, hence of age. */
  readonly #pending = new Map<string, Pending>();
  #timer: Timer | null = null;

  constructor(deps: CustomRequestsDeps) {
    this.#deps = deps;
    deps.customHandler?.attach((response) => {
      this.respond(response);
    });
  }

  get isEmpty(): boolean {
    return this.#pending.size === 0;
  }

  take(fid: string, request: RequestMsg): void {
    const { customHandler, clock } = this.#deps;
    const refuse = (code: "ERR_SERVER_NO_CUSTOM_HANDLER" | "ERR_SERVER_BUSY", text: string): void =>
      this.#deps.onRefused(fid, request, new QuorateError(code, text));
    if (customHandler === undefined) {
      refuse("ERR_SERVER_NO_CUSTOM_HANDLER", "no custom request handler");
      return;
    }
    if (this.#pending.size >= CUSTOM_REQUESTS_MAX) {
      refuse("ERR_SERVER_BUSY", "too many custom requests wait for their handler");
      return;
    }
    this.#pending.set(keyOf(fid, request.reqId), { fid, request, since: clock.now() });
    this.#armTimer();
    try {
      customHandler.onNewRequest(fid, request)?.catch((error: unknown) => {
        this.#threw(fid, request, error);
      });
    } catch (error) {
      this.#threw(fid, request, error);
    }
  }

  respond(response: ResponseMsg): void {
    if (!this.#pending.delete(keyOf(response.fid, response.reqId))) {
      const { fid, reqId } = response;
      this.#deps.logger.warn("a custom request handler answered what nobody waits for", {
        fid,
        reqId,
      });
      return;
    }
    if (response.content.length <= CONTENT_BYTES_MAX) this.#deps.onResponse(response);
    // No frame holds it: it would cost the pipe of the node that asked.
    else this.#deps.onResponse(this.#failure(response, "the answer is too large"));
  }

  /** The role ends. Whoever waits here and elsewhere learns it as of any lost leader. */
  close(): void {
    this.#timer?.cancel();
    this.#pending.clear();
    this.#deps.customHandler?.attach(null);
  }

  #threw(fid: string, request: RequestMsg, error: unknown): void {
    this.#deps.logger.warn("custom request handler threw", { op: request.op }, error);
    if (!this.#pending.delete(keyOf(fid, request.reqId))) return;
    const text = error instanceof Error && error.message !== "" ? error.message : String(error);
    this.#deps.onResponse(this.#failure({ fid, reqId: request.reqId }, text));
  }

  #failure({ fid, reqId }: Pick<ResponseMsg, "fid" | "reqId">, text: string): ResponseMsg {
    return this.#deps.factory.createResponse(fid, reqId, text, NO_CONTENT);
  }

  #armTimer(): void {
    const [oldest] = this.#pending.values();
    if (this.#timer !== null || oldest === undefined) return;
    const { clock } = this.#deps;
    const ms = oldest.since + CUSTOM_REQUEST_MS_MAX - clock.now();
    this.#timer = clock.setTimer(Math.max(ms, 1), () => {
      this.#timer = null;
      this.#giveUpOld();
      this.#armTimer();
    });
  }

  #giveUpOld(): void {
    const now = this.#deps.clock.now();
    for (const [key, { fid, request, since }] of this.#pending) {
      if (now - since < CUSTOM_REQUEST_MS_MAX) return;
      this.#pending.delete(key);
      this.#deps.logger.warn("custom request handler did not answer", { op: request.op });
      const text = "the custom request handler did not answer in time";
      // Nobody knows what it has done meanwhile.
      this.#deps.onRefused(fid, request, new QuorateError("ERR_CLIENT_OUTCOME_UNKNOWN", text));
    }
  }
}

function keyOf(fid: string, reqId: bigint): string {
  return `${fid}/${reqId}`;
}
