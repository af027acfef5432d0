import { QuorateError } from "@quorate/protocol";

/** What is told to whoever waits for a leader that ends, for what has had no effect. */
export function stoppedLeading(): QuorateError {
  return new QuorateError("ERR_SERVER_NOT_READY", "the leader stopped leading", {
    retryable: true,
  });
}
