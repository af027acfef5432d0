import { createElectionSite, type ElectionResult, type ElectionSite } from "@quorate/election";
import {
  assertNever,
  PENDING_PIPES_MAX,
  QuorateError,
  type NodeId,
  type PeerPipe,
  type Service,
  type Txnid,
} from "@quorate/protocol";
import type { CommittedLog } from "./applied-feed.js";
import { electionStateOf } from "./election-state.js";
import { effectiveStanding } from "./identity-record.js";
import { FollowerServer } from "./follower-server.js";
import { LeaderServer } from "./leader-server.js";
import { NodeCore, type CoreDeps, type CoreOptions } from "./node-core.js";
import type { RoleEnd } from "./role.js";
import { closedError } from "./service/refusals.js";
import type { ExitReason, NodeStatus, ReadOptions, Server, ServerPressure } from "./server.js";

/** Roles that end unready one after the other pause ever longer, up to this many doublings. */
const RESTART_DOUBLINGS_MAX = 6;

/**
 * The life of a voter, one state chart: electing, then leading or following, then electing again.
 *
 * Safety: between two roles stands a barrier. No vote, FollowerInfo or EpochAck leaves before
 * every write of the previous role is answered (G24); a disk that does not answer keeps the node
 * out of elections.
 */
export class Coordinator implements Server {
  readonly done: Promise<ExitReason>;
  readonly #options: CoreOptions;
  readonly #deps: CoreDeps;
  readonly #core: NodeCore;
  #site: ElectionSite | null = null;
  #leaderServer: LeaderServer | null = null;
  #followerServer: FollowerServer | null = null;
  #waitingPipes: PeerPipe[] = [];
  #unreachable: NodeId | null = null;
  /** The leader whose connection was closed on purpose: followed again without a vote. */
  #returnTo: NodeId | null = null;
  #epochFloor = 0;
  #unreadyRoles = 0;

  constructor(options: CoreOptions, deps: CoreDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#core = new NodeCore(options, deps);
    this.done = this.#core.done;
  }

