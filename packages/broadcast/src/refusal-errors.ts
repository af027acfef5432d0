import { QuorateError } from "@quorate/protocol";

/** What is told to whoever waits for a leader that ends, for what has had no effect. */
export function stoppedLeading(): QuorateError {
  return new QuorateError("ERR_SERVER_NOT_READY", "the leader stopped leading", {
    retryable: true,
  });
}

/** What is told to whoever asks for more than a leader holds in its queue. */
export function queueIsFull(): QuorateError {
  return new QuorateError("ERR_SERVER_BUSY", "leader's queue is full");
}
