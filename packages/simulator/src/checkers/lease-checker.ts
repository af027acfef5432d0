import type { NodeId, QuorumVerifier, Timings } from "@quorate/protocol";
import type { NodeHost } from "../engine/node-host.js";
import type { LinkMap } from "../network/link-map.js";
import type { Violations } from "./violations.js";

/** For the timer of the lease, and for what the machine's own slowness adds. */
const SLACK_MS = 60;

interface LeaderState {
  readonly incarnation: number;
  /** Local time before which nothing is held against it. */
  excusedUntilMs: number;
  /** Per voter, local time at which the leader's messages last reached it. */
  readonly reachedAtMs: Map<NodeId, number>;
  /** Per voter, the last of those times that an answer can have told the leader of. */
  readonly provenAtMs: Map<NodeId, number>;
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
    const nowMs = clock.localMs();
    const { timerLateMs } = clock.faults;
    if (timerLateMs > 0) this.#lateUntilMs.set(id, nowMs + timerLateMs + this.#boundMs);
    if (!isLeading) {
      this.#leaders.delete(id);
      return;
    }
    const state = this.#stateOf(id, incarnation, nowMs);
    this.#note(state, id, nowMs);
    const isLate = nowMs < (this.#lateUntilMs.get(id) ?? 0);
    if (host.isPaused || isLate) state.excusedUntilMs = nowMs;
    const aloneMs = nowMs - Math.max(state.excusedUntilMs, this.#quorumProvenAt(state, id, nowMs));
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
    if (known !== undefined) known.excusedUntilMs = host.clock.localMs();
  }

  #stateOf(id: NodeId, incarnation: number, nowMs: number): LeaderState {
    const known = this.#leaders.get(id);
    if (known?.incarnation === incarnation) return known;
    const state = {
      incarnation,
      excusedUntilMs: nowMs,
      reachedAtMs: new Map<NodeId, number>(),
      provenAtMs: new Map<NodeId, number>(),
    };
    this.#leaders.set(id, state);
    return state;
  }

  /**
   * The two ways need not be open at one time: what reached a voter while only the way there was
   * open is answered when only the way back is (seed 1027).
   */
  #note({ reachedAtMs, provenAtMs }: LeaderState, id: NodeId, nowMs: number): void {
    for (const other of this.#quorum.voterIds) {
      if (other === id) continue;
      if (!this.#links.of(id, other).isCut) reachedAtMs.set(other, nowMs);
      const reached = reachedAtMs.get(other);
      if (reached !== undefined && !this.#links.of(other, id).isCut) provenAtMs.set(other, reached);
    }
  }

  /** The latest time as of which a quorum, the leader included, can have been proven. */
  #quorumProvenAt({ provenAtMs }: LeaderState, id: NodeId, nowMs: number): number {
    const proven = [[id, nowMs] as const, ...provenAtMs].sort(([, a], [, b]) => b - a);
    const voters: NodeId[] = [];
    for (const [voter, atMs] of proven) {
      voters.push(voter);
      if (this.#quorum.hasQuorumOf(voters)) return atMs;
    }
    return Number.NEGATIVE_INFINITY;
  }
}
