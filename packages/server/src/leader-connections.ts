import { ObserverQueue, observerIdOf, type Leader } from "@quorate/broadcast";
import {
  assert,
  LATE_TIMEOUTS_MAX,
  QuorateError,
  type Clock,
  type Epoch,
  type Logger,
  type LogPosition,
  type Meter,
  type MsgFactory,
  type NodeId,
  type PeerMsg,
  type PeerPipe,
  type Timings,
} from "@quorate/protocol";
import {
  LeaderSyncProxy,
  type ConsentState,
  type FollowerProfile,
  type Gate,
  type Introduction,
  type LeaderSummary,
} from "@quorate/sync";
import type { Admissions } from "./admissions.js";
import { effectiveStanding } from "./identity-record.js";
import { judgeIntroduction } from "./introduction.js";
import { isReset, resetReason, type RoleEnd, type RoleHandler } from "./role.js";
import type { PeerPressure } from "./server.js";

export interface LeaderConnectionsOptions {
  readonly timings: Timings;
  readonly summary: LeaderSummary;
  readonly consent: ConsentState;
}

export interface LeaderConnectionsDeps {
  readonly action: RoleHandler;
  readonly admissions: Admissions;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
  readonly factory: MsgFactory;
  onGateOpened(gate: Gate): void;
  /** A peer that synchronises has moved on. */
  onProgress(): void;
  /** A voter's promise of the epoch is durable. Once for each. */
  onPromise(): void;
  /** What a peer said ends the term. */
  onEnd(end: RoleEnd): void;
}

/** One connected peer. */
interface Connection {
  readonly pipe: PeerPipe;
  readonly proxy: LeaderSyncProxy;
  readonly queue: ObserverQueue;
  lastHeard: number;
  /** Its plan is cut: what is proposed from then on waits for it. */
  wantsLive: boolean;
  hasJoined: boolean;
}

/**
 * The peers of one term of leadership, from their first message to their last: who is who, what
 * each is sent while it synchronises, and when it is silent for too long.
 */
export class LeaderConnections {
  readonly #options: LeaderConnectionsOptions;
  readonly #deps: LeaderConnectionsDeps;
  readonly #connections = new Map<number, Connection>();
  /** Voters that have answered the offered epoch in this term. */
  readonly #promised = new Set<NodeId>();
  /** Voters that have been at the last gate in this term. */
  readonly #acknowledged = new Set<NodeId>();
  #leader: Leader | null = null;
  #epochReady: Epoch | null = null;
  #isClosed = false;

