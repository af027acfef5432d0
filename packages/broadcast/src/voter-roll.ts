import type { Clock, Identity, NodeId, Txnid } from "@quorate/protocol";
import type { CommitTracker } from "./commit-tracker.js";
import type { HeartbeatRounds } from "./heartbeat-rounds.js";
import type { Member } from "./peer-list.js";

export interface VoterRollDeps {
  readonly tracker: CommitTracker;
  readonly rounds: HeartbeatRounds;
  readonly clock: Clock;
  readonly leaseMs: number;
}

/**
 * Which voters count for a leader, for its commits and for its lease alike.
 *
 * One whose connection was closed on purpose is _suspended_: it counts as before until it is back,
 * or until the lease is over. Safety: what it has accepted is as durable as before, nothing new
 * counts until it has joined again, and the rounds that it answered grow old as those of a silent
 * voter.
 */
export class VoterRoll {
  readonly #deps: VoterRollDeps;
  readonly #suspended = new Map<NodeId, number>();
  #admitted: { readonly voter: NodeId; readonly identity: Identity }[] = [];

  constructor(deps: VoterRollDeps) {
    this.#deps = deps;
  }

  /** It has joined, or was admitted; `upTo` is durable there. Returns whether the mark moved. */
  count(voter: NodeId, upTo: Txnid): boolean {
    this.#suspended.delete(voter);
    this.#deps.rounds.count(voter);
    return this.#deps.tracker.count(voter, upTo);
  }

  /** Its re-admission is committed; counted by the next {@link countAdmitted}. */
  admit(voter: NodeId, identity: Identity): void {
    this.#admitted.push({ voter, identity });
  }

  /** Returns whether the mark moved. */
  countAdmitted(members: Iterable<Member>): boolean {
    let hasMoved = false;
    const { tracker } = this.#deps;
    const admitted = this.#admitted;
    if (admitted.length === 0) return hasMoved;
    this.#admitted = [];
    const connected = [...members];
    for (const { voter, identity } of admitted) {
      for (const { id, identity: known, acceptedUpTo } of connected) {
        if (id !== voter || known !== identity || tracker.isCounted(voter)) continue;
        // What it accepted before is as durable as what it accepts from now on.
        if (this.count(voter, acceptedUpTo)) hasMoved = true;
      }
    }
    return hasMoved;
  }

  uncount(voter: NodeId): void {
    this.#suspended.delete(voter);
    this.#deps.tracker.uncount(voter);
    this.#deps.rounds.removeVoter(voter);
  }

  suspend(voter: NodeId): void {
    this.#suspended.set(voter, this.#deps.clock.now());
  }

  /** Those that did not come back within the lease are gone. Returns whether there was any. */
  dropSuspended(): boolean {
    const { clock, leaseMs } = this.#deps;
    const gone = [...this.#suspended].filter(([, since]) => clock.now() - since > leaseMs);
    for (const [voter] of gone) this.uncount(voter);
    return gone.length > 0;
  }
}
