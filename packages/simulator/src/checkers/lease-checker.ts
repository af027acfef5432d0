import type { NodeId, QuorumVerifier, Timings } from "@quorate/protocol";
import type { NodeHost } from "../engine/node-host.js";
import type { LinkMap } from "../network/link-map.js";
import type { Violations } from "./violations.js";

/** For the timer of the lease, and for what the machine's own slowness adds. */
const SLACK_MS = 60;

interface LeaderState {
  readonly incarnation: number;
  /** Local time at which it last had a quorum in reach, both ways. */
  reachedAtMs: number;
}

/**
 * Holds the bound on a deposed leader (G15): one that has had no quorum in reach for its lease
 * does not lead any more. Looks at the links, not at what the leader believes.
 */
export class LeaseChecker {
  readonly #links: LinkMap;
  readonly #quorum: QuorumVerifier;
  readonly #boundMs: number;
  readonly #violations: Violations;
  readonly #leaders = new Map<NodeId, LeaderState>();
  /** Local time until which a timer set under F37 may still be late. */
  readonly #lateUntilMs = new Map<NodeId, number>();

  constructor(
    links: LinkMap,
    quorum: QuorumVerifier,
    timings: Pick<Timings, "leaseMs" | "heartbeatMs">,
    violations: Violations,
  ) {
    this.#links = links;
    this.#quorum = quorum;
    this.#boundMs = timings.leaseMs + timings.heartbeatMs + SLACK_MS;
    this.#violations = violations;
  }

  /** To be called often. `isLeading`: it serves as an established leader. */
  look(host: NodeHost, isLeading: boolean): void {
    const { id, incarnation, clock } = host;
    const known = this.#leaders.get(id);
    const nowMs = clock.localMs();
    const { timerLateMs } = clock.faults;
    if (timerLateMs > 0) this.#lateUntilMs.set(id, nowMs + timerLateMs + this.#boundMs);
    const isLate = nowMs < (this.#lateUntilMs.get(id) ?? 0);
    const isExcused = host.isPaused || isLate || this.#hasQuorum(id);
    if (!isLeading || known?.incarnation !== incarnation || isExcused) {
      if (isLeading) this.#leaders.set(id, { incarnation, reachedAtMs: nowMs });
      else this.#leaders.delete(id);
      return;
    }
    const aloneMs = nowMs - known.reachedAtMs;
    this.#violations.expect(
      aloneMs <= this.#boundMs,
      "leaseIsObeyed",
      () => `n${id} leads without a quorum in reach since ${Math.round(aloneMs)} ms`,
    );
  }

  /**
   * A voter's NewLeaderAck has arrived. Its lease counts from that arrival, and from then on from
   * the sending of the heartbeats that it answers (seed 652: the acknowledgement was late).
   */
  acknowledged(host: NodeHost): void {
    const known = this.#leaders.get(host.id);
    if (known !== undefined) known.reachedAtMs = host.clock.localMs();
  }

  #hasQuorum(node: NodeId): boolean {
    const reached = this.#quorum.voterIds.filter(
      (other) =>
        other === node ||
        (!this.#links.of(node, other).isCut && !this.#links.of(other, node).isCut),
    );
    return this.#quorum.hasQuorumOf(reached);
  }
}
