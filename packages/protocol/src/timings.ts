import { QuorateError } from "./errors.js";

/** All waits of the protocol, in milliseconds. Their relations are checked at start. */
export interface Timings {
  /** Between two heartbeats, both ways. */
  readonly heartbeatMs: number;
  /** A leader that for this long proved no quorum stops serving; counted from the sending time. */
  readonly leaseMs: number;
  /** A follower that hears nothing from its leader for this long elects. */
  readonly followerTimeoutMs: number;
  /** An append unanswered for this long ends the role; the node stays out until it is answered. */
  readonly diskTimeoutMs: number;
  /** First and last pause between two sendings of an unanswered ballot. */
  readonly ballotResendMs: number;
  readonly ballotResendMsMax: number;
  /** With a quorum and votes still missing: how long to wait for a better one. */
  readonly finalizeWaitMs: number;
  /** First and last pause between attempts to reach a freshly elected leader. */
  readonly connectRetryMs: number;
  readonly connectRetryMsMax: number;
  /** For the whole of reaching a freshly elected leader. */
  readonly connectTimeoutMs: number;
  /**
   * For the two gates of discovery, from the start of the role; anew when the first is open and
   * with each promise that becomes durable. A promise that is being written has diskTimeoutMs.
   */
  readonly discoveryTimeoutMs: number;
  /** Without any progress in making histories equal. */
  readonly syncTimeoutMs: number;
  /** Pause before a failed role is followed by a new election, grown by jitter. */
  readonly roleRestartMs: number;
  /** For draining at a handover. */
  readonly drainTimeoutMs: number;
  /** Between two looks for containers without children and nodes whose time to live is over. */
  readonly nodeExpiryMs: number;
}

export const DEFAULT_TIMINGS: Timings = {
  heartbeatMs: 100,
  leaseMs: 1000,
  followerTimeoutMs: 1500,
  diskTimeoutMs: 5000,
  ballotResendMs: 50,
  ballotResendMsMax: 500,
  finalizeWaitMs: 50,
  connectRetryMs: 5,
  connectRetryMsMax: 100,
  connectTimeoutMs: 1000,
  discoveryTimeoutMs: 2000,
  syncTimeoutMs: 10_000,
  roleRestartMs: 10,
  drainTimeoutMs: 1000,
  nodeExpiryMs: 60_000,
};

/** @throws ERR_CONFIG_VALUE on a value, ERR_CONFIG_RELATION on two that contradict each other. */
export function checkTimings(timings: Timings): Timings {
  for (const [name, value] of Object.entries(timings) as [string, number][]) {
    if (!Number.isFinite(value) || value <= 0 || value > 3_600_000) {
      throw new QuorateError("ERR_CONFIG_VALUE", `${name} must lie in 1..3600000 ms`, {
        details: { [name]: value },
      });
    }
  }
  const relations: readonly (readonly [keyof Timings, number, keyof Timings])[] = [
    // Three lost heartbeats are not yet an election.
    ["heartbeatMs", 3, "leaseMs"],
    // A deposed leader has stopped before its followers elect another.
    ["leaseMs", 1, "followerTimeoutMs"],
    ["ballotResendMs", 1, "ballotResendMsMax"],
    ["finalizeWaitMs", 1, "ballotResendMsMax"],
    ["connectRetryMs", 1, "connectRetryMsMax"],
    ["connectRetryMsMax", 1, "connectTimeoutMs"],
    // A slow disk must be able to answer before sync gives up on it.
    ["diskTimeoutMs", 1, "syncTimeoutMs"],
  ];
  for (const [smaller, factor, greater] of relations) {
    if (timings[smaller] * factor > timings[greater]) {
      const times = factor === 1 ? "" : `${factor} x `;
      throw new QuorateError(
        "ERR_CONFIG_RELATION",
        `${times}${smaller} must not exceed ${greater}`,
        {
          details: { [smaller]: timings[smaller], [greater]: timings[greater] },
        },
      );
    }
  }
  return timings;
}
