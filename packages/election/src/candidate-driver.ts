import {
  assertNever,
  errorCodeOf,
  QuorateError,
  toIdentity,
  type Clock,
  type Identity,
  type LeaseMsg,
  type Logger,
  type NodeId,
  type OpenElectionNetwork,
  type QuorumVerifier,
  type Random,
  type Timer,
} from "@quorate/protocol";
import type { BallotTimings } from "./ballot-master.js";
import type {
  CandidateEffect,
  CandidateEvent,
  CandidateTimings,
  LostReason,
  Standpoint,
} from "./candidate-events.js";
import { CandidateMachine } from "./candidate-machine.js";
import { createElectionSite, type ElectionSite, type ElectionState } from "./election-site.js";
import { LeaseChannel } from "./lease-channel.js";

/** A second farewell follows the first after so long: one datagram may be lost. */
const FAREWELL_REPEAT_MS = 10;

/** What is due already waits for so long: no mistake of a machine makes its process spin. */
const TIMER_MS_MIN = 1;

export type CandidateRank = Pick<ElectionState, "currentEpoch" | "lastLogged" | "lastCommitted">;

export interface CandidateDriverOptions {
  readonly nodeId: NodeId;
  readonly cluster: string;
  readonly quorum: QuorumVerifier;
  readonly timings: CandidateTimings & BallotTimings;
}

export interface CandidateDriverDeps {
  readonly network: OpenElectionNetwork;
  readonly logger: Logger;
  rank(): CandidateRank;
  /** Before `onState` of the state that follows. */
  onLost(lost: { readonly term: number; readonly reason: LostReason }): void;
  onState(standpoint: Standpoint): void;
  /** The candidate has ended by itself. `onState` has told that it is closed. */
  onFailed(error: QuorateError): void;
}

/** Owns the machine, an election site and the timer; turns arrivals and time into events. */
export class CandidateDriver {
  readonly #deps: CandidateDriverDeps;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #machine: CandidateMachine;
  readonly #channel: LeaseChannel;
  readonly #site: ElectionSite;
  readonly #identity: Identity;
  /** Events that a listener of this candidate caused while one is worked off. */
  readonly #events: CandidateEvent[] = [];
  #isStepping = false;
  #timer: Timer | null = null;
  #timerAt = 0;
  /** Counts ballots: the end of an earlier one says nothing any more. */
  #ballot = 0;
  #lastRelease: LeaseMsg | null = null;
  #told: Standpoint["status"] | null = null;
  #toldTerm: number | null = null;

