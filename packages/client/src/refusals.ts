import { QuorateError } from "@quorate/protocol";

/** Refusals that leave nothing behind: the same request may be sent again, also elsewhere. */
export const NOT_TAKEN_ON: ReadonlySet<string> = new Set([
  "ERR_SERVER_NOT_READY",
  "ERR_SERVER_NOT_LEADING",
  "ERR_SERVER_BUSY",
  "ERR_SERVER_CLOSED",
  // The session is taken up again; what was turned away has had no effect.
  "ERR_SESSION_MOVED",
]);
/** What a server says that cannot take a client up now: another one may, or this one later. */
export const NOT_TAKEN_UP: ReadonlySet<string> = new Set([
  ...NOT_TAKEN_ON,
  "ERR_CLIENT_TIMEOUT",
  "ERR_CLIENT_OUTCOME_UNKNOWN",
]);

export function aborted(signal: AbortSignal): QuorateError {
  return new QuorateError("ERR_CLIENT_ABORTED", "the call was aborted", { cause: signal.reason });
}
