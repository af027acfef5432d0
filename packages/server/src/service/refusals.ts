import { QuorateError } from "@quorate/protocol";

export function notReadyError(): QuorateError {
  return new QuorateError("ERR_SERVER_NOT_READY", "no leader is established", { retryable: true });
}

export function closedError(): QuorateError {
  return new QuorateError("ERR_SERVER_CLOSED", "the server is stopping", { retryable: true });
}