  constructor(options: CandidateDriverOptions, deps: CandidateDriverDeps) {
    this.#deps = deps;
    this.#logger = deps.logger.child({ component: "candidate" });
    const { nodeId, cluster, quorum, timings } = options;
    const { clock, random, leases, messenger } = deps.network;
    this.#clock = clock;
    this.#random = random;
    this.#identity = makeIdentity(random);
    // 0 stands for "unknown" in an echo.
    const bootId = random.nextUint64() || 1n;
    this.#machine = new CandidateMachine({
      self: { node: nodeId, bootId },
      quorum,
      timings,
      now: clock.now(),
    });
    this.#channel = new LeaseChannel(
      { self: nodeId, cluster, bootId, quorum, answerWindowMs: timings.ballotResendMs },
      leases,
      clock,
      (arrival) => this.#step({ kind: "arrived", arrival }),
    );
    this.#site = createElectionSite(
      { nodeId, cluster, quorum, timings },
      {
        clock,
        random,
        messenger,
        logger: deps.logger,
        state: () => this.#ballotState(),
        // A claimant says to the others that it leads, so that they wait for it. It is no leader.
        isSettled: () => this.#machine.standpoint.leader !== null,
      },
    );
  }

  start(): void {
    this.#run(this.#machine.start(this.#clock.now()));
    this.#armTimer();
  }

  /** How many ms this node leads from now if it hears nothing more; 0 when it does not lead. */
  leadsForMs(): number {
    const now = this.#clock.now();
    return Math.max(0, this.#machine.leadsUntil(now) - now);
  }

  /** Says goodbye and closes the network. Idempotent is the caller's part. */
  async close(): Promise<void> {
    this.#lastRelease = null;
    this.#step({ kind: "leave" });
    await this.#repeatFarewell();
    this.#timer?.cancel();
    this.#channel.close();
    this.#site.close();
    await this.#deps.network.close();
  }

  async #repeatFarewell(): Promise<void> {
    // A listener that closes does so within a step: what it causes comes at the end of that.
    await Promise.resolve();
    const last = this.#lastRelease;
    if (last === null) return;
    await new Promise<void>((resolve) => {
      this.#clock.setTimer(FAREWELL_REPEAT_MS, resolve);
    });
    this.#channel.multicast(last);
  }

  #step(event: CandidateEvent): void {
    this.#events.push(event);
    if (this.#isStepping) return;
    this.#isStepping = true;
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
        this.#run(this.#machine.step(next, this.#clock.now()));
      }
    } finally {
      this.#isStepping = false;
    }
    this.#armTimer();
  }

  /**
   * A timer that rings earlier than is due stays: it arms the next one. So arrivals, however many
   * there are, never put off what is due.
   */
  #armTimer(): void {
    const now = this.#clock.now();
    const due = this.#machine.nextDueAt(now);
    const at = Math.max(now + TIMER_MS_MIN, due);
    if (this.#timer !== null && this.#timerAt <= at && Number.isFinite(due)) return;
    this.#timer?.cancel();
    this.#timer = null;
    if (!Number.isFinite(due)) return;
    this.#timerAt = at;
    this.#timer = this.#clock.setTimer(at - now, () => {
      this.#timer = null;
      this.#step({ kind: "leaseChecked" });
      // After a pause of the process, what has arrived meanwhile is read before silence counts.
      this.#clock.defer(() => this.#step({ kind: "timePassed" }));
    });
  }

  #run(effects: readonly CandidateEffect[]): void {
    for (const effect of effects) {
      this.#logger.debug("candidate effect", { effect: effect.kind });
      switch (effect.kind) {
        case "startBallot":
          this.#startBallot();
          break;
        case "noteLeader":
          this.#site.noteLeader(effect.leader, effect.term);
          break;
        case "multicast":
          if (effect.lease.act === "release") this.#lastRelease = effect.lease;
          this.#channel.multicast(effect.lease);
          break;
        case "send":
          this.#channel.send(effect.to, effect.lease);
          break;
        case "answer":
          this.#channel.answer(effect.to, effect.lease);
          break;
        case "lost":
          this.#logger[effect.reason === "left" ? "info" : "warn"]("lost the lead", {
            term: effect.term,
            reason: effect.reason,
          });
          this.#deps.onLost({ term: effect.term, reason: effect.reason });
          break;
        case "stateChanged":
          this.#tellState();
          break;
        case "failed":
          this.#deps.onFailed(new QuorateError(effect.code, effect.message));
          break;
        default:
          assertNever(effect, "candidate effect");
      }
    }
  }

  #tellState(): void {
    const standpoint = this.#machine.standpoint;
    const { status, leader, term } = standpoint;
    if (status === this.#told && term === this.#toldTerm) return;
    this.#told = status;
    this.#toldTerm = term;
    if (status === "leading" && term !== null) this.#site.updateWinningEpoch(term);
    if (status === "closed") this.#site.close();
    this.#logger.info("candidate changed", { status, leader, term });
    this.#deps.onState(standpoint);
  }

  #startBallot(): void {
    this.#ballot += 1;
    const ballot = this.#ballot;
    this.#site.startElection().then(
      ({ leader, epoch }) => {
        if (ballot !== this.#ballot) return;
        this.#step({ kind: "ballotEnded", leader, epoch, jitter: this.#random.next() });
      },
      (error: unknown) => {
        // Closing the candidate ends its ballot; nothing else may.
        if (errorCodeOf(error) === "ERR_ELECTION_CLOSED") return;
        this.#logger.error("a ballot failed", {}, error);
      },
    );
  }

  #ballotState(): ElectionState {
    return {
      status: this.#machine.ballotStatus,
      standing: "member",
      identity: this.#identity,
      ...this.#deps.rank(),
    };
  }
}

function makeIdentity(random: Random): Identity {
  const half = (): string => random.nextUint64().toString(16).padStart(16, "0");
  return toIdentity(half() + half());
}
