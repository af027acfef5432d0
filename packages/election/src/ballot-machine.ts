import {
  assert,
  assertNever,
  ROUND_JUMP_MAX,
  unanimousQuorum,
  type NodeId,
  type QuorumVerifier,
  type Standing,
  type VoteMsg,
} from "@quorate/protocol";
import { findEstablishedLeader } from "./leader-certification.js";
import { candidacyOf, compareCandidacies, type Candidacy } from "./vote-order.js";

/** How a ballot ended. A winner is not yet a leader: discovery and sync decide that. */
export interface BallotOutcome {
  readonly round: number;
  readonly winner: Candidacy;
  /** True when the winner was found leading already, rather than elected by this ballot. */
  readonly established: boolean;
}

export type BallotEvent =
  /** A vote of a configured voter that proved fresh. `own` is this node's state as of now. */
  | {
      readonly kind: "voteReceived";
      readonly from: NodeId;
      readonly vote: VoteMsg;
      /** How the sender counts in this node's eyes; the vote has what it says of itself. */
      readonly standing: Standing;
      readonly own: Candidacy;
    }
  | { readonly kind: "finalizeTimeout" }
  | { readonly kind: "peerUnreachable"; readonly peer: NodeId };

type VoteReceived = Extract<BallotEvent, { kind: "voteReceived" }>;

export type BallotEffect =
  /** Tell every other voter the current proposal. */
  | { readonly kind: "multicastProposal" }
  /** Tell one voter, which evidently does not know it. */
  | { readonly kind: "answerProposal"; readonly to: NodeId }
  /** Start the finalize wait anew. */
  | { readonly kind: "armFinalize" }
  | { readonly kind: "cancelFinalize" }
  /** The last effect of a ballot. */
  | { readonly kind: "ballotEnded"; readonly outcome: BallotOutcome };

export interface BallotOptions {
  readonly round: number;
  readonly own: Candidacy;
  readonly quorum: QuorumVerifier;
  /** Only asks who leads: proposes nobody, counts nobody, not even itself. */
  readonly solicitOnly: boolean;
}

/**
 * The ballot of one node, from its start until it knows a winner; higher rounds are joined on the
 * way. Owns the rule *who counts for whom*; knows no time and no network.
 *
 * Standing (Safety, section 3 of docs/architecture.md):
 * - a recovering voter never counts, itself included, and is never proposed by others;
 * - an empty voter counts only for an empty candidate, on an empty node, and only while nothing
 *   in this ballot shows that somebody holds a history; and empty voters elect nobody unless every
 *   configured voter is one (ADR 0005);
 * - a member counts only for members (the vote order sees to it that it votes for no other).
 */
export class BallotMachine {
  readonly #self: NodeId;
  readonly #quorum: QuorumVerifier;
  readonly #founders: QuorumVerifier;
  readonly #solicitOnly: boolean;
  #round: number;
  #own: Candidacy;
  #proposal: Candidacy;
  /** Who voted for exactly the proposal in this round, and how each of them counts. */
  readonly #supporters = new Map<NodeId, Standing>();
  readonly #active = new Map<NodeId, VoteMsg>();
  readonly #unreachable = new Set<NodeId>();
  #isHistoryHeard = false;
  #isFinalizing = false;
  #isEnded = false;

