import { ANYONE, encodeCaller, QuorateError, TXNID_ZERO, type Clock } from "@quorate/protocol";
import { hasCaller, withCaller, type TreeAnswer, type TreeCall } from "@quorate/znode";
import { ReadGate } from "../native/read-gate.js";
import type { ServerHandle } from "../server-handle.js";

/** For one call in this process that names no time of its own. */
export const LOCAL_CALL_MS = 5000;
/** The host's own program has no address. */
const CALLER = encodeCaller(ANYONE);

/**
 * Requests of this very process, without a socket: the server is called. As on a connection, a read
 * sees the writes that were asked for before it; a write that is given up has an unknown outcome.
 */
export function localCall(
  server: Pick<ServerHandle, "submit" | "read">,
  isRead: (op: number) => boolean,
  clock: Pick<Clock, "setTimer">,
  callerOf: () => Uint8Array = () => CALLER,
): TreeCall {
  const gate = new ReadGate();
  return (op, key, body, { linearizable, signal, timeoutMs = LOCAL_CALL_MS }) => {
    const reads = isRead(op);
    const content = hasCaller(op) ? withCaller(callerOf(), body) : body;
    const run = (): Promise<TreeAnswer> => {
      if (reads) {
        const passed = new Promise<void>((resolve) => gate.passRead(resolve));
        return passed
          .then(() => server.read(op, key, content, { linearizable }))
          .then((answer) => ({ txnid: TXNID_ZERO, content: answer }));
      }
      const write = gate.beginWrite();
      return server.submit(op, key, content).finally(() => gate.endWrite(write));
    };
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
        reject(error instanceof Error ? error : new Error(String(error)));
      },
    );
  });
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
