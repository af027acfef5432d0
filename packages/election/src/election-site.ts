import {
  CLUSTER_NAME_BYTES_MAX,
  defaultMsgFactory,
  QuorateError,
  TXNID_ZERO,
  type Clock,
  type Epoch,
  type Identity,
  type Logger,
  type MsgFactory,
  type NodeId,
  type PeerMessenger,
  type PeerStatus,
  type QuorumVerifier,
  type Random,
  type Standing,
  type Timings,
  type Txnid,
  type VoteMsg,
} from "@quorate/protocol";
import type { BallotOutcome } from "./ballot-machine.js";
import { BallotMaster, type BallotTimings } from "./ballot-master.js";
import { BallotMessenger } from "./ballot-messenger.js";
import { PollWorker, type Winner } from "./poll-worker.js";
import type { Candidacy } from "./vote-order.js";

export interface ElectionSiteOptions {
  readonly nodeId: NodeId;
  /** Separates ensembles that share a network; at most CLUSTER_NAME_BYTES_MAX bytes. */
  readonly cluster: string;
  /** The configured voters, this node included unless it only solicits. */
  readonly quorum: QuorumVerifier;
  /** Watchers: ask who leads, count and be counted nowhere. Default false. */
  readonly solicitOnly?: boolean;
  readonly timings: BallotTimings & Pick<Timings, "followerTimeoutMs">;
  /** The last round of an earlier site of this process. Default 0. */
  readonly round?: number;
}

/** What votes say of this node: durable values only, asked for afresh (Invariant 4). */
export interface ElectionState {
  readonly status: PeerStatus;
  readonly standing: Standing;
  /** Of this node's data directory, or of this start where there is none. */
  readonly identity: Identity;
  readonly currentEpoch: Epoch;
  readonly lastLogged: Txnid;
  readonly lastCommitted: Txnid;
}

export interface ElectionSiteDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Used by this site alone while it is open; closing it is the owner's part. */
  readonly messenger: PeerMessenger;
  state(): ElectionState;
  /**
   * How a voter counts in this node's eyes: a member's identity table may know it better than it
   * knows itself. Default: as it says.
   */
  standingOf?(voter: NodeId, identity: Identity, claimed: Standing): Standing;
  /**
   * Whether the status is worth telling those who only ask who leads: false while this node leads
   * or follows so far by the word of a ballot alone. Default: always true.
   */
  isSettled?(): boolean;
  readonly factory?: MsgFactory;
}

export interface ElectionResult {
  readonly leader: NodeId;
  /** The winner's current epoch, or the established leader's winning epoch. */
  readonly epoch: Epoch;
  /** True when a leader was found running, rather than elected by this ballot. */
  readonly established: boolean;
  readonly round: number;
}

export interface ElectionSite {
  /**
   * Takes part in ballots until a winner is known; without a quorum, for ever.
   * @throws (rejects) ERR_ELECTION_IN_PROGRESS when one runs already; ERR_ELECTION_CLOSED when the
   * site is or gets closed, or `signal` aborts (its reason is the cause).
   */
  startElection(options?: { readonly signal?: AbortSignal }): Promise<ElectionResult>;
  /**
   * The epoch that the winner was established with. From now on peers that elect are told it in
   * place of the winner's epoch at election. Ignored without a winner, and when it would go back.
   */
  updateWinningEpoch(epoch: Epoch): void;
  /**
   * Another source than a ballot says who leads, and in which epoch. Peers that elect are told so
   * from now on; an election that runs ends with it, as established.
   */
  noteLeader(leader: NodeId, epoch: Epoch): void;
  /**
   * The peer's message pipe was reset or refused since the ballot began: the finalize wait does
   * not wait for its vote. Ignored while no ballot runs.
   */
  notePeerUnreachable(peer: NodeId): void;
  /** The running ballot's round, else the last one's. */
  readonly round: number;
  /**
   * Configured voters that have not joined the founding of a new ensemble, which takes each of
   * them; none unless this node is empty, elects, and has heard of no history.
   */
  readonly awaitedFounders: readonly NodeId[];
  /** Idempotent. Afterwards the site neither answers nor elects. */
  close(): void;
  isClosed(): boolean;
}

