import { ObserverQueue } from "@quorate/broadcast";
import {
  fidOf,
  majorityQuorum,
  QuorateError,
  toEpoch,
  TXNID_ZERO,
  WATCHERS_PER_NODE_MAX,
  type AnswerMsg,
  type Clock,
  type EntryBatch,
  type Epoch,
  type Logger,
  type LogPosition,
  type MsgFactory,
  type NodeId,
  type PeerMsg,
  type PeerPipe,
  type RequestMsg,
  type Timings,
  type Txnid,
} from "@quorate/protocol";
import {
  ConsentState,
  LeaderSyncProxy,
  type FollowerProfile,
  type Introduction,
} from "@quorate/sync";
import { isReset, resetReason, type RoleHandler } from "./role.js";
import type { PeerPressure } from "./server.js";

export interface RelayOptions {
  /** Of the leader that this node synchronised with. */
  readonly epoch: Epoch;
  readonly timings: Timings;
}

export interface RelayDeps {
  readonly action: RoleHandler;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly factory: MsgFactory;
  /** Towards the leader. */
  forward(fid: string, request: Omit<RequestMsg, "kind">): void;
  readIndex(done: (mark: Txnid | QuorateError) => void): void;
  /** Sessions heard of below. */
  touched(sessions: readonly bigint[]): void;
}

interface Downstream {
  readonly pipe: PeerPipe;
  readonly proxy: LeaderSyncProxy;
  readonly queue: ObserverQueue;
  lastHeard: number;
  wantsLive: boolean;
  hasJoined: boolean;
}

/**
 * Serves watchers further down on behalf of the leader: a node that is synchronised hands on what
 * it has applied, so that a tree of watchers costs the leader one stream.
 *
 * It lives as long as this node's own role. Safety: when the upstream is lost, everybody below is
 * let go at once. So nobody can come to follow, over others, itself: of a ring the node that joined
 * last was not ready, and everybody who had followed it was let go before.
 */
export class Relay {
  readonly #options: RelayOptions;
  readonly #deps: RelayDeps;
  readonly #consent: ConsentState;
  readonly #downstreams = new Map<number, Downstream>();
  /** Whose requests were handed on, and by which pipe they came. At most one per node id. */
  readonly #origins = new Map<string, PeerPipe>();
  #isClosed = false;

  constructor(options: RelayOptions, deps: RelayDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#consent = openConsent(deps.action.getNodeId(), options.epoch);
  }

  /** Watchers connected here. */
  get size(): number {
    return this.#downstreams.size;
  }

  accept(pipe: PeerPipe): void {
    const queue = new ObserverQueue();
    const downstream: Downstream = {
      pipe,
      proxy: this.#createProxy(pipe, queue),
      queue,
      lastHeard: this.#deps.clock.now(),
      wantsLive: false,
      hasJoined: false,
    };
    this.#downstreams.set(pipe.pipeId, downstream);
    const { proxy } = downstream;
    proxy.onEpochReady(this.#options.epoch);
    for (const gate of ["acceptedEpoch", "epochAck", "newLeaderAck"] as const) {
      proxy.onGateOpened(gate);
    }
    pipe.attach({
      onMessages: (messages) => {
        this.#received(downstream, messages);
      },
      onClose: (reason) => {
        this.#disconnect(downstream, reason);
      },
    });
  }

  /** Committed and applied here: whoever has joined hears of it, in order. */
  onCommitted(batches: readonly EntryBatch[]): void {
    for (const { pipe, queue, hasJoined, wantsLive } of this.#downstreams.values()) {
      for (const batch of batches) {
        const inform = this.#deps.factory.createInform(batch);
        if (hasJoined) pipe.send(inform);
        else if (wantsLive) queue.push(inform, batch.bytes.length);
      }
    }
  }

  /** An answer for a node further down. False when nothing was ever asked for it here. */
  deliver(answer: AnswerMsg): boolean {
    const pipe = this.#origins.get(answer.fid);
    // Its pipe may have closed: then nobody waits any more.
    pipe?.send(answer);
    return pipe !== undefined;
  }

  /** Once per heartbeat interval. */
  tick(): void {
    const { clock, factory } = this.#deps;
    for (const downstream of [...this.#downstreams.values()]) {
      if (clock.now() - downstream.lastHeard > this.#options.timings.followerTimeoutMs) {
        const reason = new QuorateError("ERR_PROTOCOL_TIMEOUT", "the watcher is silent");
        downstream.pipe.close(reason);
        this.#disconnect(downstream, reason);
      } else {
        downstream.pipe.send(factory.createHeartbeat(0, false));
      }
    }
  }

  /** What waits for each. Watchers say nothing of their disks. */
  pressure(): readonly PeerPressure[] {
    return [...this.#downstreams.values()].map(({ pipe, queue }) => ({
      peer: pipe.peer,
      queueBytes: pipe.queuedBytes + queue.byteLength,
      lagEntries: null,
    }));
  }