  constructor(options: LeaderConnectionsOptions, deps: LeaderConnectionsDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** A peer wants to be led. */
  accept(pipe: PeerPipe): void {
    if (this.#isClosed) {
      pipe.close(new QuorateError("ERR_SERVER_NOT_LEADING", "not leading any more"));
      return;
    }
    const queue = new ObserverQueue();
    const proxy = this.#createProxy(pipe, queue);
    const connection: Connection = {
      pipe,
      proxy,
      queue,
      lastHeard: this.#deps.clock.now(),
      wantsLive: false,
      hasJoined: false,
    };
    this.#connections.set(pipe.pipeId, connection);
    if (this.#epochReady !== null) proxy.onEpochReady(this.#epochReady);
    for (const gate of ["acceptedEpoch", "epochAck", "newLeaderAck"] as const) {
      if (this.#options.consent.isOpen(gate)) proxy.onGateOpened(gate);
    }
    pipe.attach({
      onMessages: (messages) => {
        this.#received(connection, messages);
      },
      onClose: (reason) => {
        this.#disconnect(connection, reason);
      },
    });
  }

  #createProxy(pipe: PeerPipe, queue: ObserverQueue): LeaderSyncProxy {
    const { action, factory, logger, meter } = this.#deps;
    const id = observerIdOf(pipe);
    return new LeaderSyncProxy({
      pipe,
      consent: this.#options.consent,
      summary: this.#options.summary,
      handler: action,
      factory,
      logger,
      introduce: (profile, acceptedEpoch) => this.#introduce(pipe, profile, acceptedEpoch),
      onGateOpened: (gate) => {
        this.#deps.onGateOpened(gate);
      },
      onAbdicate: (reason) => {
        this.#deps.onEnd({ kind: "abdicated", reason });
      },
      startLiveQueue: () => {
        const connection = this.#connections.get(pipe.pipeId);
        if (connection === undefined) return;
        connection.wantsLive = true;
        this.#observe(connection);
      },
      stopLiveQueue: () => {
        const connection = this.#connections.get(pipe.pipeId);
        if (connection !== undefined) connection.wantsLive = false;
        this.#leader?.removeObserver(id);
        queue.drain();
      },
      onPlan: (kind) => {
        logger.info("synchronising a peer", { peer: pipe.peer, plan: kind });
        meter.count(`sync_plan_${kind}`);
      },
      onJoin: (last) => {
        this.#joined(pipe, last);
      },
      onFailed: (error) => {
        logger.warn("synchronisation failed", { peer: pipe.peer, code: error.code }, error);
        pipe.close(error);
      },
    });
  }

  #introduce(pipe: PeerPipe, profile: FollowerProfile, acceptedEpoch: Epoch): Introduction {
    const { action, logger } = this.#deps;
    const refused = (error: QuorateError): Introduction => ({ kind: "refused", error });
    const clash = [...this.#connections.values()].find(
      ({ pipe: other, proxy }) =>
        other.pipeId !== pipe.pipeId && other.peer === profile.id && proxy.profile !== null,
    );
    if (
      profile.id === action.getNodeId() ||
      (clash && clash.proxy.profile?.identity !== profile.identity)
    ) {
      return refused(
        new QuorateError("ERR_SERVER_DUPLICATE_ID", `another node ${profile.id} is connected`),
      );
    }
    if (clash !== undefined) {
      // G28: the newer pipe of the same node replaces the older and its open votes.
      const reason = new QuorateError("ERR_PROTOCOL_CLOSED", "replaced by a newer connection");
      this.#disconnect(clash, reason);
      clash.pipe.close(reason);
    }
    const watchers = [...this.#connections.values()].filter(
      ({ proxy }) => proxy.profile?.voting === false,
    ).length;
    const { introduction, end } = judgeIntroduction(profile, acceptedEpoch, {
      action,
      epoch: this.#options.consent.epoch,
      watchers,
    });
    if (introduction.kind === "welcome" && profile.voting && !introduction.isCounted) {
      logger.info("a voter is not counted yet", { peer: profile.id, standing: profile.standing });
    }
    if (end !== undefined) this.#deps.onEnd(end);
    return introduction;
  }

  /** Before the leader is established nothing is proposed, so nothing is missed either. */
  #observe(connection: Connection): void {
    const { pipe, proxy, queue, wantsLive, hasJoined } = connection;
    if (!wantsLive || hasJoined) return;
    this.#leader?.addObserver(observerIdOf(pipe), queue, proxy.profile?.voting === false);
  }

  /**
   * Liveness: only what brings the last gate closer keeps a leader waiting there. Peers that do not
   * count, or that have acknowledged once and come back, would keep it from its end for ever.
   */
  #noteProgress({ pipe, proxy }: Connection, message: PeerMsg): void {
    if (!proxy.canFollowerVote() || this.#acknowledged.has(pipe.peer)) return;
    if (message.kind === "newLeaderAck") this.#acknowledged.add(pipe.peer);
    if (message.kind === "epochAck") this.#notePromise(pipe.peer, message.uncounted);
    this.#deps.onProgress();
  }

  #notePromise(voter: NodeId, isUncounted: boolean): void {
    if (this.#promised.has(voter)) return;
    this.#promised.add(voter);
    if (!isUncounted) this.#deps.onPromise();
  }

  #received(connection: Connection, messages: readonly PeerMsg[]): void {
    connection.lastHeard = this.#deps.clock.now();
    try {
      for (const message of messages) {
        if (this.#isClosed || !this.#connections.has(connection.pipe.pipeId)) return;
        if (connection.hasJoined && this.#leader !== null) {
          this.#leader.onMessage(connection.pipe, message);
        } else if (message.kind !== "heartbeat") {
          connection.proxy.onMessage(message);
          this.#noteProgress(connection, message);
        }
      }
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error;
      this.#deps.logger.warn("a peer broke the protocol", { peer: connection.pipe.peer }, error);
      connection.pipe.close(error);
    }
  }

