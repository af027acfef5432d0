import { Follower } from "@quorate/broadcast";
import {
  errorCodeOf,
  isErrorCode,
  PENDING_READS_MAX,
  QuorateError,
  type ClientAuthFunction,
  type Clock,
  type Epoch,
  type Logger,
  type MsgFactory,
  type NodeId,
  type PeerConnector,
  type PeerMsg,
  type PeerPipe,
  type PeerRole,
  type RequestMgr,
  type Timer,
  type Timings,
  type Txnid,
} from "@quorate/protocol";
import { FollowerSyncProxy, type FollowerSyncOutcome } from "@quorate/sync";
import { Relay } from "./relay.js";
import { answerHeartbeat, type TouchBuffer } from "./sessions/touch-buffer.js";
import { isReset, resetReason, type Role, type RoleEnd, type RoleHandler } from "./role.js";
import type { PeerPressure } from "./server.js";

export interface FollowerServerOptions {
  readonly leader: NodeId;
  readonly kind: Exclude<PeerRole, "leader">;
  readonly timings: Timings;
}

export interface FollowerServerDeps {
  readonly action: RoleHandler;
  readonly requests: RequestMgr;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly factory: MsgFactory;
  readonly connector: PeerConnector;
  readonly authenticate?: ClientAuthFunction;
  /** Synchronised with this epoch's leader: peers that elect may be told. */
  onEstablished(epoch: Epoch): void;
  /** Serving from now on. Once. */
  onReady?(): void;
  /** It serves from now on, or does not any more. */
  onServing?(): void;
  /** Sessions heard of here, and below. Default: there are none. */
  readonly touches?: TouchBuffer;
  /** The leader was refused or reset: its ballot need not be waited for. */
  onPeerUnreachable(peer: NodeId): void;
}

/** One term of following (or watching) one leader: connect, synchronise, follow, end. */
export class FollowerServer implements Role {
  readonly done: Promise<RoleEnd>;
  readonly #options: FollowerServerOptions;
  readonly #deps: FollowerServerDeps;
  readonly #abort = new AbortController();
  readonly #startedAt: number;
  #resolveDone: (end: RoleEnd) => void = () => undefined;
  #pipe: PeerPipe | null = null;
  #proxy: FollowerSyncProxy | null = null;
  #follower: Follower | null = null;
  #relay: Relay | null = null;
  #timer: Timer | null = null;
  #retryTimer: Timer | null = null;
  #retryMs: number;
  #lastHeard: number;
  #lastProgress: number;
  #isReady = false;
  #hasEnded = false;
  #readers: ((mark: Txnid | QuorateError) => void)[] = [];
  #isAsking = false;
  #pings: ((error: QuorateError | null) => void)[] = [];

  constructor(options: FollowerServerOptions, deps: FollowerServerDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#startedAt = deps.clock.now();
    this.#lastHeard = this.#startedAt;
    this.#lastProgress = this.#startedAt;
    this.#retryMs = options.timings.connectRetryMs;
    this.done = new Promise((resolve) => {
      this.#resolveDone = resolve;
    });
  }

  get isReady(): boolean {
    return this.#isReady && !this.#hasEnded;
  }

