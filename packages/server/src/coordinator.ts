import { createElectionSite, type ElectionResult, type ElectionSite } from "@quorate/election";
import {
  assertNever,
  PENDING_PIPES_MAX,
  QuorateError,
  type NodeId,
  type PeerPipe,
  type PeerStatus,
  type QuorumVerifier,
  type Txnid,
} from "@quorate/protocol";
import { AppliedFeed } from "./applied-feed.js";
import { electionStateOf } from "./election-state.js";
import { effectiveStanding } from "./identity-record.js";
import { FollowerServer } from "./follower-server.js";
import { LeaderServer } from "./leader-server.js";
import { RequestManager } from "./request-manager.js";
import type { Role, RoleEnd } from "./role.js";
import { ServerAction } from "./server-action.js";
import type {
  ExitReason,
  NodeStatus,
  ReadOptions,
  Server,
  ServerDeps,
  ServerOptions,
  ServerPressure,
} from "./server.js";

/** Pause before the store is opened again after it was full. */
const REOPEN_PAUSE_MS = 1000;
/** Roles that end unready one after the other pause ever longer, up to this many doublings. */
const RESTART_DOUBLINGS_MAX = 6;
/** A read waits this long for a role that serves. */
const READ_WAIT_MS = 1000;
/** How often a waiting read looks again. */
const READ_POLL_MS = 20;

type CoordinatorOptions = ServerOptions & {
  readonly quorum: QuorumVerifier;
  readonly trustEmpty: boolean;
};
type CoordinatorDeps = ServerDeps & Required<Pick<ServerDeps, "meter" | "factory">>;

/**
 * The life of a node, one state chart: electing, then leading or following, then electing again.
 *
 * Safety: between two roles stands a barrier. No vote, FollowerInfo or EpochAck leaves before
 * every write of the previous role is answered (G24); a disk that does not answer keeps the node
 * out of elections.
 */
export class Coordinator implements Server {
  readonly done: Promise<ExitReason>;
  /** Outlives each opening of the store. */
  readonly committed: AppliedFeed;
  readonly #options: CoordinatorOptions;
  readonly #deps: CoordinatorDeps;
  readonly #requests: RequestManager;
  readonly #abort = new AbortController();
  readonly #aborted: Promise<null>;
  #resolveDone: (reason: ExitReason) => void = () => undefined;
  #action: ServerAction | null = null;
  #closeStore: () => Promise<void> = () => Promise.resolve();
  #site: ElectionSite | null = null;
  #role: Role | null = null;
  #leaderServer: LeaderServer | null = null;
  #leader: NodeId | null = null;
  #status: PeerStatus = "electing";
  #waitingPipes: PeerPipe[] = [];
  #unreachable: NodeId | null = null;
  #epochFloor = 0;
  #unreadyRoles = 0;
  #isStopping = false;

