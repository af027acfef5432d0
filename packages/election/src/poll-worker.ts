import {
  assertNever,
  type BallotDatagram,
  type Clock,
  type Epoch,
  type Logger,
  type NodeId,
  type PeerStatus,
  type Timings,
  type VoteMsg,
} from "@quorate/protocol";
import type { BallotMaster } from "./ballot-master.js";
import type { BallotMessenger } from "./ballot-messenger.js";
import { DoubleSuspicion, FOREIGN_SIGNS_MS, SILENT_RESENDS_MAX } from "./double-suspicion.js";
import type { Candidacy } from "./vote-order.js";

/** What the last ballot of this node came to, for peers that still elect. */
export interface Winner {
  readonly round: number;
  readonly candidacy: Candidacy;
  /** The winning epoch: the candidate's own until it has been established. */
  readonly epoch: Epoch;
  /** The start of the winner that was elected; 0 for this node itself, and when never heard. */
  readonly bootId: bigint;
}

export interface PollWorkerDeps {
  readonly self: NodeId;
  readonly solicitOnly: boolean;
  readonly logger: Logger;
  readonly clock: Pick<Clock, "now">;
  readonly timings: Pick<Timings, "ballotResendMsMax" | "followerTimeoutMs">;
  readonly messenger: BallotMessenger;
  readonly master: BallotMaster;
  status(): PeerStatus;
  isSettled(): boolean;
  winner(): Winner | null;
  makeWinningVote(winner: Winner): VoteMsg;
}

/** Receives ballots and decides what each is for: the running ballot, an answer, or nothing. */
export class PollWorker {
  readonly #deps: PollWorkerDeps;

  /** Of the leader that this node follows. */
  readonly #leaderDouble: DoubleSuspicion;
  #followed = 0n;

  constructor(deps: PollWorkerDeps) {
    this.#deps = deps;
    const { clock, timings } = deps;
    const options = {
      // Whoever misses its leader follows nobody, long before that.
      lastingMs: Math.max(FOREIGN_SIGNS_MS, 2 * timings.followerTimeoutMs),
      silenceMsMax: SILENT_RESENDS_MAX * timings.ballotResendMsMax,
    };
    this.#leaderDouble = new DoubleSuspicion(options, clock);
  }

  receive(datagram: BallotDatagram): void {
    const { messenger, master, logger } = this.#deps;
    const arrival = messenger.judge(datagram);
    if (messenger.takeDoubleSuspicion()) {
      logger.error("another node sends ballots under this node's id", {
        code: "ERR_SERVER_DUPLICATE_ID",
        heardFrom: datagram.sender,
      });
    }
    const { sender, vote } = datagram;
    if (arrival === "refused") {
      logger.debug("ballot datagram refused", { sender, cluster: datagram.cluster });
      return;
    }
    if (vote.solicit) {
      if (this.#deps.isSettled()) this.#answerWinner(datagram);
    } else if (!master.isRunning) {
      if (vote.status === "electing") this.#answerWinner(datagram);
    } else if (arrival === "fresh") {
      master.voteReceived(sender, vote);
      // Liveness: a peer whose start became known only now could not count what it was sent
      // before, also when this very vote ended the ballot here.
      if (vote.status !== "electing" || messenger.hasEchoed(sender)) return;
      if (master.isRunning) master.answer(sender);
      else this.#answerWinner(datagram);
    } else {
      // It may be a recording: not counted. The answer lets its sender prove itself.
      master.answer(sender);
    }
  }

  #answerWinner(asked: BallotDatagram): void {
    const { messenger, master, solicitOnly } = this.#deps;
    const winner = this.#deps.winner();
    if (winner === null || solicitOnly || master.isRunning) return;
    if (!this.#knowsBetter(asked, winner)) return;
    messenger.answer(asked.sender, this.#deps.makeWinningVote(winner));
  }

  /** Whether the winning vote tells this peer anything that is still true. */
  #knowsBetter(asked: BallotDatagram, winner: Winner): boolean {
    const isWinner = asked.sender === winner.candidacy.candidate && winner.bootId !== 0n;
    if (isWinner && this.#deps.messenger.bootOf(asked.sender) !== winner.bootId) {
      // The winner itself asks after a restart: it leads no longer, whatever this node believes.
      this.#suspectDouble(asked, winner);
      return false;
    }
    const status = this.#deps.status();
    switch (status) {
      case "leading":
      case "following":
        return true;
      case "electing":
      // Between two roles: the old winner may be dead, and the own history may be growing by
      // writes of the last role (G24). Nothing may be said of either.
      case "watching":
        return false;
      default:
        return assertNever(status, "peer status");
    }
  }

  /**
   * Whoever follows a leader and hears another start of that id ask who leads, for longer than it
   * takes to miss a leader that is gone, knows of two. Neither of them hears of the other: the
   * leader sends no ballots, and the double is answered by nobody.
   */
  #suspectDouble({ sender, bootId, sequence }: BallotDatagram, winner: Winner): void {
    const { logger, status } = this.#deps;
    const isFollowing = status() === "following";
    if (!isFollowing || winner.bootId !== this.#followed) this.#leaderDouble.forget();
    if (!isFollowing) return;
    this.#followed = winner.bootId;
    this.#leaderDouble.note({ start: bootId, source: bootId, sequence });
    if (!this.#leaderDouble.take()) return;
    logger.error("another node sends ballots under the leader's id", {
      code: "ERR_SERVER_DUPLICATE_ID",
      leader: sender,
    });
  }
}
