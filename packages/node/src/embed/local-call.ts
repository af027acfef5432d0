import { ANYONE, encodeCaller, QuorateError, TXNID_ZERO, type Clock } from "@quorate/protocol";
import { hasCaller, withCaller, type TreeAnswer, type TreeCall } from "@quorate/znode";
import { isLogged, RequestOrder } from "../native/request-order.js";
import type { ServiceDesk } from "../native/service-desk.js";
import type { ServerHandle } from "../server-handle.js";

/** For one call in this process that names no time of its own. */
export const LOCAL_CALL_MS = 5000;
/** The host's own program has no address. */
const CALLER = encodeCaller(ANYONE);

export interface LocalCallParts {
  readonly server: Pick<ServerHandle, "submit" | "read">;
  readonly desk: ServiceDesk;
  readonly isRead: (op: number) => boolean;
  readonly clock: Pick<Clock, "setTimer">;
}

/**
 * Requests of this very process, without a socket. As on a connection, a read sees the writes that
 * were asked for before it and none that were asked for after it; a write that is given up has an
 * unknown outcome. One that still waits for its turn when its user has ended is not begun: the
 * session may be another's by now, whose writes it must not overtake (Invariant 8).
 */
export function localCall(
  { server, desk, isRead, clock }: LocalCallParts,
  order: RequestOrder = new RequestOrder(),
  callerOf: () => Uint8Array = () => CALLER,
  endingOf: () => QuorateError | null = () => null,
): TreeCall {
  return (op, key, body, { linearizable, signal, timeoutMs = LOCAL_CALL_MS }) => {
    const reads = isRead(op);
    const content = hasCaller(op) ? withCaller(callerOf(), body) : body;
    const run = (): Promise<TreeAnswer> =>
      new Promise((resolve, reject) => {
        if (reads) {
          const isLate = linearizable;
          order.passRead((ended) => {
            const answered = (answer: Uint8Array): void => {
              resolve({ txnid: TXNID_ZERO, content: answer });
              ended();
            };
            const failed = (error: unknown): void => {
              reject(asError(error));
              ended();
            };
            const tree = isLate ? null : desk.tree;
            if (tree?.isServing !== true) {
              server.read(op, key, content, { linearizable }).then(answered, failed);
              return;
            }
            const result = tree.readNow(op, key, content);
            if (result.ok) answered(result.content.slice());
            else failed(new QuorateError(result.code, result.message));
          }, isLate);
          return;
        }
        order.passWrite((write) => {
          const answered = (answer: TreeAnswer): void => {
            resolve(answer);
            order.endWrite(write);
          };
          const failed = (error: unknown): void => {
            reject(asError(error));
            order.endWrite(write);
          };
          const ending = endingOf();
          if (ending !== null) {
            failed(ending);
            return;
          }
          const { tree } = desk;
          if (tree === null) {
            server.submit(op, key, content).then(answered, failed);
            return;
          }
          tree.submit(op, key, content, (outcome) => {
            if (!outcome.ok) failed(outcome.error);
            else answered({ txnid: outcome.txnid, content: outcome.content.slice() });
          });
        }, isLogged(op));
      });
    if (signal?.aborted === true) return Promise.reject(aborted(signal));
    return bounded(run(), { reads, signal, timeoutMs, clock });
  };
}

interface Bounds {
  readonly reads: boolean;
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number;
  readonly clock: Pick<Clock, "setTimer">;
}

function bounded(
  work: Promise<TreeAnswer>,
  { reads, signal, timeoutMs, clock }: Bounds,
): Promise<TreeAnswer> {
  return new Promise((resolve, reject) => {
    const giveUp = (error: QuorateError): void => {
      settle();
      reject(reads ? error : unknownOutcome(error));
    };
    const onAbort = (): void => {
      if (signal !== undefined) giveUp(aborted(signal));
    };
    const timer = clock.setTimer(timeoutMs, () => {
      giveUp(new QuorateError("ERR_CLIENT_TIMEOUT", `no answer within ${timeoutMs} ms`));
    });
    const settle = (): void => {
      timer.cancel();
      signal?.removeEventListener("abort", onAbort);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    work.then(
      (answer) => {
        settle();
        resolve(answer);
      },
      (error: unknown) => {
        settle();
        reject(asError(error));
      },
    );
  });
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function aborted(signal: AbortSignal): QuorateError {
  return new QuorateError("ERR_CLIENT_ABORTED", "the call was aborted", { cause: signal.reason });
}

function unknownOutcome(cause: QuorateError): QuorateError {
  return new QuorateError(
    "ERR_CLIENT_OUTCOME_UNKNOWN",
    "the write was given up; it may or may not take effect",
    { cause },
  );
}
