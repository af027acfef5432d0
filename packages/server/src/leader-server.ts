import { Leader, ObserverQueue, observerIdOf } from "@quorate/broadcast";
import {
  assert,
  isInternalOpCode,
  QuorateError,
  type ChainHash,
  type Clock,
  type CustomRequestHandler,
  type Epoch,
  type IdentityTable,
  type Logger,
  type LogPosition,
  type Meter,
  type MsgFactory,
  type NodeId,
  type PeerMsg,
  type PeerPipe,
  type RequestMgr,
  type Ticket,
  type Timer,
  type Timings,
  type Txnid,
} from "@quorate/protocol";
import {
  ConsentState,
  LeaderSyncProxy,
  type FollowerProfile,
  type Gate,
  type Introduction,
} from "@quorate/sync";
import { Admissions } from "./admissions.js";
import { effectiveStanding, encodeIdentities } from "./identity-record.js";
import { judgeIntroduction } from "./introduction.js";
import type { Role, RoleEnd, RoleHandler } from "./role.js";

export interface LeaderServerOptions {
  readonly timings: Timings;
  /** The new epoch will be above this one: what a voter was seen to have promised. */
  readonly epochFloor: number;
}

export interface LeaderServerDeps {
  readonly action: RoleHandler;
  readonly requests: RequestMgr;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
  readonly factory: MsgFactory;
  readonly chainHash: ChainHash;
  readonly customHandler?: CustomRequestHandler;
  /** The epoch is established: peers that elect may be told. */
  onEstablished(epoch: Epoch): void;
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
 * One term of leadership: discovery, sync, broadcast, end.
 *
 * Owns the order of the leader's own persists (G22): its promise is durable before the epoch is
 * offered, its current epoch before it counts itself at the last gate.
 */
export class LeaderServer implements Role {
  readonly done: Promise<RoleEnd>;
  readonly #options: LeaderServerOptions;
  readonly #deps: LeaderServerDeps;
  readonly #self: NodeId;
  readonly #consent: ConsentState;
  readonly #admissions: Admissions;
  readonly #connections = new Map<number, Connection>();
  /** The end of the own log at election: all of it is the initial history. */
  readonly #initialEnd: LogPosition;
  readonly #summary: { readonly currentEpoch: Epoch; readonly lastLogged: Txnid };
  #resolveDone: (end: RoleEnd) => void = () => undefined;
  #acceptedTicket: Ticket | null = null;
  #currentTicket: Ticket | null = null;
  #epochReady: Epoch | null = null;
  #leader: Leader | null = null;
  #timer: Timer | null = null;
  #stopTimer: Timer | null = null;
  #lastProgress: number;
  readonly #startedAt: number;
  #hasEnded = false;