  reset(): void {
    const reason = resetReason();
    for (const downstream of [...this.#downstreams.values()]) {
      this.#disconnect(downstream, reason);
      downstream.pipe.close(reason);
    }
  }

  /** The upstream is lost, or this node leaves. */
  close(reason: QuorateError): void {
    this.#isClosed = true;
    const ended = new QuorateError("ERR_SERVER_NOT_READY", "the upstream is lost", {
      cause: reason,
      retryable: true,
    });
    for (const downstream of [...this.#downstreams.values()]) {
      this.#disconnect(downstream, reason);
      downstream.pipe.close(isReset(reason) ? resetReason() : ended);
    }
  }

  #createProxy(pipe: PeerPipe, queue: ObserverQueue): LeaderSyncProxy {
    const { action, factory, logger } = this.#deps;
    return new LeaderSyncProxy({
      pipe,
      consent: this.#consent,
      // Nobody below has a vote: there is nothing to compare with.
      summary: { currentEpoch: this.#options.epoch, lastLogged: TXNID_ZERO },
      handler: action,
      factory,
      logger,
      introduce: (profile) => this.#introduce(pipe, profile),
      onGateOpened: () => undefined,
      onAbdicate: () => undefined,
      startLiveQueue: () => {
        const downstream = this.#downstreams.get(pipe.pipeId);
        if (downstream !== undefined) downstream.wantsLive = true;
      },
      stopLiveQueue: () => {
        const downstream = this.#downstreams.get(pipe.pipeId);
        if (downstream !== undefined) downstream.wantsLive = false;
        queue.drain();
      },
      onPlan: (plan) => {
        logger.info("synchronising a watcher", { peer: pipe.peer, plan });
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

  #introduce(pipe: PeerPipe, { id, identity, voting }: FollowerProfile): Introduction {
    const refused = (error: QuorateError): Introduction => ({ kind: "refused", error });
    if (voting) {
      return refused(new QuorateError("ERR_SERVER_NOT_LEADING", "this node does not lead"));
    }
    if (this.size > WATCHERS_PER_NODE_MAX) {
      return refused(new QuorateError("ERR_SERVER_BUSY", "too many watchers", { retryable: true }));
    }
    const clash = [...this.#downstreams.values()].find(
      ({ pipe: other, proxy }) => other !== pipe && other.peer === id && proxy.profile !== null,
    );
    if (clash === undefined) return { kind: "welcome", isCounted: false };
    if (clash.proxy.profile?.identity !== identity) {
      return refused(
        new QuorateError("ERR_SERVER_DUPLICATE_ID", `another node ${id} is connected`),
      );
    }
    // G28: the newer pipe of the same node replaces the older.
    const reason = new QuorateError("ERR_PROTOCOL_CLOSED", "replaced by a newer connection");
    this.#disconnect(clash, reason);
    clash.pipe.close(reason);
    return { kind: "welcome", isCounted: false };
  }

  #joined(pipe: PeerPipe, last: LogPosition): void {
    const downstream = this.#downstreams.get(pipe.pipeId);
    if (downstream === undefined) return;
    if (downstream.queue.isOverflown) {
      pipe.close(new QuorateError("ERR_PROTOCOL_OVERFLOW", "fell behind while synchronising"));
      return;
    }
    downstream.hasJoined = true;
    this.#deps.logger.info("a watcher joined", { peer: pipe.peer });
    let mark = last.txnid;
    for (const message of downstream.queue.drain()) {
      pipe.send(message);
      if (message.kind === "inform") mark = message.batch.last;
    }
    pipe.send(this.#deps.factory.createCommit(mark));
  }

  #received(downstream: Downstream, messages: readonly PeerMsg[]): void {
    downstream.lastHeard = this.#deps.clock.now();
    try {
      for (const message of messages) {
        if (this.#isClosed || !this.#downstreams.has(downstream.pipe.pipeId)) return;
        if (downstream.hasJoined) this.#live(downstream.pipe, message);
        else if (message.kind !== "heartbeat") this.#syncing(downstream, message);
      }
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error;
      this.#deps.logger.warn("a watcher broke the protocol", { peer: downstream.pipe.peer }, error);
      downstream.pipe.close(error);
    }
  }

  #syncing({ pipe, proxy }: Downstream, message: PeerMsg): void {
    const { txnid } = this.#deps.action.getCommittedPosition();
    if (message.kind === "epochAck" && message.lastLogged.txnid > txnid) {
      // It has followed somebody who knows more. Asked to go back, it would have to call it a
      // divergence; in a moment, or elsewhere, it finds what it needs.
      pipe.close(
        new QuorateError("ERR_SERVER_NOT_READY", "this node is behind", { retryable: true }),
      );
      return;
    }
    proxy.onMessage(message);
  }

  #live(pipe: PeerPipe, message: PeerMsg): void {
    switch (message.kind) {
      case "request":
        this.#forward(fidOf(pipe.peer), pipe, message);
        return;
      case "relayedRequest":
        this.#forward(message.fid, pipe, message);
        return;
      case "readIndexRequest":
        this.#deps.readIndex((mark) => {
          const { readId } = message;
          if (typeof mark === "bigint") pipe.send({ kind: "readIndexReply", readId, txnid: mark });
          else pipe.close(mark);
        });
        return;
      case "heartbeat":
        if (message.touches.length > 0) this.#deps.touched(message.touches);
        return;
      case "syncProgress":
        return; // An answer, heard of already.
      default:
        throw new QuorateError("ERR_PROTOCOL_ORDER", `${message.kind} to a relaying node`);
    }
  }

  #forward(fid: string, pipe: PeerPipe, request: Omit<RequestMsg, "kind">): void {
    const { action } = this.#deps;
    if (fid === action.getFollowerId()) {
      throw new QuorateError("ERR_PROTOCOL_ORDER", "a request of this very node from below");
    }
    // The leader would refuse it, too, and close the pipe that it came by: this node's.
    if (action.getQuorumVerifier().voterIds.some((voter) => fidOf(voter) === fid)) {
      throw new QuorateError("ERR_PROTOCOL_ORDER", `a request of voter ${fid} from below`);
    }
    this.#origins.set(fid, pipe);
    this.#deps.forward(fid, request);
  }

  #disconnect({ pipe, proxy }: Downstream, reason: QuorateError): void {
    if (!this.#downstreams.delete(pipe.pipeId)) return;
    this.#deps.logger.info("a watcher is gone", { peer: pipe.peer, code: reason.code });
    proxy.terminate();
  }
}

/** What the leader's gates look like to who is synchronised already: open, in this epoch. */
function openConsent(self: NodeId, epoch: Epoch): ConsentState {
  const consent = new ConsentState(self, majorityQuorum([self]));
  consent.voteAcceptedEpoch(self, toEpoch(epoch - 1));
  consent.voteEpochAck(self);
  consent.voteNewLeaderAck(self);
  return consent;
}