/** @throws ERR_CONFIG_VALUE when the options contradict each other. */
export function createElectionSite(
  options: ElectionSiteOptions,
  deps: ElectionSiteDeps,
): ElectionSite {
  const { nodeId, cluster, quorum, solicitOnly = false } = options;
  if (new TextEncoder().encode(cluster).length > CLUSTER_NAME_BYTES_MAX) {
    throw new QuorateError(
      "ERR_CONFIG_VALUE",
      `a cluster name has at most ${CLUSTER_NAME_BYTES_MAX} bytes`,
    );
  }
  if (!solicitOnly && !quorum.voterIds.includes(nodeId)) {
    throw new QuorateError("ERR_CONFIG_VALUE", "a voting election site is one of the voters", {
      details: { nodeId, voters: quorum.voterIds },
    });
  }
  return new Site(options, deps);
}

interface Waiter {
  resolve(result: ElectionResult): void;
  reject(error: QuorateError): void;
}

class Site implements ElectionSite {
  readonly #options: ElectionSiteOptions;
  readonly #deps: ElectionSiteDeps;
  readonly #logger: Logger;
  readonly #messenger: BallotMessenger;
  readonly #master: BallotMaster;
  #waiter: Waiter | null = null;
  #winner: Winner | null = null;
  #round: number;
  #isClosed = false;

