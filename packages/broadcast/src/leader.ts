import {
  assert,
  BATCHES_IN_FLIGHT_MAX,
  fidOf,
  formatTxnid,
  isCustomOpCode,
  isInternalOpCode,
  isLeaderOpCode,
  maxTxnid,
  OpCode,
  OUTSTANDING_ENTRIES_MAX,
  QuorateError,
} from "@quorate/protocol";
import type {
  EntryBatch,
  ErrorCode,
  HeartbeatMsg,
  Identity,
  LogPosition,
  NodeId,
  PeerMsg,
  PeerPipe,
  RelayedRequestMsg,
  RequestMsg,
  ResponseMsg,
  Timer,
  Txnid,
} from "@quorate/protocol";
import { Answers } from "./answers.js";
import { CommitTracker } from "./commit-tracker.js";
import { CustomRequests } from "./custom-requests.js";
import { HeartbeatRounds } from "./heartbeat-rounds.js";
import type { JoiningFollower, LeaderDeps, LeaderOptions } from "./leader-options.js";
import { observerIdOf, type ObserverQueue } from "./observer-queue.js";
import { memberOf, PeerList, type Member, type PeerLag } from "./peer-list.js";
import { ProposalMaker } from "./proposal-maker.js";
import { ReadIndexQueue, type ReadOrigin } from "./read-index-queue.js";
import { queueIsFull, stoppedLeading } from "./refusal-errors.js";
import { TouchRounds } from "./touch-rounds.js";
import { VoterRoll } from "./voter-roll.js";

/**
 * The leader in normal operation (Zab phase 3): one order of proposals, commits in that order.
 *
 * All that waits at the end of an event-loop turn is prepared, logged and sent as one batch. The
 * own disk and the followers work in parallel; the own accept counts when the disk has answered.
 */
export class Leader {
  readonly #options: LeaderOptions;
  readonly #deps: LeaderDeps;
  readonly #tracker: CommitTracker;
  readonly #rounds: HeartbeatRounds;
  readonly #maker: ProposalMaker;
  readonly #peers = new PeerList();
  readonly #roll: VoterRoll;
  /** Proposed and not committed, in order. */
  #outstanding: EntryBatch[] = [];
  #outstandingEntries = 0;
  #isFlushScheduled = false;
  #announcedMark: Txnid;
  readonly #reads = new ReadIndexQueue();
  readonly #custom: CustomRequests;
  /** What it tells those that asked, beside commits. */
  readonly answers: Answers;
  readonly #touches: TouchRounds;
  #heartbeatTimer: Timer | null = null;
  #isTerminated = false;
  #isDraining = false;
  #onDrained: (() => void) | null = null;