  constructor(options: BallotOptions) {
    this.#self = options.own.candidate;
    this.#quorum = options.quorum;
    this.#founders = unanimousQuorum(options.quorum.voterIds);
    this.#solicitOnly = options.solicitOnly;
    this.#round = options.round;
    this.#own = options.own;
    this.#proposal = options.own;
    if (!this.#solicitOnly) this.#supporters.set(this.#self, options.own.standing);
  }

  get round(): number {
    return this.#round;
  }

  get proposal(): Candidacy {
    return this.#proposal;
  }

  /**
   * Voters that have not joined the founding of a new ensemble, which needs each of them. None
   * unless this node is empty and has heard of no history.
   */
  get awaitedFounders(): readonly NodeId[] {
    const isFounding = this.#own.standing === "empty" && !this.#isHistoryHeard;
    if (!isFounding || this.#solicitOnly) return [];
    return this.#quorum.voterIds.filter((id) => this.#supporters.get(id) !== "empty");
  }

  /** To be called once, before any step: an ensemble of one has its quorum at once. */
  start(): BallotEffect[] {
    return [{ kind: "multicastProposal" }, ...this.#judge(false)];
  }

  step(event: BallotEvent): BallotEffect[] {
    assert(!this.#isEnded, "an ended ballot takes no step", { event: event.kind });
    switch (event.kind) {
      case "voteReceived":
        return this.#voteReceived(event);
      case "finalizeTimeout":
        this.#isFinalizing = false;
        // An empty quorum stands no longer when a history was heard of meanwhile.
        if (!this.#hasQuorum()) return [];
        return this.#end({ round: this.#round, winner: this.#proposal, established: false });
      case "peerUnreachable":
        this.#unreachable.add(event.peer);
        // What it said when it was alive must not certify it now.
        this.#active.delete(event.peer);
        return this.#judge(false);
      default:
        return assertNever(event, "ballot event");
    }
  }

  #voteReceived(event: VoteReceived): BallotEffect[] {
    const { from, own } = event;
    if (!this.#isCredible(from, event.vote)) return [];
    const vote: VoteMsg = { ...event.vote, standing: event.standing };
    this.#own = own;
    this.#isHistoryHeard ||= isHistoryShown(vote);
    switch (vote.status) {
      case "electing":
        this.#active.delete(from);
        return this.#solicitOnly ? [] : this.#electingVote(from, vote);
      case "leading":
      case "following":
        return this.#activeVote(from, vote);
      case "watching":
        return [];
      default:
        return assertNever(vote.status, "peer status");
    }
  }

  /** A vote that no correct voter sends is ignored whole. */
  #isCredible(from: NodeId, vote: VoteMsg): boolean {
    const voters = this.#quorum.voterIds;
    if (vote.solicit || from === this.#self) return false;
    if (!voters.includes(from) || !voters.includes(vote.candidate)) return false;
    if (vote.status !== "electing") return true;
    // Nobody proposes a recovering node but itself, no member proposes a node that is not one,
    // and everybody knows its own standing.
    if (from === vote.candidate) return vote.standing === vote.candidateStanding;
    if (vote.candidateStanding === "recovering") return false;
    return vote.standing !== "member" || vote.candidateStanding === "member";
  }

  #electingVote(from: NodeId, vote: VoteMsg): BallotEffect[] {
    if (vote.round > this.#round) {
      if (vote.round - this.#round > ROUND_JUMP_MAX) return [];
      return this.#joinRound(from, vote);
    }
    if (vote.round < this.#round) return [{ kind: "answerProposal", to: from }];
    const offered = candidacyOf(vote);
    const order = compareCandidacies(offered, this.#proposal);
    if (order > 0 && this.#isAdoptable(offered)) {
      this.#propose(offered);
      this.#supporters.set(from, vote.standing);
      return [{ kind: "multicastProposal" }, ...this.#judge(true)];
    }
    if (order === 0) {
      this.#supporters.set(from, vote.standing);
      return this.#judge(false);
    }
    if (from === this.#proposal.candidate && order < 0) {
      // A candidate votes for itself or for a greater one, so this one was restarted and has less
      // than it claimed, perhaps nothing. Liveness: a new round makes everybody forget the claim.
      this.#round += 1;
      this.#propose(this.#own);
      return [{ kind: "multicastProposal" }, ...this.#judge(true)];
    }
    // A lesser vote changes nothing here, above all it cancels no finalize wait (G12). Its sender
    // has not heard the proposal yet.
    // Liveness, deviation from seed: it is told at once instead of after the resend pause.
    return order < 0 ? [{ kind: "answerProposal", to: from }] : [];
  }

  #joinRound(from: NodeId, vote: VoteMsg): BallotEffect[] {
    this.#round = vote.round;
    const offered = candidacyOf(vote);
    const isGreater = compareCandidacies(offered, this.#own) > 0 && this.#isAdoptable(offered);
    this.#propose(isGreater ? offered : this.#own);
    if (compareCandidacies(offered, this.#proposal) === 0) {
      this.#supporters.set(from, vote.standing);
    }
    return [{ kind: "multicastProposal" }, ...this.#judge(true)];
  }

  #activeVote(from: NodeId, vote: VoteMsg): BallotEffect[] {
    this.#active.set(from, vote);
    const leader =
      findEstablishedLeader(this.#active, this.#quorum, this.#self) ??
      this.#leaderOfMembers(from, vote);
    if (leader !== null) {
      // Rounds are kept close together, so that the next ballot starts without a detour.
      const ahead = leader.round - this.#round;
      const round = ahead > 0 && ahead <= ROUND_JUMP_MAX ? leader.round : this.#round;
      return this.#end({ round, winner: candidacyOf(leader), established: true });
    }
    // In this very round its sender has voted, and won or lost, before it went on. When the
    // datagram that said so was lost, this is where the vote is heard. It is never adopted: the
    // epoch in it may be the winning epoch already, which no candidate had in the ballot.
    if (this.#solicitOnly || vote.round !== this.#round) return [];
    if (compareCandidacies(candidacyOf(vote), this.#proposal) !== 0) return [];
    this.#supporters.set(from, vote.standing);
    return this.#judge(false);
  }

  /**
   * A node that counts nowhere may follow whichever member says that it leads: it adds nothing to
   * any quorum, and that leader judges by its own table whether it counts after all. (An empty
   * node that an ensemble was founded with, but that crashed before it learnt so, comes back in
   * this way.)
   */
  #leaderOfMembers(from: NodeId, vote: VoteMsg): VoteMsg | null {
    const isClaim = vote.status === "leading" && vote.candidate === from;
    return isClaim && vote.standing === "member" && this.#own.standing !== "member" ? vote : null;
  }

  #isAdoptable(offered: Candidacy): boolean {
    // Others may still repeat what this node claimed before it was restarted or wiped.
    return offered.standing !== "recovering" && offered.candidate !== this.#self;
  }

  #propose(proposal: Candidacy): void {
    this.#proposal = proposal;
    this.#supporters.clear();
    this.#supporters.set(this.#self, this.#own.standing);
  }

  /** What follows from the votes counted so far. */
  #judge(isProposalNew: boolean): BallotEffect[] {
    const effects: BallotEffect[] = [];
    if (isProposalNew && this.#isFinalizing) {
      this.#isFinalizing = false;
      effects.push({ kind: "cancelFinalize" });
    }
    if (this.#solicitOnly || !this.#hasQuorum()) return effects;
    if (this.#hasEveryVoter()) {
      effects.push(
        ...this.#end({ round: this.#round, winner: this.#proposal, established: false }),
      );
    } else if (!this.#isFinalizing) {
      this.#isFinalizing = true;
      effects.push({ kind: "armFinalize" });
    }
    return effects;
  }

  #hasQuorum(): boolean {
    const counted: NodeId[] = [];
    for (const [voter, standing] of this.#supporters) {
      if (this.#isCounted(standing)) counted.push(voter);
    }
    const isFounding = this.#proposal.standing === "empty";
    return (isFounding ? this.#founders : this.#quorum).hasQuorumOf(counted);
  }

  #isCounted(voter: Standing): boolean {
    switch (voter) {
      case "member":
        return this.#proposal.standing === "member";
      case "empty":
        return (
          this.#proposal.standing === "empty" &&
          this.#own.standing === "empty" &&
          !this.#isHistoryHeard
        );
      case "recovering":
        return false;
      default:
        return assertNever(voter, "standing");
    }
  }

  /** Nobody is left whose vote could still change the proposal. */
  #hasEveryVoter(): boolean {
    return this.#quorum.voterIds.every(
      (voter) => this.#supporters.has(voter) || this.#unreachable.has(voter),
    );
  }

  #end(outcome: BallotOutcome): BallotEffect[] {
    this.#isEnded = true;
    return [{ kind: "cancelFinalize" }, { kind: "ballotEnded", outcome }];
  }
}

/**
 * Whether somebody evidently holds a history: then empty voters must not found an ensemble. An
 * empty node that leads or follows an empty one shows nothing of the kind: it is founding.
 */
function isHistoryShown(vote: VoteMsg): boolean {
  if (vote.standing === "member" || vote.candidateStanding === "member") return true;
  return vote.status !== "electing" && vote.standing !== "empty";
}
