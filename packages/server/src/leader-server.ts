import { Leader } from "@quorate/broadcast";
import {
  assert,
  isInternalOpCode,
  QuorateError,
  unanimousQuorum,
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
  type PeerPipe,
  type QuorumVerifier,
  type RequestMgr,
  type Ticket,
  type Timer,
  type Timings,
  type Txnid,
} from "@quorate/protocol";
import { ConsentState, type Gate } from "@quorate/sync";
import { Admissions } from "./admissions.js";
import { EpochRaiser } from "./epoch-raiser.js";
import { encodeIdentities } from "./identity-record.js";
import { LeaderConnections } from "./leader-connections.js";
import type { Role, RoleEnd, RoleHandler } from "./role.js";
import type { PeerPressure } from "./server.js";
import { LeaderSessions, type SessionState } from "./sessions/leader-sessions.js";

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
  /** Default: the state has no sessions. */
  readonly sessionState?: SessionState | undefined;
  /** It serves from now on, or does not any more. */
  onServing?(): void;
  /** The epoch is established: peers that elect may be told. */
  onEstablished(epoch: Epoch): void;
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
  /** Whose consent opens the gates. */
  readonly #electorate: QuorumVerifier;
  readonly #consent: ConsentState;
  readonly #admissions: Admissions;
  readonly #connections: LeaderConnections;
  /** The end of the own log at election: all of it is the initial history. */
  readonly #initialEnd: LogPosition;
  readonly #summary: { readonly currentEpoch: Epoch; readonly lastLogged: Txnid };
  #resolveDone: (end: RoleEnd) => void = () => undefined;
  #acceptedTicket: Ticket | null = null;
  #currentTicket: Ticket | null = null;
  #leader: Leader | null = null;
  #sessions: LeaderSessions | null = null;
  #timer: Timer | null = null;
  #stopTimer: Timer | null = null;
  #lastProgress: number;
  /** When the connected voters were last a quorum, judged at each tick. */
  #lastQuorum: number;
  /** When discovery last got on: a promise became durable, the own one included. */
  #lastPromise: number;
  #hasEnded = false;

  constructor(options: LeaderServerOptions, deps: LeaderServerDeps) {
    this.#options = options;
    this.#deps = deps;
    const { action, clock } = deps;
    this.#self = action.getNodeId();
    this.#electorate = electorateOf(action);
    this.#consent = new ConsentState(this.#self, this.#electorate);
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
    const now = clock.now();
    this.#lastProgress = now;
    this.#lastPromise = now;
    this.#lastQuorum = now;
    this.#connections = this.#createConnections();
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

  /** Configured voters that an empty leader still lacks to found the ensemble. */
  get awaitedFounders(): readonly NodeId[] {
    const isFounding = this.#leader === null && this.#deps.action.getStanding() === "empty";
    return isFounding ? this.#consent.awaited : [];
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
    this.#connections.accept(pipe);
  }

  readIndex(done: (mark: Txnid | QuorateError) => void): void {
    if (this.#leader === null || this.#hasEnded) done(notReady());
    else this.#leader.readIndex(done);
  }

  ping(done: (error: QuorateError | null) => void): void {
    this.readIndex((mark) => {
      done(typeof mark === "bigint" ? null : mark);
    });
  }

  /** Drains, hands over to the most advanced follower, ends; at most drainTimeoutMs. */
  stop(): void {
    const leader = this.#leader;
    if (this.#stopTimer !== null) return;
    if (leader === null || this.#hasEnded) {
      this.#end({ kind: "stopped" });
      return;
    }
    this.#drain(leader, () => {
      leader.handOver();
      this.#end({ kind: "stopped" });
    });
  }

  #drain(leader: Leader, finish: () => void): void {
    this.#stopTimer = this.#deps.clock.setTimer(this.#options.timings.drainTimeoutMs, finish);
    this.#deps.requests.onRequest(null);
    leader.drain(finish);
  }

  peers(): readonly PeerPressure[] {
    return this.#connections.pressure();
  }

  /** Kills every connection without ending the term (the original's reset channel). */
  resetConnections(): void {
    this.#connections.reset();
  }

  #createConnections(): LeaderConnections {
    return new LeaderConnections(
      { timings: this.#options.timings, summary: this.#summary, consent: this.#consent },
      {
        ...this.#deps,
        admissions: this.#admissions,
        onGateOpened: (gate) => {
          this.#gateOpened(gate);
        },
        onProgress: () => {
          this.#lastProgress = this.#deps.clock.now();
        },
        onPromise: () => {
          this.#lastPromise = this.#deps.clock.now();
        },
        onEnd: (end) => {
          this.#end(end);
        },
      },
    );
  }

  // ---- gates ----

  #gateOpened(gate: Gate): void {
    const { action } = this.#deps;
    this.#lastProgress = this.#deps.clock.now();
    const { epoch } = this.#consent;
    assert(epoch !== null, "a gate opened without an epoch");
    if (gate === "acceptedEpoch") {
      this.#lastPromise = this.#lastProgress;
      this.#acceptedTicket = action.notifyNewAcceptedEpoch(epoch, this.#self);
      return;
    }
    if (gate === "epochAck") {
      this.#currentTicket = action.notifyNewCurrentEpoch(epoch);
    } else {
      this.#establish(epoch);
    }
    this.#connections.gateOpened(gate);
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
    this.#lastPromise = this.#deps.clock.now();
    if (this.#consent.voteEpochAck(this.#self)) this.#gateOpened("epochAck");
    this.#connections.epochReady(epoch);
  }

  #establish(epoch: Epoch): void {
    const { action, clock, logger, meter, factory, chainHash } = this.#deps;
    const { customHandler, sessionState: state } = this.#deps;
    const { timings } = this.#options;
    // G1: everything the leader had logged is committed now, with a quorum on its own epoch.
    action.commit(this.#initialEnd.txnid);
    // Applied, too: from now on each session has its full timeout.
    const sessions =
      state === undefined ? null : new LeaderSessions(timings, { state, clock, meter });
    this.#sessions = sessions;
    this.#leader = new Leader(
      {
        nodeId: this.#self,
        epoch,
        quorum: action.getQuorumVerifier(),
        initialEnd: this.#initialEnd,
        timings,
      },
      {
        handler: action,
        clock,
        logger,
        factory,
        chainHash,
        ...(customHandler === undefined ? {} : { customHandler }),
        ...(sessions === null ? {} : { sessions }),
        epochs: new EpochRaiser({ epoch, logger, onRaise: (floor) => this.#supersede(floor) }),
        onEnsembleChange: () => {
          this.#deps.meter.gauge("active_ensemble", this.getActiveEnsembleSize());
        },
        onStepDown: (error) => {
          this.#end({ kind: "lost", error, isPeerGone: false });
        },
      },
    );
    sessions?.start(this.#leader);
    this.#connections.established(this.#leader);
  }

  /** After the followers of the last gate have joined: found the ensemble if need be, serve. */
  #open(): void {
    const { action, requests, logger } = this.#deps;
    const leader = this.#leader;
    const { epoch } = this.#consent;
    if (leader === null || epoch === null || this.#hasEnded) return;
    logger.info("leading", { epoch, followers: leader.getActiveEnsembleSize() - 1 });
    this.#deps.onEstablished(epoch);
    this.#admissions.open(this.#connections.joined());
    requests.onRequest((request) => {
      leader.queueRequest(action.getFollowerId(), request);
    });
    this.#deps.onServing?.();
  }

  /** The operator wants a higher epoch: as if a voter had promised this one. */
  #supersede(acceptedEpoch: number): void {
    const leader = this.#leader;
    if (leader === null || this.#hasEnded || this.#stopTimer !== null) return;
    this.#drain(leader, () => {
      this.#end({ kind: "superseded", acceptedEpoch });
    });
  }

  #proposeOwn(op: number, members: IdentityTable): void {
    assert(isInternalOpCode(op), "only the ensemble's own operations", { op });
    this.#leader?.proposeOwn(op, "", encodeIdentities(members));
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
    const { clock, action } = this.#deps;
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
    // Liveness: those who left while histories were made equal do not find back to a leader that
    // no quorum names yet. It must not wait for them as long as for a slow disk.
    const counted = [this.#self, ...this.#connections.countedVoters()];
    if (this.#electorate.hasQuorumOf(counted)) this.#lastQuorum = now;
    if (
      this.#isDiscoveryLate(now) ||
      (this.#leader === null && now - this.#lastProgress > timings.syncTimeoutMs) ||
      (this.#leader === null && now - this.#lastQuorum > timings.connectTimeoutMs)
    ) {
      const error = new QuorateError("ERR_SYNC_TIMEOUT", this.#whatIsMissing());
      this.#end({ kind: "lost", error, isPeerGone: false });
      return;
    }
    this.#connections.tick(now);
    this.#sessions?.tick(now);
  }

  /**
   * Liveness: promises become durable one after the other, the leader's own first, and each on a
   * disk that an established term would bear with. Each counts once, so this is bounded.
   */
  #isDiscoveryLate(now: number): boolean {
    if (this.#consent.isOpen("epochAck")) return false;
    const { discoveryTimeoutMs, diskTimeoutMs } = this.#options.timings;
    const isWritten = this.#acceptedTicket !== null || this.#connections.awaitsPromise;
    const ms = isWritten ? Math.max(discoveryTimeoutMs, diskTimeoutMs) : discoveryTimeoutMs;
    return now - this.#lastPromise > ms;
  }

  #whatIsMissing(): string {
    const awaited = this.awaitedFounders;
    if (awaited.length === 0) return "no quorum synchronised in time";
    return `all voters found an ensemble together; ${awaited.join(", ")} did not join in time`;
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
    this.#deps.onServing?.();
    this.#sessions?.close();
    this.#leader?.terminate();
    action.attach(null);
    action.discardPrepared();
    requests.cleanupOnError(reason);
    this.#connections.close(reason);
    this.#resolveDone(end);
  }
}

/**
 * Members are a quorum by majority. Empty voters found an ensemble all together or not at all
 * (ADR 0005): a majority of them may consist of one that was wiped and one that has not heard of
 * the ensemble yet, while a third holds what was acknowledged (G27).
 */
function electorateOf(action: RoleHandler): QuorumVerifier {
  const quorum = action.getQuorumVerifier();
  return action.getStanding() === "empty" ? unanimousQuorum(quorum.voterIds) : quorum;
}

function notReady(): QuorateError {
  return new QuorateError("ERR_SERVER_NOT_READY", "the leader is not established", {
    retryable: true,
  });
}