  constructor(options: LeaderOptions, deps: LeaderDeps) {
    this.#options = options;
    this.#deps = deps;
    const { nodeId, quorum, initialEnd, epoch } = options;
    this.#tracker = new CommitTracker(quorum, initialEnd.txnid);
    this.#rounds = new HeartbeatRounds(nodeId, quorum);
    const { leaseMs, followerTimeoutMs: waitMs } = options.timings;
    const [tracker, rounds, peers] = [this.#tracker, this.#rounds, this.#peers];
    this.#roll = new VoterRoll({ tracker, rounds, clock: deps.clock, leaseMs });
    this.#touches = new TouchRounds({ clock: deps.clock, rounds, peers, waitMs });
    this.#maker = new ProposalMaker(epoch, initialEnd, {
      handler: deps.handler,
      chainHash: deps.chainHash,
      onRefused: (fid, request, { code, message, at, judgedAt }) => {
        const error = new QuorateError(code, message, at === undefined ? {} : { details: { at } });
        this.answers.refuseInOrder(fid, request.reqId, error, judgedAt);
      },
    });
    this.#announcedMark = initialEnd.txnid;
    this.#tracker.count(nodeId, initialEnd.txnid);
    this.answers = new Answers(nodeId, initialEnd.txnid, {
      ...deps,
      peers,
      readIndex: (done) => this.readIndex(done, "refusals"),
      onChange: () => {
        if (this.#isDraining || !this.answers.isEmpty) this.#scheduleFlush();
      },
    });
    this.#custom = new CustomRequests({
      ...deps,
      onResponse: (response) => this.answers.send(response),
      onRefused: (fid, { reqId }, error) => this.answers.refuse(fid, reqId, error),
    });
    this.#scheduleHeartbeat();
  }

  getFollowerId(): string {
    return fidOf(this.#options.nodeId);
  }

  /** Followers connected and synchronised, and the leader. */
  getActiveEnsembleSize(): number {
    return 1 + this.#peers.followerCount();
  }

  /** Null before it joins. */
  lagOf(pipe: PeerPipe): PeerLag | null {
    const end = this.#outstanding.at(-1)?.last ?? this.#tracker.mark;
    return this.#peers.lagOf(pipe, end, this.#deps.clock.now());
  }

  // ---- membership ----

  /**
   * A synchronised follower: what was queued for it leaves at once, then the newest commit mark
   * (Zab text, issue 3). The owner has removed an older pipe of the same node before.
   */
  addFollower(follower: JoiningFollower): void {
    const { pipe, identity, isCounted, upTo } = follower;
    const { peer } = pipe;
    const member = memberOf(pipe, identity, upTo);
    // It may count still, as the one whose connection was reset.
    if (!isCounted) this.#roll.uncount(peer);
    if (!this.#join(member)) return;
    if (isCounted) this.#count(peer, upTo.txnid);
    else this.#scheduleFlush();
    this.#deps.onEnsembleChange();
  }

  /** A synchronised watcher: hears of committed entries only, after the history it was sent. */
  addWatcher(pipe: PeerPipe, upTo: LogPosition): void {
    if (this.#join(memberOf(pipe, null, upTo))) this.#deps.onEnsembleChange();
  }

  /**
   * From the end of this turn on this follower's accepts count: its re-admission is committed.
   * Not at once, since the admission is being applied: what it moves the mark to must wait for
   * what is being applied now.
   */
  admit(voter: NodeId, identity: Identity): void {
    this.#roll.admit(voter, identity);
    this.#scheduleFlush();
  }

  removeMember(pipe: PeerPipe): void {
    const member = this.#peers.get(pipe);
    if (member === undefined) return;
    this.#peers.remove(pipe);
    if (!member.isWatcher) {
      this.#roll.uncount(member.id);
      this.#scheduleFlush(); // Where a lost quorum is noticed, unless another pipe joins first.
    }
    this.#deps.onEnsembleChange();
  }

  /** Its pipe was closed on purpose and it is expected back: see {@link VoterRoll}. */
  suspendMember(pipe: PeerPipe): void {
    const member = this.#peers.get(pipe);
    if (member === undefined) return;
    this.#peers.remove(pipe);
    if (!member.isWatcher) this.#roll.suspend(member.id);
    this.#deps.onEnsembleChange();
  }

  /**
   * Starts the live stream of a synchronising peer: proposals and marks for a follower, committed
   * entries for a watcher. `id` is {@link observerIdOf} its pipe.
   */
  addObserver(id: string, queue: ObserverQueue, isWatcher: boolean): void {
    this.#peers.addObserver(id, queue, isWatcher);
  }

  removeObserver(id: string): void {
    this.#peers.takeObserver(id);
  }

  // ---- requests ----

  /** Takes a client's request into the order. Refusals are answered through `abort`. */
  queueRequest(fid: string, request: RequestMsg): void {
    if (this.#isTerminated) return;
    const { op } = request;
    const refuse = (code: ErrorCode, message: string): void =>
      this.answers.refuse(fid, request.reqId, new QuorateError(code, message));
    if (isInternalOpCode(op) || isLeaderOpCode(op)) {
      refuse("ERR_SERVER_UNSUPPORTED", "not an operation for clients");
    } else if (this.#isDraining) {
      refuse("ERR_SERVER_NOT_READY", "leader is leaving");
    } else if (op === OpCode.resumeSession) {
      if (this.#deps.sessions === undefined) refuse("ERR_SERVER_UNSUPPORTED", "no sessions");
      else this.#deps.sessions.resume(fid, request);
    } else if (op === OpCode.raiseEpoch && this.#deps.epochs !== undefined) {
      this.#deps.epochs.take(this.answers, fid, request);
    } else if (isCustomOpCode(op) && this.#deps.handler.isReplicated?.(op) !== true) {
      this.#custom.take(fid, request);
    } else {
      const error = this.#deps.sessions?.judge(fid, request) ?? null;
      // It rests on who leads, and on no transaction; places never go back.
      const { lastProposed } = this.#tracker;
      if (error !== null) this.answers.refuseInOrder(fid, request.reqId, error, lastProposed);
      else this.propose(fid, request);
    }
  }

  /** Takes a client's request into the order of writes. Refused when there is no room. */
  propose(fid: string, request: RequestMsg): void {
    if (this.#isTerminated) return;
    if (this.#maker.add(fid, request)) this.#scheduleFlush();
    else this.answers.refuse(fid, request.reqId, queueIsFull());
  }

  /** An operation of the leader's own, whose outcome nobody awaits. False when it cannot now. */
  proposeOwn(op: number, key: string, content: Uint8Array): boolean {
    if (this.#isTerminated || this.#isDraining) return false;
    const request = { kind: "request", reqId: 0n, op, key, content } as const;
    if (!this.#maker.add(this.getFollowerId(), request, true)) return false;
    this.#scheduleFlush();
    return true;
  }

  /** The answer of the custom request handler, on its way to the node that asked. */
  queueResponse(response: ResponseMsg): void {
    if (!this.#isTerminated) this.#custom.respond(response);
  }

  /** A read index: calls back with the mark that the reader must have applied. */
  readIndex(done: (mark: Txnid | QuorateError) => void, origin: ReadOrigin = "here"): void {
    if (this.#isTerminated) {
      done(stoppedLeading());
    } else if (!this.#reads.add(this.#tracker.mark, done, origin)) {
      done(new QuorateError("ERR_SERVER_BUSY", "too many reads wait", { retryable: true }));
    } else {
      this.#scheduleFlush();
    }
  }

  /** Calls back once all signs of life from before now were told; see {@link TouchRounds}. */
  hearTouches(done: () => void): void {
    if (this.#isTerminated) return;
    this.#touches.begin(this.#beginRound(), done);
    this.#scheduleFlush();
  }

  /** One message of a joined follower or watcher. @throws ERR_PROTOCOL_* when it makes no sense. */
  onMessage(pipe: PeerPipe, message: PeerMsg): void {
    const member = this.#peers.get(pipe);
    if (member === undefined || this.#isTerminated) return;
    switch (message.kind) {
      case "accept":
        return this.#accept(member, message.txnid);
      case "request":
        this.queueRequest(fidOf(member.id), message);
        return;
      case "relayedRequest":
        return this.#takeRelayed(pipe, message);
      case "heartbeat":
        return this.#heard(member, message);
      case "readIndexRequest":
        // One that asks beyond the bound learns it by the loss of its pipe: no reply says so.
        this.readIndex((mark) => {
          const { readId } = message;
          if (typeof mark === "bigint") pipe.send({ kind: "readIndexReply", readId, txnid: mark });
          else pipe.close(mark);
        }, "peer");
        return;
      case "syncProgress":
        return; // The last answers of the history stream.
      default:
        throw new QuorateError("ERR_PROTOCOL_ORDER", `${message.kind} to a serving leader`);
    }
  }

  /** What the answer carries is heard before the answer counts. */
  #heard(member: Member, { round, touches }: HeartbeatMsg): void {
    if (touches.length > 0) this.#deps.sessions?.touched(touches);
    if (member.isWatcher) this.#rounds.check(member.id, round);
    else this.#rounds.answer(member.id, round);
    member.answeredRound = Math.max(member.answeredRound, round);
    this.#completeReads();
    this.#touches.complete();
  }

  #takeRelayed(pipe: PeerPipe, { fid, reqId, op, key, content }: RelayedRequestMsg): void {
    // Voters speak for themselves: their entries and answers must not be taken for another's.
    if (this.#options.quorum.voterIds.some((voter) => fidOf(voter) === fid)) {
      throw new QuorateError("ERR_PROTOCOL_ORDER", `a request relayed for voter ${fid}`);
    }
    this.#peers.noteRoute(fid, pipe);
    this.queueRequest(fid, { kind: "request", reqId, op, key, content });
  }

  /** The own log is durable up to here. */
  onPersisted(lastLogged: LogPosition): void {
    if (this.#isTerminated) return;
    const { nodeId, initialEnd } = this.#options;
    if (lastLogged.txnid <= initialEnd.txnid) return;
    if (this.#tracker.accept(nodeId, lastLogged.txnid)) this.#committed();
  }

  // ---- ending ----

  /** Refuses new requests; calls back when nothing is outstanding and all know the mark. */
  drain(onDrained: () => void): void {
    this.#isDraining = true;
    this.#onDrained = onDrained;
    this.#scheduleFlush();
  }

  /** Tells everybody to elect, or to look for another, at once. After a drain. */
  handOver(): void {
    for (const { pipe } of this.#peers.members()) pipe.send({ kind: "handover" });
  }

  /** Ends the role: nothing is sent or committed any more. Idempotent. */
  terminate(): void {
    if (this.#isTerminated) return;
    this.#isTerminated = true;
    this.#heartbeatTimer?.cancel();
    this.#custom.close();
    const error = stoppedLeading();
    this.#reads.refuse(error);
    this.answers.held.giveUp();
    for (const { fid, request } of this.#maker.takeWaiting()) {
      this.answers.refuse(fid, request.reqId, error);
    }
  }

  // ---- internals ----

  /** False when it fell behind: it must synchronise again. */
  #join(member: Member): boolean {
    const { pipe } = member;
    const queue = this.#peers.takeObserver(observerIdOf(pipe));
    if (queue?.isOverflown === true) {
      pipe.close(new QuorateError("ERR_PROTOCOL_OVERFLOW", "fell behind while synchronising"));
      return false;
    }
    this.#peers.add(member);
    if (!member.isWatcher) this.#rounds.addVoter(member.id, this.#deps.clock.now());
    for (const message of queue?.drain() ?? []) pipe.send(message);
    pipe.send(this.#deps.factory.createCommit(this.#announcedMark));
    // A first round at once: the lease and waiting reads need not wait for the timer.
    pipe.send(this.#deps.factory.createHeartbeat(this.#rounds.round, false));
    return true;
  }

  #count(voter: NodeId, upTo: Txnid): void {
    if (this.#roll.count(voter, upTo)) this.#committed();
  }

  #accept(member: Member, txnid: Txnid): void {
    if (member.isWatcher) {
      throw new QuorateError("ERR_PROTOCOL_ORDER", "an accept from a watcher");
    }
    // Logs hold whole batches, so nothing else can be durable; the mark must not stop within one.
    const isWhole =
      txnid <= this.#tracker.mark || this.#outstanding.some(({ last }) => last === txnid);
    if (!isWhole) {
      throw new QuorateError("ERR_PROTOCOL_ORDER", `an accept of ${formatTxnid(txnid)}`);
    }
    member.acceptedUpTo = maxTxnid(member.acceptedUpTo, txnid);
    if (this.#tracker.accept(member.id, txnid)) this.#committed();
  }

  #scheduleFlush(): void {
    if (this.#isFlushScheduled || this.#isTerminated) return;
    this.#isFlushScheduled = true;
    this.#deps.clock.defer(() => {
      this.#isFlushScheduled = false;
      if (!this.#isTerminated) this.#flush();
    });
  }

  #flush(): void {
    if (this.#roll.countAdmitted(this.#peers.members())) this.#committed();
    if (!this.#tracker.hasQuorum()) {
      const error = new QuorateError("ERR_SERVER_NOT_LEADING", "a quorum is not connected");
      return this.#stepDown(error);
    }
    try {
      this.#propose();
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error;
      return this.#stepDown(error);
    }
    if (this.#maker.waiting === 0) this.answers.prove(this.#tracker.lastProposed);
    this.#startReadRound();
    this.#announce();
    this.answers.deliver(this.#announcedMark);
    this.#touches.complete();
    if (this.#isDraining && this.#isDrained()) {
      const onDrained = this.#onDrained;
      this.#onDrained = null;
      onDrained?.();
    }
  }

  /** Nothing that was accepted here waits for its answer. */
  #isDrained(): boolean {
    const isQuiet = this.#outstanding.length === 0 && this.#maker.waiting === 0;
    return isQuiet && this.#reads.isEmpty && this.answers.isEmpty && this.#custom.isEmpty;
  }

  // A few batches in flight, the rest gathers: the batch grows with the load by itself. One in a
  // turn: thousands of a multi's operations may be in it, and heartbeats must be heard between.
  #propose(): void {
    const { handler, factory } = this.#deps;
    const batch = this.#mayPropose() ? this.#maker.next() : undefined;
    if (batch !== undefined) {
      this.#tracker.propose(batch.last);
      this.#outstanding.push(batch);
      this.#outstandingEntries += batch.count;
      handler.logProposal(batch);
      this.#peers.sendToFollowers(factory.createProposal(batch), batch.bytes.length);
    }
    if (this.#mayPropose()) this.#scheduleFlush();
  }

  #mayPropose(): boolean {
    if (this.#outstanding.length >= BATCHES_IN_FLIGHT_MAX) return false;
    return this.#maker.waiting > 0 && this.#outstandingEntries < OUTSTANDING_ENTRIES_MAX;
  }

  /** The mark moved: apply, release clients here, tell the others at the end of the turn. */
  #committed(): void {
    const { mark } = this.#tracker;
    const { factory } = this.#deps;
    let count = 0;
    for (const batch of this.#outstanding) {
      if (batch.last > mark) break;
      count += 1;
      this.#outstandingEntries -= batch.count;
      this.#peers.sendToWatchers(factory.createInform(batch), batch.bytes.length);
    }
    assert(count > 0, "a mark that moves commits something", { mark });
    this.#outstanding = this.#outstanding.slice(count);
    this.answers.commit(mark);
    this.#scheduleFlush();
  }

  /** Carries a txnid and no body; on the same frame as whatever else leaves in this turn. */
  #announce(): void {
    const { mark } = this.#tracker;
    if (mark === this.#announcedMark) return;
    this.#announcedMark = mark;
    this.#peers.sendToFollowers(this.#deps.factory.createCommit(mark));
  }

  #startReadRound(): void {
    if (!this.#reads.canStart) return;
    this.#reads.start(this.#beginRound());
    this.#completeReads();
  }

  #completeReads(): void {
    this.#reads.complete((round) => this.#rounds.isProven(round));
    if (this.#reads.canStart || this.#isDraining) this.#scheduleFlush();
  }

  #beginRound(): number {
    const round = this.#rounds.begin(this.#deps.clock.now());
    const message = this.#deps.factory.createHeartbeat(round, false);
    for (const { pipe } of this.#peers.members()) pipe.send(message);
    return round;
  }

  #scheduleHeartbeat(): void {
    const { clock } = this.#deps;
    this.#heartbeatTimer = clock.setTimer(this.#options.timings.heartbeatMs, () => {
      if (this.#isTerminated) return;
      // The lease is judged before anything else is done on waking from a pause.
      if (!this.#rounds.isLeaseValid(clock.now(), this.#options.timings.leaseMs)) {
        const error = new QuorateError("ERR_SERVER_NOT_LEADING", "no quorum within the lease");
        this.#stepDown(error);
        return;
      }
      if (this.#roll.dropSuspended()) this.#scheduleFlush();
      this.#touches.complete();
      this.#peers.probe(this.#beginRound(), clock.now());
      this.#scheduleHeartbeat();
    });
  }

  #stepDown(error: QuorateError): void {
    this.terminate();
    this.#deps.onStepDown(error);
  }
}