  async start(): Promise<void> {
    await this.#core.open();
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
        state: () => electionStateOf(this.#core.action, this.#core.peerStatus),
        standingOf: (voter, voterIdentity, claimed) =>
          effectiveStanding(this.#core.action.getIdentityTable(), voter, voterIdentity, claimed),
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

  get committed(): CommittedLog {
    return this.#core.committed;
  }

  get service(): Service {
    return this.#core.service;
  }

  status(): NodeStatus {
    const waitingFor = this.#leaderServer?.awaitedFounders ?? this.#site?.awaitedFounders ?? [];
    return { ...this.#core.status(), waitingFor };
  }

  pressure(): ServerPressure {
    return this.#core.pressure();
  }

  submit(
    op: number,
    key: string,
    content: Uint8Array,
  ): Promise<{ readonly txnid: Txnid; readonly content: Uint8Array }> {
    return this.#core.submit(op, key, content);
  }

  read(op: number, key: string, content: Uint8Array, options?: ReadOptions): Promise<Uint8Array> {
    return this.#core.read(op, key, content, options);
  }

  ping(): Promise<void> {
    return this.#core.ping();
  }

  resetConnections(): void {
    this.#core.role?.resetConnections();
  }

  stop(): Promise<void> {
    return this.#core.stop();
  }

  // ---- the loop ----

  async #live(site: ElectionSite): Promise<ExitReason> {
    const { logger } = this.#deps;
    const core = this.#core;
    while (!core.signal.aborted) {
      this.#leaderServer = null;
      if (this.#returnTo === null) {
        this.#deps.meter.count("elections");
        core.enter("electing", null, null);
      }
      const failure = (await core.barrier()) ?? (await core.shortenLog());
      if (core.signal.aborted) break;
      if (failure !== null) {
        // It failed after the role had ended: nobody else has heard of it.
        const exit = await core.storeFailed(failure);
        if (exit !== undefined) return exit;
        continue;
      }
      const leader = this.#returnTo ?? (await this.#elect(site))?.leader;
      this.#returnTo = null;
      if (leader === undefined) break;
      const end = await this.#serve(site, leader);
      const wasReady = core.role?.wasReady ?? false;
      logger.info("role ended", { role: core.peerStatus, end: end.kind });
      const exit = await this.#afterRole(end, wasReady);
      if (exit !== undefined) return exit;
    }
    return { kind: "stopped" };
  }

  async #elect(site: ElectionSite): Promise<ElectionResult | undefined> {
    const { signal } = this.#core;
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

  async #serve(site: ElectionSite, leader: NodeId): Promise<RoleEnd> {
    const core = this.#core;
    if (core.signal.aborted) return { kind: "stopped" };
    const { action, requests } = core;
    const { nodeId, timings } = this.#options;
    const onEstablished = site.updateWinningEpoch.bind(site);
    const onServing = (): void => core.inner.servingChanged();
    const deps = { ...this.#deps, action, requests, onEstablished, onServing };
    if (leader === nodeId) {
      const server = new LeaderServer(
        { timings, epochFloor: this.#epochFloor },
        { ...deps, sessionState: core.inner.sessionState },
      );
      core.enter("leading", leader, server);
      this.#leaderServer = server;
      server.start();
      const waiting = this.#waitingPipes;
      this.#waitingPipes = [];
      for (const pipe of waiting) server.accept(pipe);
      return server.done;
    }
    this.#turnAway(new QuorateError("ERR_SERVER_NOT_LEADING", `node ${nodeId} follows`));
    const server = new FollowerServer(
      { leader, kind: "follower", timings },
      {
        ...deps,
        touches: core.inner.touches,
        onPeerUnreachable: (peer) => {
          this.#unreachable = peer;
        },
      },
    );
    this.#followerServer = server;
    core.enter("following", leader, server);
    server.start();
    return server.done;
  }

  async #afterRole(end: RoleEnd, wasReady: boolean): Promise<ExitReason | undefined> {
    const { logger } = this.#deps;
    const core = this.#core;
    const { leader } = core;
    core.action.abandonReads();
    this.#unreadyRoles = wasReady ? 0 : this.#unreadyRoles + 1;
    this.#leaderServer = null;
    this.#followerServer = null;
    // Whoever asks during the pause must not be told that it leads, or whom it follows.
    if (end.kind === "reset") core.enter(core.peerStatus, leader, null);
    else core.enter("electing", null, null);
    switch (end.kind) {
      case "stopped":
        return { kind: "stopped" };
      case "diverged":
        logger.error("this node's history contradicts the leader's; it stops", {}, end.error);
        return { kind: "failed", error: end.error };
      case "storeFailed":
        return core.storeFailed(end.error);
      case "superseded":
        this.#epochFloor = Math.max(this.#epochFloor, end.acceptedEpoch);
        return undefined;
      case "handover":
        this.#unreachable = leader;
        return undefined;
      case "reset":
        // The leader goes on, and waits for its followers no longer than its lease.
        if (wasReady) this.#returnTo = leader;
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

  async #exit(reason: ExitReason): Promise<void> {
    this.#leaderServer = null;
    this.#site?.close();
    this.#deps.listener.onPipe(null);
    this.#turnAway(closedError());
    await this.#core.exit(reason);
  }

  // ---- pipes ----

  #accept(pipe: PeerPipe): void {
    if (this.#leaderServer !== null) {
      this.#leaderServer.accept(pipe);
    } else if (this.#followerServer !== null) {
      this.#followerServer.accept(pipe);
    } else if (this.#core.peerStatus === "electing" && !this.#core.signal.aborted) {
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

  #pauseBeforeElection(): Promise<void> {
    const doublings = Math.min(this.#unreadyRoles, RESTART_DOUBLINGS_MAX);
    const ms = this.#options.timings.roleRestartMs * 2 ** doublings;
    return this.#core.pause(ms * (1 + this.#deps.random.next()));
  }
}
