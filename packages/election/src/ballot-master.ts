import {
  assertNever,
  type Clock,
  type LogData,
  type Logger,
  type NodeId,
  type QuorumVerifier,
  type Standing,
  type Timer,
  type Timings,
  type VoteMsg,
} from "@quorate/protocol";
import {
  BallotMachine,
  type BallotEffect,
  type BallotEvent,
  type BallotOutcome,
} from "./ballot-machine.js";
import type { BallotMessenger } from "./ballot-messenger.js";
import { formatVote } from "./format-vote.js";
import type { Candidacy } from "./vote-order.js";

export type BallotTimings = Pick<
  Timings,
  "ballotResendMs" | "ballotResendMsMax" | "finalizeWaitMs"
>;

export interface BallotMasterDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly messenger: BallotMessenger;
  readonly quorum: QuorumVerifier;
  readonly solicitOnly: boolean;
  readonly timings: BallotTimings;
  /** This node's durable state as of now. */
  own(): Candidacy;
  /** How the sender of a vote counts in this node's eyes. */
  standingOf(voter: NodeId, vote: VoteMsg): Standing;
  /** The message that carries a proposal of this node. */
  makeVote(round: number, proposal: Candidacy): VoteMsg;
  onEnded(outcome: BallotOutcome): void;
}

/** An empty node says whom it waits for: first after this long in ballots, when that changes, */
const FOUNDING_REPORT_MS = 1000;
/** and again and again. */
const FOUNDING_REPEAT_MS = 10_000;

/** Conducts ballots, one at a time: sends, sends again while it lasts, and keeps its timers. */
export class BallotMaster {
  readonly #deps: BallotMasterDeps;
  #ballot: BallotMachine | null = null;
  #finalizeTimer: Timer | null = null;
  #resendTimer: Timer | null = null;
  #resendMs: number;
  /** The last report on a founding that waits, and what it said. */
  #foundingReport: { readonly atMs: number; readonly text: string } | null = null;

  constructor(deps: BallotMasterDeps) {
    this.#deps = deps;
    this.#resendMs = deps.timings.ballotResendMs;
  }

  get isRunning(): boolean {
    return this.#ballot !== null;
  }

  /** The round of the running ballot. */
  get round(): number | null {
    return this.#ballot?.round ?? null;
  }

  /** Configured voters that a founding still waits for. */
  get awaitedFounders(): readonly NodeId[] {
    return this.#ballot?.awaitedFounders ?? [];
  }

  start(round: number): void {
    const { quorum, solicitOnly } = this.#deps;
    const ballot = new BallotMachine({ round, own: this.#deps.own(), quorum, solicitOnly });
    this.#ballot = ballot;
    this.#run(ballot.start());
  }

  stop(): void {
    this.#ballot = null;
    this.#finalizeTimer?.cancel();
    this.#finalizeTimer = null;
    this.#resendTimer?.cancel();
    this.#resendTimer = null;
  }

  voteReceived(from: NodeId, vote: VoteMsg): void {
    const standing = this.#deps.standingOf(from, vote);
    this.#step({ kind: "voteReceived", from, vote, standing, own: this.#deps.own() });
  }

  peerUnreachable(peer: NodeId): void {
    this.#step({ kind: "peerUnreachable", peer });
  }

  /** Tells one peer the current proposal. */
  answer(to: NodeId): void {
    const { messenger, makeVote, logger } = this.#deps;
    if (this.#ballot === null) return;
    if (!messenger.answer(to, makeVote(this.#ballot.round, this.#ballot.proposal))) {
      logger.debug("ballot answer withheld", { to });
    }
  }

  #step(event: BallotEvent): void {
    if (this.#ballot === null) return;
    this.#deps.logger.debug("ballot event", describeEvent(event));
    this.#run(this.#ballot.step(event));
  }

  #run(effects: readonly BallotEffect[]): void {
    for (const effect of effects) {
      this.#deps.logger.debug("ballot effect", { effect: effect.kind });
      switch (effect.kind) {
        case "multicastProposal":
          this.#resendMs = this.#deps.timings.ballotResendMs;
          this.#multicast();
          break;
        case "answerProposal":
          this.answer(effect.to);
          break;
        case "armFinalize":
          this.#armFinalize();
          break;
        case "cancelFinalize":
          this.#finalizeTimer?.cancel();
          this.#finalizeTimer = null;
          break;
        case "ballotEnded":
          this.stop();
          this.#deps.onEnded(effect.outcome);
          break;
        default:
          assertNever(effect, "ballot effect");
      }
    }
  }

  #armFinalize(): void {
    this.#finalizeTimer?.cancel();
    this.#finalizeTimer = this.#deps.clock.setTimer(this.#deps.timings.finalizeWaitMs, () => {
      this.#finalizeTimer = null;
      this.#step({ kind: "finalizeTimeout" });
    });
  }

  /**
   * Sends the proposal and arms the next resend, each pause twice the one before.
   * Deviation from seed: arriving votes do not put the resend off. A chatty peer would keep a lost
   * datagram lost.
   */
  #multicast(): void {
    if (this.#ballot === null) return;
    this.#deps.messenger.multicast(this.#deps.makeVote(this.#ballot.round, this.#ballot.proposal));
    this.#resendTimer?.cancel();
    this.#resendTimer = this.#deps.clock.setTimer(this.#resendMs, () => {
      this.#reportFounding();
      this.#resendMs = Math.min(this.#resendMs * 2, this.#deps.timings.ballotResendMsMax);
      this.#multicast();
    });
  }

  /** Only every configured voter founds an ensemble: whoever waits must say for whom. */
  #reportFounding(): void {
    const awaited = this.awaitedFounders;
    const nowMs = this.#deps.clock.now();
    const report = this.#foundingReport ?? { atMs: nowMs, text: "" };
    this.#foundingReport = awaited.length === 0 ? null : report;
    const text = awaited.join(", ");
    const pauseMs = text === report.text ? FOUNDING_REPEAT_MS : FOUNDING_REPORT_MS;
    if (awaited.length === 0 || nowMs - report.atMs < pauseMs) return;
    this.#foundingReport = { atMs: nowMs, text };
    this.#deps.logger.warn("a new ensemble is founded by all its voters; waiting for the others", {
      waitingFor: awaited,
    });
  }
}

function describeEvent(event: BallotEvent): LogData {
  return event.kind === "voteReceived"
    ? { event: event.kind, from: event.from, vote: formatVote(event.vote) }
    : { event: event.kind };
}