  start(): void {
    const { action } = this.#deps;
    action.attach({
      onPersisted: (upTo, lastLogged) => {
        this.#proxy?.onPersisted(upTo);
        this.#follower?.onPersisted(lastLogged);
      },
      onStoreFailed: (error) => {
        this.#end({ kind: "storeFailed", error });
      },
      onVoterAdmitted: () => undefined,
      onCommitted: (batches) => {
        this.#relay?.onCommitted(batches);
      },
    });
    // A store that had failed before says so at once.
    if (this.#hasEnded) return;
    this.#scheduleTick();
    this.#connect();
  }

  /** A watcher wants to follow this node, which must be synchronised itself. */
  accept(pipe: PeerPipe): void {
    if (this.#relay !== null && this.isReady) this.#relay.accept(pipe);
    else pipe.close(notSynchronised());
  }

  get wasReady(): boolean {
    return this.#isReady;
  }

  /** One question at a time is on its way; those that come meanwhile share the next one. */
  readIndex(done: (mark: Txnid | QuorateError) => void): void {
    const follower = this.#follower;
    if (follower === null || !this.isReady) {
      done(notSynchronised());
      return;
    }
    if (this.#readers.length >= PENDING_READS_MAX) {
      done(new QuorateError("ERR_SERVER_BUSY", "too many reads wait", { retryable: true }));
      return;
    }
    this.#readers.push(done);
    if (!this.#isAsking) this.#askForIndex(follower);
  }

  #askForIndex(follower: Follower): void {
    this.#isAsking = true;
    this.#deps.clock.defer(() => {
      const readers = this.#readers;
      this.#readers = [];
      follower.readIndex((mark) => {
        this.#isAsking = false;
        for (const reader of readers) reader(mark);
        if (this.#readers.length > 0 && !this.#isAsking) this.#askForIndex(follower);
      });
    });
  }

  /** The next message from upstream answers it; heartbeats come all the time. */
  ping(done: (error: QuorateError | null) => void): void {
    if (this.#pipe === null || this.#hasEnded) {
      done(new QuorateError("ERR_SERVER_NOT_READY", "not connected", { retryable: true }));
    } else if (this.#pings.length >= PENDING_READS_MAX) {
      done(new QuorateError("ERR_SERVER_BUSY", "too many pings wait", { retryable: true }));
    } else {
      this.#pings.push(done);
    }
  }

  #answerPings(error: QuorateError | null): void {
    if (this.#pings.length === 0) return;
    const pings = this.#pings;
    this.#pings = [];
    for (const done of pings) done(error);
  }

  stop(): void {
    this.#end({ kind: "stopped" });
  }

  peers(): readonly PeerPressure[] {
    return this.#relay?.pressure() ?? [];
  }

  resetConnections(): void {
    this.#relay?.reset();
    this.#pipe?.close(resetReason());
  }

  #connect(): void {
    const { connector } = this.#deps;
    const { leader } = this.#options;
    connector
      .connect(leader, { signal: this.#abort.signal })
      .then(async (pipe) => {
        this.#pipe = pipe;
        await this.#authenticate(pipe);
        return pipe;
      })
      .then(
        (pipe) => {
          if (!this.#hasEnded) this.#connected(pipe);
        },
        (error: unknown) => {
          this.#connectFailed(error);
        },
      );
  }

  /** A rejection closes the pipe, and so does the end of the role meanwhile. */
  async #authenticate(pipe: PeerPipe): Promise<void> {
    const ended = new QuorateError("ERR_SERVER_CLOSED", "the role has ended");
    if (this.#hasEnded) pipe.close(ended);
    try {
      await this.#deps.authenticate?.(pipe);
    } catch (error) {
      this.#pipe = null;
      pipe.close(
        new QuorateError("ERR_PROTOCOL_HANDSHAKE", "authentication failed", { cause: error }),
      );
      throw error;
    }
  }

  #connectFailed(error: unknown): void {
    const { timings } = this.#options;
    if (this.#hasEnded) return;
    if (this.#deps.clock.now() - this.#startedAt < timings.connectTimeoutMs) {
      this.#retryConnect();
      return;
    }
    // The refusal's own code must reach the log: another version, secret or cluster (errors.md).
    const why = errorCodeOf(error);
    const text = `the leader cannot be reached${why === undefined ? "" : `: ${why}`}`;
    const reason = new QuorateError("ERR_PROTOCOL_TIMEOUT", text, { cause: error });
    this.#end({ kind: "lost", error: reason, isPeerGone: true });
  }

  /** The one that was elected may not know it yet, or finish its last role first. */
  #retryConnect(): void {
    const { clock } = this.#deps;
    this.#retryTimer = clock.setTimer(this.#retryMs, () => {
      if (!this.#hasEnded) this.#connect();
    });
    this.#retryMs = Math.min(this.#retryMs * 2, this.#options.timings.connectRetryMsMax);
  }

  #connected(pipe: PeerPipe): void {
    const { action, factory, logger, clock } = this.#deps;
    const { leader, kind } = this.#options;
    this.#pipe = pipe;
    this.#lastHeard = clock.now();
    this.#proxy = new FollowerSyncProxy(
      { leader, voting: kind === "follower" },
      {
        pipe,
        handler: action,
        factory,
        logger,
        onDone: (outcome) => {
          this.#syncDone(pipe, outcome);
        },
      },
    );
    this.#proxy.start();
    pipe.attach({
      onMessages: (messages) => {
        this.#received(pipe, messages);
      },
      onClose: (reason) => {
        this.#closed(pipe, reason);
      },
    });
  }

  #received(pipe: PeerPipe, messages: readonly PeerMsg[]): void {
    const now = this.#deps.clock.now();
    this.#lastHeard = now;
    this.#answerPings(null);
    try {
      for (const message of messages) {
        if (this.#hasEnded || this.#pipe !== pipe) return;
        if (message.kind === "heartbeat") {
          // A leader that this node has not joined yet would not hear of them.
          const touches = this.#isReady ? this.#deps.touches : undefined;
          answerHeartbeat(pipe, message.round, this.#deps.factory, touches);
        } else if (message.kind === "handover") {
          this.#end({ kind: "handover" });
        } else if (this.#follower !== null) {
          this.#follower.onMessage(message);
        } else {
          this.#lastProgress = now;
          this.#proxy?.onMessage(message);
        }
      }
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error;
      this.#end({ kind: "lost", error, isPeerGone: false });
    }
  }

  #syncDone(pipe: PeerPipe, outcome: FollowerSyncOutcome): void {
    this.#proxy = null;
    if (outcome.kind === "failed") {
      const { error } = outcome;
      this.#end(
        error.code === "ERR_SYNC_DIVERGED"
          ? { kind: "diverged", error }
          : { kind: "lost", error, isPeerGone: false },
      );
      return;
    }
    const { action, factory, requests, logger } = this.#deps;
    const { kind, leader } = this.#options;
    const follower = new Follower(kind, outcome.received, {
      pipe,
      handler: action,
      factory,
      onForeignAnswer: (answer) => this.#relay?.deliver(answer) ?? false,
      onReady: () => {
        logger.info(kind === "watcher" ? "watching" : "following", {
          leader,
          epoch: outcome.epoch,
        });
        this.#isReady = true;
        this.#relay = this.#createRelay(follower, outcome.epoch);
        requests.onRequest((request) => {
          follower.forwardRequest(request);
        });
        this.#deps.onReady?.();
        this.#deps.onServing?.();
      },
    });
    this.#follower = follower;
    this.#deps.onEstablished(outcome.epoch);
  }

  #createRelay(follower: Follower, epoch: Epoch): Relay {
    const { action, clock, logger, factory } = this.#deps;
    return new Relay(
      { epoch, timings: this.#options.timings },
      {
        action,
        clock,
        logger,
        factory,
        forward: (fid, request) => {
          follower.relayRequest(fid, request);
        },
        touched: (sessions) => {
          this.#deps.touches?.addAll(sessions);
        },
        readIndex: (done) => {
          this.readIndex(done);
        },
      },
    );
  }

  #closed(pipe: PeerPipe, reason: QuorateError): void {
    if (this.#hasEnded || this.#pipe !== pipe) return;
    if (isReset(reason)) {
      this.#end({ kind: "reset" });
      return;
    }
    const { clock } = this.#deps;
    const hasSynced = this.#follower !== null;
    const isEarly = clock.now() - this.#startedAt < this.#options.timings.connectTimeoutMs;
    if (!hasSynced && isEarly && this.#proxy?.stage === "receiveUpdateAcceptedEpoch") {
      // Turned away before anything was promised: it does not lead yet.
      this.#proxy.terminate();
      this.#proxy = null;
      this.#pipe = null;
      this.#retryConnect();
      return;
    }
    const { peerCode } = reason.details;
    if (!isErrorCode(peerCode)) {
      this.#end({ kind: "lost", error: reason, isPeerGone: true });
      return;
    }
    // The leader said why: ERR_SERVER_DUPLICATE_ID and its like must reach the log by their name.
    const error = new QuorateError(peerCode, "the leader turned this node away", { cause: reason });
    this.#end(
      peerCode === "ERR_SYNC_DIVERGED"
        ? { kind: "diverged", error }
        : { kind: "lost", error, isPeerGone: false },
    );
  }

  #scheduleTick(): void {
    this.#timer = this.#deps.clock.setTimer(this.#options.timings.heartbeatMs, () => {
      if (this.#hasEnded) return;
      this.#tick();
      if (this.#hasEnded) return;
      this.#relay?.tick();
      this.#scheduleTick();
    });
  }

  #tick(): void {
    const { clock, action } = this.#deps;
    const { timings } = this.#options;
    const now = clock.now();
    const lose = (
      code: "ERR_STORE_TIMEOUT" | "ERR_PROTOCOL_TIMEOUT" | "ERR_SYNC_TIMEOUT",
    ): void => {
      const error = new QuorateError(code, "the role's bound on waiting is reached");
      this.#end({ kind: "lost", error, isPeerGone: code === "ERR_PROTOCOL_TIMEOUT" });
    };
    // A large snapshot takes its time to be loaded; that is not the leader's silence.
    this.#lastProgress = Math.max(this.#lastProgress, action.loadProgressAt?.() ?? 0);
    if ((action.oldestAppendAgeMs?.() ?? 0) > timings.diskTimeoutMs) lose("ERR_STORE_TIMEOUT");
    else if (now - this.#lastHeard > timings.followerTimeoutMs) lose("ERR_PROTOCOL_TIMEOUT");
    // Liveness: one that has acknowledged its history waits for the last gate as long as its leader
    // does, to whom the progress of others counts. Without its vote that leader would be nobody's.
    else if (this.#follower === null && now - this.#lastProgress > timings.syncTimeoutMs) {
      lose("ERR_SYNC_TIMEOUT");
    }
  }

  #end(end: RoleEnd): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#timer?.cancel();
    this.#retryTimer?.cancel();
    this.#abort.abort();
    const { action, requests } = this.#deps;
    const reason =
      "error" in end
        ? end.error
        : new QuorateError("ERR_PROTOCOL_CLOSED", `following ended: ${end.kind}`);
    requests.onRequest(null);
    this.#deps.onServing?.();
    this.#proxy?.terminate();
    this.#follower?.terminate();
    this.#relay?.close(reason);
    this.#answerPings(reason);
    action.attach(null);
    action.discardPrepared();
    requests.cleanupOnError(reason);
    this.#deps.touches?.connectionLost();
    this.#pipe?.close(reason);
    if (end.kind === "lost" && end.isPeerGone) {
      this.#deps.onPeerUnreachable(this.#options.leader);
    }
    this.#resolveDone(end);
  }
}

function notSynchronised(): QuorateError {
  return new QuorateError("ERR_SERVER_NOT_READY", "not synchronised", { retryable: true });
}