  constructor(options: LeaderServerOptions, deps: LeaderServerDeps) {
    this.#options = options;
    this.#deps = deps;
    const { action, clock } = deps;
    this.#self = action.getNodeId();
    this.#consent = new ConsentState(this.#self, action.getQuorumVerifier());
    this.#admissions = new Admissions(action, deps.logger, (op, members) => {
      this.#proposeOwn(op, members);
    });
    this.#initialEnd = action.getLastLogged();
    assert(
      action.getLogEnd().txnid === this.#initialEnd.txnid,
      "the role starts after its barrier",
    );
    this.#summary = {
      currentEpoch: action.getCurrentEpoch(),
      lastLogged: this.#initialEnd.txnid,
    };
    this.#startedAt = clock.now();
    this.#lastProgress = this.#startedAt;
    this.done = new Promise((resolve) => {
      this.#resolveDone = resolve;
    });
  }

  get isReady(): boolean {
    return this.#leader !== null && !this.#hasEnded;
  }

  get wasReady(): boolean {
    return this.#leader !== null;
  }

  get epoch(): Epoch | null {
    return this.#consent.epoch;
  }

  /** Followers connected and synchronised, and the leader; 0 before it is established. */
  getActiveEnsembleSize(): number {
    return this.#leader?.getActiveEnsembleSize() ?? 0;
  }

  start(): void {
    const { action } = this.#deps;
    action.attach({
      onPersisted: (upTo, lastLogged) => {
        this.#persisted(upTo, lastLogged);
      },
      onStoreFailed: (error) => {
        this.#end({ kind: "storeFailed", error });
      },
      onVoterAdmitted: (voter, identity) => {
        this.#leader?.admit(voter, identity);
      },
    });
    // A store that had failed before says so at once.
    if (this.#hasEnded) return;
    this.#scheduleTick();
    const floor = Math.max(action.getAcceptedEpoch(), this.#options.epochFloor) as Epoch;
    try {
      if (this.#consent.voteAcceptedEpoch(this.#self, floor)) this.#gateOpened("acceptedEpoch");
    } catch (error) {
      this.#protocolError(error);
    }
  }

  /** A peer wants to be led. */
  accept(pipe: PeerPipe): void {
    if (this.#hasEnded) {
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
      if (this.#consent.isOpen(gate)) proxy.onGateOpened(gate);
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

  readIndex(done: (mark: Txnid | QuorateError) => void): void {
    if (this.#leader === null || this.#hasEnded) done(notReady());
    else this.#leader.readIndex(done);
  }

  /** Drains, hands over to the most advanced follower, ends; at most drainTimeoutMs. */
  stop(): void {
    const leader = this.#leader;
    if (this.#stopTimer !== null) return;
    if (leader === null || this.#hasEnded) {
      this.#end({ kind: "stopped" });
      return;
    }
    const finish = (): void => {
      leader.handOver();
      this.#end({ kind: "stopped" });
    };
    this.#stopTimer = this.#deps.clock.setTimer(this.#options.timings.drainTimeoutMs, finish);
    this.#deps.requests.onRequest(null);
    leader.drain(finish);
  }

  /** Kills every connection without ending the term (the original's reset channel). */
  resetConnections(): void {
    const reason = new QuorateError("ERR_PROTOCOL_CLOSED", "connections were reset");
    for (const { pipe } of [...this.#connections.values()]) pipe.close(reason);
  }

  // ---- connections ----

  #createProxy(pipe: PeerPipe, queue: ObserverQueue): LeaderSyncProxy {
    const { action, factory, logger, meter } = this.#deps;
    const id = observerIdOf(pipe);
    return new LeaderSyncProxy({
      pipe,
      consent: this.#consent,
      summary: this.#summary,
      handler: action,
      factory,
      logger,
      introduce: (profile, acceptedEpoch) => this.#introduce(pipe, profile, acceptedEpoch),
      onGateOpened: (gate) => {
        this.#gateOpened(gate);
      },
      onAbdicate: (reason) => {
        this.#end({ kind: "abdicated", reason });
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
      profile.id === this.#self ||
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
      epoch: this.#consent.epoch,
      watchers,
    });
    if (introduction.kind === "welcome" && profile.voting && !introduction.isCounted) {
      logger.info("a voter is not counted yet", { peer: profile.id, standing: profile.standing });
    }
    if (end !== undefined) this.#end(end);
    return introduction;
  }

  /** Before the leader is established nothing is proposed, so nothing is missed either. */
  #observe(connection: Connection): void {
    const { pipe, proxy, queue, wantsLive, hasJoined } = connection;
    if (!wantsLive || hasJoined) return;
    this.#leader?.addObserver(observerIdOf(pipe), queue, proxy.profile?.voting === false);
  }

  #received(connection: Connection, messages: readonly PeerMsg[]): void {
    connection.lastHeard = this.#deps.clock.now();
    try {
      for (const message of messages) {
        if (this.#hasEnded || !this.#connections.has(connection.pipe.pipeId)) return;
        if (connection.hasJoined && this.#leader !== null) {
          this.#leader.onMessage(connection.pipe, message);
        } else if (message.kind !== "heartbeat") {
          this.#lastProgress = connection.lastHeard;
          connection.proxy.onMessage(message);
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
    this.#admissions.joined(profile);
  }

  /**
   * An empty voter that consented among empty ones counts only if the ensemble was founded with
   * it: joining later than the founding, it must be admitted like any other.
   */
  #countsAsVoter({ proxy }: Connection): boolean {
    const { profile } = proxy;
    if (profile === null || !proxy.canFollowerVote()) return false;
    const table = this.#deps.action.getIdentityTable();
    const { id, identity, standing } = profile;
    return table.size === 0 || effectiveStanding(table, id, identity, standing) === "member";
  }

  #disconnect(connection: Connection, reason: QuorateError): void {
    const { pipe, proxy } = connection;
    if (!this.#connections.delete(pipe.pipeId)) return;
    this.#deps.logger.info("a peer is gone", { peer: pipe.peer, code: reason.code });
    proxy.terminate();
    this.#leader?.removeObserver(observerIdOf(pipe));
    this.#leader?.removeMember(pipe);
  }

  // ---- gates ----

  #gateOpened(gate: Gate): void {
    const { action } = this.#deps;
    this.#lastProgress = this.#deps.clock.now();
    const { epoch } = this.#consent;
    assert(epoch !== null, "a gate opened without an epoch");
    if (gate === "acceptedEpoch") {
      this.#acceptedTicket = action.notifyNewAcceptedEpoch(epoch, this.#self);
      return;
    }
    if (gate === "epochAck") {
      this.#currentTicket = action.notifyNewCurrentEpoch(epoch);
    } else {
      this.#establish(epoch);
    }
    for (const { proxy } of [...this.#connections.values()]) proxy.onGateOpened(gate);
    if (gate === "newLeaderAck") this.#open();
  }

  #persisted(upTo: Ticket, lastLogged: LogPosition): void {
    if (this.#hasEnded) return;
    if (this.#acceptedTicket !== null && this.#acceptedTicket <= upTo) {
      this.#acceptedTicket = null;
      this.#offerEpoch();
    }
    if (this.#currentTicket !== null && this.#currentTicket <= upTo) {
      this.#currentTicket = null;
      if (this.#consent.voteNewLeaderAck(this.#self)) this.#gateOpened("newLeaderAck");
    }
    this.#leader?.onPersisted(lastLogged);
  }

  #offerEpoch(): void {
    const { epoch } = this.#consent;
    assert(epoch !== null, "an epoch was persisted that is not known");
    this.#epochReady = epoch;
    if (this.#consent.voteEpochAck(this.#self)) this.#gateOpened("epochAck");
    for (const { proxy } of [...this.#connections.values()]) proxy.onEpochReady(epoch);
  }

  #establish(epoch: Epoch): void {
    const { action, clock, logger, factory, chainHash, customHandler } = this.#deps;
    // G1: everything the leader had logged is committed now, with a quorum on its own epoch.
    action.commit(this.#initialEnd.txnid);
    this.#leader = new Leader(
      {
        nodeId: this.#self,
        epoch,
        quorum: action.getQuorumVerifier(),
        initialEnd: this.#initialEnd,
        timings: this.#options.timings,
      },
      {
        handler: action,
        clock,
        logger,
        factory,
        chainHash,
        ...(customHandler === undefined ? {} : { customHandler }),
        onEnsembleChange: () => {
          this.#deps.meter.gauge("active_ensemble", this.getActiveEnsembleSize());
        },
        onStepDown: (error) => {
          this.#end({ kind: "lost", error, isPeerGone: false });
        },
      },
    );
    for (const connection of this.#connections.values()) this.#observe(connection);
  }

  /** After the followers of the last gate have joined: found the ensemble if need be, serve. */
  #open(): void {
    const { action, requests, logger } = this.#deps;
    const leader = this.#leader;
    const { epoch } = this.#consent;
    if (leader === null || epoch === null || this.#hasEnded) return;
    logger.info("leading", { epoch, followers: leader.getActiveEnsembleSize() - 1 });
    this.#deps.onEstablished(epoch);
    const joined = [...this.#connections.values()].filter(({ hasJoined }) => hasJoined);
    this.#admissions.open(joined.map(({ proxy }) => proxy));
    requests.onRequest((request) => {
      leader.queueRequest(action.getFollowerId(), request);
    });
  }

  #proposeOwn(op: number, members: IdentityTable): void {
    assert(isInternalOpCode(op), "only the ensemble's own operations", { op });
    const content = encodeIdentities(members);
    const request = { kind: "request", reqId: 0n, op, key: "", content } as const;
    this.#leader?.queueRequest(this.#deps.action.getFollowerId(), request);
  }

  // ---- time ----

  #scheduleTick(): void {
    this.#timer = this.#deps.clock.setTimer(this.#options.timings.heartbeatMs, () => {
      if (this.#hasEnded) return;
      this.#tick();
      if (!this.#hasEnded) this.#scheduleTick();
    });
  }

  #tick(): void {
    const { clock, action, factory } = this.#deps;
    const { timings } = this.#options;
    const now = clock.now();
    if ((action.oldestAppendAgeMs?.() ?? 0) > timings.diskTimeoutMs) {
      this.#end({
        kind: "lost",
        error: new QuorateError("ERR_STORE_TIMEOUT", "the own disk does not answer"),
        isPeerGone: false,
      });
      return;
    }
    const isDiscovered = this.#consent.isOpen("epochAck");
    if (
      (!isDiscovered && now - this.#startedAt > timings.discoveryTimeoutMs) ||
      (this.#leader === null && now - this.#lastProgress > timings.syncTimeoutMs)
    ) {
      const error = new QuorateError("ERR_SYNC_TIMEOUT", "no quorum synchronised in time");
      this.#end({ kind: "lost", error, isPeerGone: false });
      return;
    }
    for (const connection of [...this.#connections.values()]) {
      if (now - connection.lastHeard > timings.followerTimeoutMs) {
        connection.pipe.close(new QuorateError("ERR_PROTOCOL_TIMEOUT", "the peer is silent"));
        this.#disconnect(connection, new QuorateError("ERR_PROTOCOL_TIMEOUT", "silent"));
      } else if (!connection.hasJoined) {
        connection.pipe.send(factory.createHeartbeat(0, false));
      }
    }
  }

  // ---- the end ----

  #protocolError(error: unknown): void {
    if (!(error instanceof QuorateError)) throw error;
    this.#end({ kind: "lost", error, isPeerGone: false });
  }

  #end(end: RoleEnd): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#timer?.cancel();
    this.#stopTimer?.cancel();
    const { action, requests } = this.#deps;
    const reason =
      "error" in end
        ? end.error
        : new QuorateError("ERR_SERVER_NOT_LEADING", `leadership ended: ${end.kind}`);
    requests.onRequest(null);
    this.#leader?.terminate();
    action.attach(null);
    action.discardPrepared();
    requests.cleanupOnError(reason);
    for (const { pipe, proxy } of [...this.#connections.values()]) {
      proxy.terminate();
      pipe.close(reason);
    }
    this.#connections.clear();
    this.#resolveDone(end);
  }
}

function notReady(): QuorateError {
  return new QuorateError("ERR_SERVER_NOT_READY", "the leader is not established", {
    retryable: true,
  });
}