  constructor(options: ElectionSiteOptions, deps: ElectionSiteDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#round = options.round ?? 0;
    const { quorum, timings, solicitOnly = false, nodeId, cluster } = options;
    const logger = deps.logger.child({ component: "election" });
    this.#logger = logger;
    const messenger = new BallotMessenger(
      {
        self: nodeId,
        cluster,
        // 0 stands for "unknown" in an echo.
        bootId: deps.random.nextUint64() || 1n,
        quorum,
        answerWindowMs: timings.ballotResendMs,
        resendMsMax: timings.ballotResendMsMax,
      },
      deps.messenger,
      deps.clock,
    );
    this.#messenger = messenger;
    this.#master = new BallotMaster({
      clock: deps.clock,
      logger,
      messenger,
      quorum,
      solicitOnly,
      timings,
      own: () => this.#own(),
      standingOf: (voter, vote) =>
        deps.standingOf?.(voter, vote.identity, vote.standing) ?? vote.standing,
      makeVote: (round, proposal) => this.#makeVote(round, proposal, "electing"),
      onEnded: (outcome) => this.#ended(outcome),
    });
    const worker = new PollWorker({
      self: nodeId,
      solicitOnly,
      logger,
      clock: deps.clock,
      timings,
      messenger,
      master: this.#master,
      status: () => deps.state().status,
      isSettled: () => deps.isSettled?.() ?? true,
      winner: () => this.#winner,
      makeWinningVote: (winner) => this.#makeWinningVote(winner),
    });
    deps.messenger.onDatagram((datagram) => worker.receive(datagram));
  }

  get round(): number {
    return this.#master.round ?? this.#round;
  }

  get awaitedFounders(): readonly NodeId[] {
    return this.#master.awaitedFounders;
  }

  async startElection({ signal }: { signal?: AbortSignal } = {}): Promise<ElectionResult> {
    if (this.#isClosed) throw closed("the election site is closed");
    if (this.#waiter !== null) {
      throw new QuorateError("ERR_ELECTION_IN_PROGRESS", "an election runs already");
    }
    if (signal?.aborted === true) throw aborted(signal);
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        if (signal !== undefined) this.#stop(aborted(signal));
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      const forgetSignal = (): void => signal?.removeEventListener("abort", onAbort);
      this.#waiter = {
        resolve: (result) => {
          forgetSignal();
          resolve(result);
        },
        reject: (error) => {
          forgetSignal();
          reject(error);
        },
      };
      this.#winner = null;
      this.#round += 1;
      this.#master.start(this.#round);
    });
  }

  updateWinningEpoch(epoch: Epoch): void {
    // Deviation from seed: it dereferenced a winner that was not there (G20).
    if (this.#winner === null || epoch <= this.#winner.epoch) return;
    this.#winner = { ...this.#winner, epoch };
  }

  noteLeader(leader: NodeId, epoch: Epoch): void {
    if (this.#isClosed) return;
    const known = this.#winner?.candidacy.candidate === leader ? this.#winner.candidacy : null;
    const heard: Candidacy = {
      candidate: leader,
      epoch,
      loggedTxnid: TXNID_ZERO,
      committedTxnid: TXNID_ZERO,
      standing: "member",
    };
    this.#round = this.round;
    const round = this.#round;
    this.#master.stop();
    const bootId = this.#messenger.bootOf(leader);
    this.#winner = { round, candidacy: known ?? heard, epoch, bootId };
    const waiter = this.#waiter;
    this.#waiter = null;
    waiter?.resolve({ leader, epoch, established: true, round });
  }

  notePeerUnreachable(peer: NodeId): void {
    this.#master.peerUnreachable(peer);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#deps.messenger.onDatagram(null);
    this.#winner = null;
    this.#stop(closed("the election site was closed"));
  }

  isClosed(): boolean {
    return this.#isClosed;
  }

  #stop(error: QuorateError): void {
    this.#round = this.round;
    this.#master.stop();
    const waiter = this.#waiter;
    this.#waiter = null;
    waiter?.reject(error);
  }

  #ended(outcome: BallotOutcome): void {
    const { round, winner, established } = outcome;
    this.#round = round;
    this.#winner = {
      round,
      candidacy: winner,
      epoch: winner.epoch,
      bootId: this.#messenger.bootOf(winner.candidate),
    };
    const result: ElectionResult = {
      leader: winner.candidate,
      epoch: winner.epoch,
      established,
      round,
    };
    this.#logger.info(established ? "found the leader" : "elected a leader", { ...result });
    const waiter = this.#waiter;
    this.#waiter = null;
    waiter?.resolve(result);
  }

  #own(): Candidacy {
    const state = this.#deps.state();
    return {
      candidate: this.#options.nodeId,
      epoch: state.currentEpoch,
      loggedTxnid: state.lastLogged,
      committedTxnid: state.lastCommitted,
      standing: state.standing,
    };
  }

  #makeWinningVote(winner: Winner): VoteMsg {
    const { status, standing } = this.#deps.state();
    const isSelf = winner.candidacy.candidate === this.#options.nodeId;
    // A founding makes the winner a member after its election.
    const candidacy = isSelf ? { ...winner.candidacy, standing } : winner.candidacy;
    return this.#makeVote(winner.round, { ...candidacy, epoch: winner.epoch }, status);
  }

  #makeVote(round: number, candidacy: Candidacy, status: PeerStatus): VoteMsg {
    return (this.#deps.factory ?? defaultMsgFactory).createVote({
      round,
      status,
      epoch: candidacy.epoch,
      candidate: candidacy.candidate,
      candidateLoggedTxnid: candidacy.loggedTxnid,
      candidateCommittedTxnid: candidacy.committedTxnid,
      candidateStanding: candidacy.standing,
      solicit: this.#options.solicitOnly ?? false,
      standing: this.#deps.state().standing,
      identity: this.#deps.state().identity,
    });
  }
}

function closed(message: string): QuorateError {
  return new QuorateError("ERR_ELECTION_CLOSED", message);
}

function aborted(signal: AbortSignal): QuorateError {
  return new QuorateError("ERR_ELECTION_CLOSED", "the election was aborted", {
    cause: signal.reason,
  });
}
