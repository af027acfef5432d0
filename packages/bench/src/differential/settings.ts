import { digestId } from "./generate-values.js";
import { sessionMs } from "./steps.js";

/** The longest that both sides take, and longer than any run: nothing happens by time alone. */
export const HOUR_MS = 3_600_000;

/** Of Quorate's nodes in a comparison: brings out what is compared. */
export const quorateSettings = {
  timings: { nodeExpiryMs: HOUR_MS },
  zookeeper: {
    minSessionTimeoutMs: sessionMs.min,
    maxSessionTimeoutMs: sessionMs.max,
    maxClientCnxns: 0,
    superDigest: digestId("super"),
  },
} as const;