  #joined(pipe: PeerPipe, last: LogPosition): void {
    const connection = this.#connections.get(pipe.pipeId);
    const leader = this.#leader;
    if (connection === undefined || leader === null) return;
    const { profile } = connection.proxy;
    assert(profile !== null, "a peer that joins has introduced itself");
    connection.hasJoined = true;
    const isCounted = this.#countsAsVoter(connection);
    this.#deps.logger.info("a peer joined", { peer: pipe.peer, isCounted });
    if (!profile.voting) {
      leader.addWatcher(pipe, last);
      return;
    }
    const { identity } = profile;
    leader.addFollower({ pipe, identity, isCounted, upTo: last });
    this.#deps.admissions.joined(profile);
  }

  /** Before there is a table, whoever consented; then those that it names. */
  #countsAsVoter({ proxy }: Connection): boolean {
    const { profile } = proxy;
    if (profile === null || !profile.voting) return false;
    const table = this.#deps.action.getIdentityTable();
    if (table.size === 0) return proxy.canFollowerVote();
    // Judged anew: the record that admits it may have been committed since it introduced itself.
    const { id, identity, standing } = profile;
    return effectiveStanding(table, id, identity, standing) === "member";
  }

  #disconnect(connection: Connection, reason: QuorateError): void {
    const { pipe, proxy } = connection;
    if (!this.#connections.delete(pipe.pipeId)) return;
    this.#deps.logger.info("a peer is gone", { peer: pipe.peer, code: reason.code });
    proxy.terminate();
    this.#leader?.removeObserver(observerIdOf(pipe));
    if (isReset(reason)) this.#leader?.suspendMember(pipe);
    else this.#leader?.removeMember(pipe);
  }

  gateOpened(gate: Gate): void {
    for (const { proxy } of [...this.#connections.values()]) proxy.onGateOpened(gate);
  }

  /** The leader's own promise is durable: whoever waits for the epoch is offered it. */
  epochReady(epoch: Epoch): void {
    this.#epochReady = epoch;
    for (const { proxy } of [...this.#connections.values()]) proxy.onEpochReady(epoch);
  }

  /** From now on there are proposals: those whose plan is cut already must not miss any. */
  established(leader: Leader): void {
    this.#leader = leader;
    for (const connection of this.#connections.values()) this.#observe(connection);
  }

  /** Connected voters whose word counts. */
  countedVoters(): readonly NodeId[] {
    const counted = [...this.#connections.values()].filter(({ proxy }) => proxy.canFollowerVote());
    return counted.map(({ pipe }) => pipe.peer);
  }

  /** A voter whose word counts was offered the epoch, and its disk has not promised it yet. */
  get awaitsPromise(): boolean {
    return [...this.#connections.values()].some(
      ({ pipe, proxy }) =>
        proxy.canFollowerVote() &&
        proxy.stage === "updateCurrentEpochAfterQuorum" &&
        !this.#promised.has(pipe.peer),
    );
  }

  joined(): readonly LeaderSyncProxy[] {
    const joined = [...this.#connections.values()].filter(({ hasJoined }) => hasJoined);
    return joined.map(({ proxy }) => proxy);
  }

  /** What waits for each. */
  pressure(): readonly PeerPressure[] {
    return [...this.#connections.values()].map(({ pipe, queue }) => ({
      peer: pipe.peer,
      queueBytes: pipe.queuedBytes + queue.byteLength,
      lagEntries: this.#leader?.lagOf(pipe)?.entries ?? null,
    }));
  }

  /**
   * Closes who is silent, and who answers late: it says something all the time, but what it hears,
   * and what its clients read, is old. Keeps who still synchronises from thinking that the leader
   * is silent.
   */
  tick(now: number): void {
    const { followerTimeoutMs } = this.#options.timings;
    for (const connection of [...this.#connections.values()]) {
      const { lastHeard, pipe } = connection;
      const isLate =
        (this.#leader?.lagOf(pipe)?.answerMs ?? 0) > LATE_TIMEOUTS_MAX * followerTimeoutMs;
      if (isLate || now - lastHeard > followerTimeoutMs) {
        const text = isLate ? "the peer answers too late" : "the peer is silent";
        const reason = new QuorateError("ERR_PROTOCOL_TIMEOUT", text);
        pipe.close(reason);
        this.#disconnect(connection, reason);
      } else if (!connection.hasJoined) {
        connection.pipe.send(this.#deps.factory.createHeartbeat(0, false));
      }
    }
  }

  /** Closes every pipe; the term goes on. */
  reset(): void {
    const reason = resetReason();
    for (const connection of [...this.#connections.values()]) {
      // At once: they may be back before their old pipes have told their end.
      this.#disconnect(connection, reason);
      connection.pipe.close(reason);
    }
  }

  /** The term is over. */
  close(reason: QuorateError): void {
    this.#isClosed = true;
    for (const { pipe, proxy } of [...this.#connections.values()]) {
      proxy.terminate();
      pipe.close(reason);
    }
    this.#connections.clear();
  }
}
