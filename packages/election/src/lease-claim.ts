import type { Epoch, NodeId, QuorumVerifier } from "@quorate/protocol";

export interface LeaseClaimOptions {
  readonly self: NodeId;
  readonly quorum: QuorumVerifier;
  readonly term: Epoch;
  readonly leaseMs: number;
}

/**
 * One claim to lead: who has granted it, and until when it stands.
 *
 * Safety: a grant counts from when the claim that it answers was *sent*. However long datagrams,
 * either process or the event loop took, it cannot count for longer than the voter holds it.
 */
export class LeaseClaim {
  readonly #options: LeaseClaimOptions;
  /** When each of the latest beats was sent. Those older than a lease prove nothing. */
  readonly #sentAt = new Map<number, number>();
  /** The sending time of the newest beat that each other voter has granted. */
  readonly #grants = new Map<NodeId, number>();

  constructor(options: LeaseClaimOptions) {
    this.#options = options;
  }

  get term(): Epoch {
    return this.#options.term;
  }

  /** Numbers are the caller's, and never repeat within one start. */
  beatSent(now: number, beat: number): void {
    for (const [old, at] of this.#sentAt) {
      if (now - at > this.#options.leaseMs) this.#sentAt.delete(old);
    }
    this.#sentAt.set(beat, now);
  }

  granted(voter: NodeId, beat: number): void {
    const sentAt = this.#sentAt.get(beat);
    if (sentAt === undefined) return;
    const known = this.#grants.get(voter);
    if (known === undefined || known < sentAt) this.#grants.set(voter, sentAt);
  }

  /** The voter was restarted: what it granted so far counts no more. */
  forget(voter: NodeId): void {
    this.#grants.delete(voter);
  }

  /** Until when the claimant leads, if nothing more is granted; in the past without a quorum. */
  standsUntil(now: number): number {
    const { self, quorum, leaseMs } = this.#options;
    const counted: NodeId[] = [self];
    if (quorum.hasQuorumOf(counted)) return now + leaseMs;
    const newestFirst = [...this.#grants].sort(([, a], [, b]) => b - a);
    for (const [voter, sentAt] of newestFirst) {
      counted.push(voter);
      if (quorum.hasQuorumOf(counted)) return sentAt + leaseMs;
    }
    return Number.NEGATIVE_INFINITY;
  }
}
