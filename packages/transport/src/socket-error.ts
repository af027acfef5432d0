import { QuorateError } from "@quorate/protocol";
import { systemCodeOf } from "./bind.js";

/** A socket's error as a reason for the end of a pipe or of an attempt. */
export function socketError(error: unknown): QuorateError {
  const code = systemCodeOf(error) ?? "";
  if (code.startsWith("WS_ERR_")) {
    return new QuorateError("ERR_PROTOCOL_DECODE", "the peer sent what is no frame", {
      cause: error,
      details: { code },
    });
  }
  // Whatever answers there speaks something else, or not our path.
  if (code.startsWith("HPE_") || (code === "" && error instanceof Error)) {
    return new QuorateError("ERR_PROTOCOL_HANDSHAKE", "what answers is no Quorate peer", {
      cause: error,
    });
  }
  return new QuorateError("ERR_PROTOCOL_CLOSED", "the connection was refused or lost", {
    cause: error,
    retryable: true,
    details: { code },
  });
}