  constructor(options: CoordinatorOptions, deps: CoordinatorDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#requests = new RequestManager(deps);
    this.committed = new AppliedFeed(deps);
    this.done = new Promise((resolve) => {
      this.#resolveDone = resolve;
    });
    const { signal } = this.#abort;
    this.#aborted = new Promise((resolve) => {
      signal.addEventListener("abort", () => resolve(null), { once: true });
    });
  }

  async start(): Promise<void> {
    await this.#open();
    const { listener, logger } = this.#deps;
    if (this.#options.trustEmpty) {
      logger.warn("trustEmpty is set: this node counts although it may have forgotten; remove it");
    }
    listener.onPipe((pipe) => {
      this.#accept(pipe);
    });
    const { nodeId, cluster, quorum, timings } = this.#options;
    const { clock, random, messenger, factory } = this.#deps;
    this.#site = createElectionSite(
      { nodeId, cluster, quorum, timings },
      {
        clock,
        random,
        logger,
        messenger,
        factory,
        state: () => electionStateOf(this.#openAction(), this.#status),
        standingOf: (voter, voterIdentity, claimed) =>
          effectiveStanding(this.#openAction().getIdentityTable(), voter, voterIdentity, claimed),
      },
    );
    this.#live(this.#site).then(
      (reason) => this.#exit(reason),
      (error: unknown) => {
        throw error;
      },
    );
  }

  // ---- the service ----

  status(): NodeStatus {
    const action = this.#openAction();
    return {
      id: this.#options.nodeId,
      role: this.#status,
      leader: this.#leader,
      epoch: action.getCurrentEpoch(),
      lastLogged: action.getLastLoggedTxid(),
      lastCommitted: action.getLastCommittedTxid(),
      lastApplied: action.getCommittedPosition().txnid,
      digest: action.digest(),
      standing: action.getStanding(),
      ready: this.#role?.isReady ?? false,
      waitingFor: this.#leaderServer?.awaitedFounders ?? this.#site?.awaitedFounders ?? [],
    };
  }

  pressure(): ServerPressure {
    const oldestWriteMs = this.#openAction().oldestAppendAgeMs();
    return { pendingRequests: this.#requests.pendingCount, oldestWriteMs };
  }

  submit(
    op: number,
    key: string,
    content: Uint8Array,
  ): Promise<{ readonly txnid: Txnid; readonly content: Uint8Array }> {
    if (this.#isStopping) return Promise.reject(closed());
    return new Promise((resolve, reject) => {
      this.#requests.submit(op, key, content, (outcome) => {
        if (outcome.ok) resolve(outcome);
        else reject(outcome.error);
      });
    });
  }

  async read(
    op: number,
    key: string,
    content: Uint8Array,
    options: ReadOptions = {},
  ): Promise<Uint8Array> {
    const role = await this.#readyRole();
    if (options.linearizable === true) await this.#readIndex(role);
    const result = this.#openAction().read(op, key, content);
    if (result.ok) return result.content;
    throw new QuorateError(result.code, result.message);
  }

  resetConnections(): void {
    this.#leaderServer?.resetConnections();
  }

  async stop(): Promise<void> {
    if (!this.#isStopping) {
      this.#isStopping = true;
      this.#role?.stop();
      if (this.#role === null) this.#abort.abort();
    }
    await this.done;
  }

  // ---- the loop ----

  async #live(site: ElectionSite): Promise<ExitReason> {
    const { logger } = this.#deps;
    while (!this.#isStopping) {
      this.#becomeElecting();
      const failure = (await this.#barrier()) ?? (await this.#shortenLog());
      if (this.#abort.signal.aborted) break;
      if (failure !== null) {
        // It failed after the role had ended: nobody else has heard of it.
        const exit = await this.#storeFailed(failure);
        if (exit !== undefined) return exit;
        continue;
      }
      const result = await this.#elect(site);
      if (result === undefined) break;
      const end = await this.#serve(site, result);
      const wasReady = this.#role?.wasReady ?? false;
      logger.info("role ended", { role: this.#status, end: end.kind });
      const exit = await this.#afterRole(end, wasReady);
      if (exit !== undefined) return exit;
    }
    return { kind: "stopped" };
  }

  #becomeElecting(): void {
    this.#deps.meter.count("elections");
    this.#role = null;
    this.#leaderServer = null;
    this.#leader = null;
    this.#setStatus("electing");
  }

  /** Every write of the last role is answered, the store has failed, or the node is to stop. */
  async #barrier(): Promise<QuorateError | null> {
    const { clock, logger } = this.#deps;
    let isOver = false;
    const warning = clock.setTimer(this.#options.timings.diskTimeoutMs, () => {
      if (!isOver) logger.error("the disk does not answer; this node stays out of elections");
    });
    const failure = await Promise.race([this.#openAction().quiesce(), this.#aborted]);
    isOver = true;
    warning.cancel();
    return failure;
  }

  /** A disk that does not answer must not keep the node from its end. */
  #shortenLog(): Promise<QuorateError | null> {
    const shortened = this.#openAction().shortenLog(this.#abort.signal);
    return Promise.race([shortened, this.#aborted]);
  }

  async #elect(site: ElectionSite): Promise<ElectionResult | undefined> {
    const { signal } = this.#abort;
    try {
      const election = site.startElection({ signal });
      if (this.#unreachable !== null) site.notePeerUnreachable(this.#unreachable);
      this.#unreachable = null;
      return await election;
    } catch (error) {
      if (signal.aborted) return undefined;
      throw error;
    }
  }

  async #serve(site: ElectionSite, result: ElectionResult): Promise<RoleEnd> {
    if (this.#isStopping) return { kind: "stopped" };
    this.#leader = result.leader;
    const isLeader = result.leader === this.#options.nodeId;
    const action = this.#openAction();
    const { nodeId, timings } = this.#options;
    const onEstablished = site.updateWinningEpoch.bind(site);
    const deps = { ...this.#deps, action, requests: this.#requests, onEstablished };
    if (isLeader) {
      this.#setStatus("leading");
      const server = new LeaderServer({ timings, epochFloor: this.#epochFloor }, deps);
      this.#role = server;
      this.#leaderServer = server;
      server.start();
      const waiting = this.#waitingPipes;
      this.#waitingPipes = [];
      for (const pipe of waiting) server.accept(pipe);
    } else {
      this.#setStatus("following");
      this.#turnAway(new QuorateError("ERR_SERVER_NOT_LEADING", `node ${nodeId} follows`));
      const server = new FollowerServer(
        { leader: result.leader, kind: "follower", timings },
        {
          ...deps,
          onPeerUnreachable: (peer) => {
            this.#unreachable = peer;
          },
        },
      );
      this.#role = server;
      server.start();
    }
    return this.#role.done;
  }

  async #afterRole(end: RoleEnd, wasReady: boolean): Promise<ExitReason | undefined> {
    const { logger } = this.#deps;
    this.#openAction().abandonReads();
    this.#unreadyRoles = wasReady ? 0 : this.#unreadyRoles + 1;
    this.#role = null;
    this.#leaderServer = null;
    switch (end.kind) {
      case "stopped":
        return { kind: "stopped" };
      case "diverged":
        logger.error("this node's history contradicts the leader's; it stops", {}, end.error);
        return { kind: "failed", error: end.error };
      case "storeFailed":
        return this.#storeFailed(end.error);
      case "superseded":
        this.#epochFloor = Math.max(this.#epochFloor, end.acceptedEpoch);
        return undefined;
      case "handover":
        this.#unreachable = this.#leader;
        return undefined;
      case "abdicated":
        logger.info("abdicated", { reason: end.reason });
        await this.#pauseBeforeElection();
        return undefined;
      case "lost":
        logger.info("leadership lost", { code: end.error.code, reason: end.error.message });
        // A leader that died is replaced at once; what fails again and again is not.
        if (!end.isPeerGone || this.#unreadyRoles > 1) await this.#pauseBeforeElection();
        return undefined;
      default:
        return assertNever(end, "role end");
    }
  }

  /**
   * A full disk rolled back: nothing of the open writes is there, so what is durable is loaded
   * again, as soon as the store can be opened. Any other failure has an unknown outcome. So may a
   * failure to open, unless it says of itself that it passes: still full, or files that a reader or
   * the hung disk of the store before has not let go.
   */
  async #storeFailed(error: QuorateError): Promise<ExitReason | undefined> {
    const { logger } = this.#deps;
    if (error.code !== "ERR_STORE_FULL") {
      logger.error("the store failed; its outcome is unknown", { code: error.code }, error);
      return { kind: "failed", error };
    }
    logger.error("the disk is full; this node is not ready", {}, error);
    this.#setStatus("electing");
    await this.#closeStore();
    while (!this.#isStopping) {
      try {
        await this.#open();
        return undefined;
      } catch (again) {
        if (!(again instanceof QuorateError)) throw again;
        logger.error("the store cannot be opened", {}, again);
        if (!again.retryable) return { kind: "failed", error: again };
        await this.#pause(REOPEN_PAUSE_MS);
      }
    }
    return { kind: "stopped" };
  }

  async #open(): Promise<void> {
    const { openStore, createStateMachine, clock, logger } = this.#deps;
    const { nodeId, quorum, trustEmpty, checkpointBytes } = this.#options;
    const store = await openStore();
    const [requests, feed, stateMachine] = [this.#requests, this.committed, createStateMachine()];
    const { identity, damage, lastLogged, currentEpoch } = store.recovered;
    if (damage !== null) logger.error("the history was found damaged; recovering", { damage });
    logger.info("store opened", { identity, lastLogged: lastLogged.txnid, currentEpoch });
    try {
      this.#action = await ServerAction.open(
        { nodeId, quorum, trustEmpty, checkpointBytes },
        { store, stateMachine, requests, clock, logger, feed },
      );
    } catch (error) {
      await store.close();
      throw error;
    }
    this.#closeStore = () => store.close();
  }

  async #exit(reason: ExitReason): Promise<void> {
    this.#isStopping = true;
    this.#role = null;
    this.#setStatus("electing");
    this.#site?.close();
    this.#deps.listener.onPipe(null);
    this.#turnAway(closed());
    this.#requests.close(closed());
    await this.#closeStore();
    this.#resolveDone(reason);
  }

  // ---- pipes ----

  #accept(pipe: PeerPipe): void {
    if (this.#leaderServer !== null) {
      this.#leaderServer.accept(pipe);
    } else if (this.#status === "electing" && !this.#isStopping) {
      // Elected by that peer, perhaps, before the own ballot is over.
      this.#waitingPipes.push(pipe);
      if (this.#waitingPipes.length > PENDING_PIPES_MAX) {
        this.#waitingPipes.shift()?.close(new QuorateError("ERR_SERVER_BUSY", "too many peers"));
      }
    } else {
      pipe.close(new QuorateError("ERR_SERVER_NOT_LEADING", "this node does not lead"));
    }
  }

  #turnAway(reason: QuorateError): void {
    const waiting = this.#waitingPipes;
    this.#waitingPipes = [];
    for (const pipe of waiting) pipe.close(reason);
  }

  // ---- helpers ----

  #openAction(): ServerAction {
    if (this.#action === null) throw new QuorateError("ERR_SERVER_NOT_READY", "not started");
    return this.#action;
  }

  #setStatus(status: PeerStatus): void {
    this.#status = status;
    this.#action?.setStatus(status);
  }

  /** A role that serves, waited for within a bound. */
  async #readyRole(): Promise<Role> {
    const deadline = this.#deps.clock.now() + READ_WAIT_MS;
    for (;;) {
      const role = this.#role;
      if (role?.isReady === true) return role;
      if (this.#isStopping) throw closed();
      if (this.#deps.clock.now() >= deadline) {
        throw notReady();
      }
      await this.#pause(READ_POLL_MS);
    }
  }

  /** Bounded by the role (G16): it answers, or its end gives up every read that waits. */
  #readIndex(role: Role): Promise<void> {
    return new Promise((resolve, reject) => {
      role.readIndex((mark) => {
        if (typeof mark !== "bigint") {
          reject(mark);
          return;
        }
        this.#openAction().whenApplied(mark, (isApplied) => {
          if (isApplied) resolve();
          else reject(notReady());
        });
      });
    });
  }

  #pauseBeforeElection(): Promise<void> {
    const doublings = Math.min(this.#unreadyRoles, RESTART_DOUBLINGS_MAX);
    const ms = this.#options.timings.roleRestartMs * 2 ** doublings;
    return this.#pause(ms * (1 + this.#deps.random.next()));
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#deps.clock.setTimer(ms, resolve);
    });
  }
}

function notReady(): QuorateError {
  return new QuorateError("ERR_SERVER_NOT_READY", "no leader is established", { retryable: true });
}

function closed(): QuorateError {
  return new QuorateError("ERR_SERVER_CLOSED", "the server is stopping", { retryable: true });
}
