import {
  advanceTxnid,
  assert,
  fidOf,
  isInternalOpCode,
  LOG_START,
  makeTxnid,
  maxTxnid,
  minTxnid,
  QuorateError,
} from "@quorate/protocol";
import type {
  AcceptedEpoch,
  ActionEvents,
  EntryBatch,
  Epoch,
  ErrorCode,
  Identity,
  IdentityTable,
  LogEntryMsg,
  LogPosition,
  NodeId,
  PeerStatus,
  PlacedRefusals,
  Prepared,
  QuorumVerifier,
  ReadResult,
  RequestMsg,
  SnapshotInfo,
  SnapshotSource,
  StagedSnapshot,
  Standing,
  Ticket,
  Txnid,
} from "@quorate/protocol";
import { batchesBetween } from "./batches-between.js";
import { turnAfter, turnOf } from "./checkpoint-turns.js";
import { Checkpointer } from "./checkpointer.js";
import { emptySnapshot } from "./empty-snapshot.js";
import { outcomeOf } from "./host-code.js";
import { LoadedAhead } from "./loaded-ahead.js";
import { MemberTables } from "./member-tables.js";
import type { NodeState } from "./node-state.js";
import { Replica } from "./replica.js";
import type { ServerActionDeps, ServerActionOptions } from "./server-action-options.js";
import { StagedHistory } from "./staged-history.js";
import { TicketLedger } from "./ticket-ledger.js";

/**
 * Quorate's own host: the ActionHandler over the durable store and the state machine.
 *
 * What it tells the protocol about log and epochs is what the store has answered, never what it
 * was asked to write (Invariant 4).
 */
export class ServerAction implements NodeState {
  readonly #options: ServerActionOptions;
  readonly #deps: ServerActionDeps;
  readonly #fid: string;
  readonly #ledger: TicketLedger;
  readonly #checkpointer: Checkpointer;
  readonly #replica: Replica;
  readonly #members: MemberTables;
  readonly #staged: StagedHistory;
  readonly #ahead: LoadedAhead;
  readonly #emptyDigest: bigint;
  #events: ActionEvents | null = null;
  #status: PeerStatus = "electing";
  #failure: QuorateError | null = null;
  /** Applying an entry failed: what follows must not be applied to that. */
  #isHalfApplied = false;
  /** Memory is not what the store will hold: no checkpoint may be taken of it. */
  #isInstalling = false;

  // Durable values.
  #lastLogged: LogPosition;
  #accepted: AcceptedEpoch;
  #currentEpoch: Epoch;

  private constructor(options: ServerActionOptions, deps: ServerActionDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#fid = fidOf(options.nodeId);
    const { recovered } = deps.store;
    this.#lastLogged = recovered.lastLogged;
    this.#accepted = recovered.acceptedEpoch;
    this.#currentEpoch = recovered.currentEpoch;
    deps.stateMachine.reset();
    this.#emptyDigest = deps.stateMachine.digest();
    const turn = recovered.checkpoint === null ? turnOf(options.nodeId, options.quorum) : 0;
    this.#checkpointer = new Checkpointer(options.checkpointBytes, turn, {
      ...deps,
      appliedBytes: () => this.#replica.appliedBytes,
      describe: () => ({
        position: this.#replica.applied,
        digest: deps.stateMachine.digest(),
        members: [...this.#members.applied].sort(([a], [b]) => a - b),
      }),
      lastLogged: () => this.#lastLogged.txnid,
      onOverdue: (error) => {
        this.#fail(error);
      },
    });
    this.#ledger = new TicketLedger({
      clock: deps.clock,
      onAnswered: (upTo, lastLogged) => {
        this.#lastLogged = lastLogged;
        this.#checkpointer.logged(lastLogged.txnid);
        this.#events?.onPersisted(upTo, lastLogged);
        this.#considerCheckpoint();
      },
      onBarrierFailed: (error) => this.#fail(error),
    });
    this.#staged = new StagedHistory(deps.store, this.#ledger);
    const onFailed = (error: QuorateError): void => this.#fail(error);
    this.#ahead = new LoadedAhead({ ...deps, onFailed }, () => this.#replica);
    this.#members = new MemberTables(recovered.members, (table) => {
      this.#ledger.open(deps.store.setIdentityTable(table));
    });
    this.#replica = new Replica({
      stateMachine: deps.stateMachine,
      onApplied: (entry, answer) => this.#applied(entry, answer),
      onFounded: (members) => {
        this.#members.founded(members);
      },
      onAdmitted: (voter, identity) => {
        this.#members.admitted(voter, identity);
        this.#events?.onVoterAdmitted(voter, identity);
      },
      onLoading: () => {
        this.#ledger.noteProgress();
      },
      feed: deps.feed,
      onAdvanced: (batches) => this.#events?.onCommitted?.(batches),
    });
  }

  /**
   * Loads what the store holds: the checkpoint, the log up to the commit mark; the rest of the
   * log waits unapplied.
   * @throws (rejects) ERR_STORE_DAMAGED when the checkpoint's rows do not give its digest.
   */
  static async open(options: ServerActionOptions, deps: ServerActionDeps): Promise<ServerAction> {
    const action = new ServerAction(options, deps);
    const { store } = deps;
    const { checkpoint, lastLogged, commitMark } = store.recovered;
    store.attach({
      onPersisted: (upTo, logged) => {
        action.#ledger.persisted(upTo, logged);
      },
      onFailed: (error) => {
        action.#fail(error);
      },
    });
    await action.#members.restore(checkpoint?.members ?? [], () =>
      action.#replica.load(store, checkpoint, lastLogged, commitMark),
    );
    action.#noteUnappliedFounding();
    action.#members.opened();
    return action;
  }

  /** The store failed; nothing more will be answered. */
  get failure(): QuorateError | null {
    return this.#failure;
  }

  // ---- environment ----

  getEnsembleSize(): number {
    return this.#options.quorum.voterIds.length;
  }

  getFollowerId(): string {
    return this.#fid;
  }

  getNodeId(): NodeId {
    return this.#options.nodeId;
  }

  getStatus(): PeerStatus {
    return this.#status;
  }

  setStatus(status: PeerStatus): void {
    this.#status = status;
  }

  getQuorumVerifier(): QuorumVerifier {
    return this.#options.quorum;
  }

  getIdentity(): Identity {
    return this.#deps.store.recovered.identity;
  }

  getStanding(): Standing {
    const members = this.#members.current;
    if (members.get(this.#options.nodeId) === this.getIdentity()) return "member";
    if (this.#options.trustEmpty) return "member";
    const isEmpty = members.size === 0 && this.#deps.store.recovered.damage === null;
    return isEmpty ? "empty" : "recovering";
  }

  getIdentityTable(): IdentityTable {
    return this.#members.current;
  }

  // ---- durable values ----

  getLastLogged(): LogPosition {
    return this.#lastLogged;
  }

  getLastLoggedTxid(): Txnid {
    return this.#lastLogged.txnid;
  }

  getLastCommittedTxid(): Txnid {
    return minTxnid(this.#replica.commitMark, this.#lastLogged.txnid);
  }

  getCurrentEpoch(): Epoch {
    return this.#currentEpoch;
  }

  getAcceptedEpoch(): Epoch {
    return this.#accepted.epoch;
  }

  getAcceptedLeader(): NodeId | 0 {
    return this.#accepted.leader;
  }

  getNextTxnId(): Txnid {
    const first = makeTxnid(this.#currentEpoch, 1);
    const { txnid } = this.#replica.logEnd;
    return txnid < first ? first : advanceTxnid(txnid, 1);
  }

  // ---- history ----

  getLogEnd(): LogPosition {
    return this.#replica.logEnd;
  }

  getCommittedPosition(): LogPosition {
    return this.#replica.applied;
  }

  findLogPosition(atOrBelow: Txnid): Promise<LogPosition | null> {
    return this.#deps.store.findPosition(atOrBelow);
  }

  async *getCommittedEntries(
    after: Txnid,
    upTo: Txnid,
    options: { readonly signal: AbortSignal },
  ): AsyncIterable<readonly EntryBatch[]> {
    for await (const batches of batchesBetween(this.#deps.store, after, upTo)) {
      if (options.signal.aborted) return;
      yield batches;
    }
  }

  async openSnapshot(): Promise<SnapshotSource> {
    return (await this.#deps.store.openSnapshot()) ?? emptySnapshot(this.#emptyDigest);
  }

  // ---- writes ----

  logProposal(batch: EntryBatch): Ticket {
    const { store, lazy } = this.#deps;
    this.#replica.log(batch);
    const mark = minTxnid(this.#replica.commitMark, batch.last);
    return this.#logged(batch, lazy?.appendLazily([batch], mark) ?? store.append([batch], mark));
  }

  logAndCommit(batch: EntryBatch, commitUpTo: Txnid): Ticket {
    const { store } = this.#deps;
    this.#replica.log(batch);
    const mark = minTxnid(this.#replica.commitMark, batch.last);
    const ticket = this.#logged(batch, store.append([batch], mark));
    this.commit(minTxnid(commitUpTo, batch.last));
    return ticket;
  }

  notifyNewAcceptedEpoch(epoch: Epoch, leader: NodeId): Ticket {
    assert(epoch > this.#accepted.epoch, "a promise never goes back", { epoch });
    const accepted = { epoch, leader };
    return this.#ledger.open(this.#deps.store.setAcceptedEpoch(accepted), () => {
      this.#accepted = accepted;
    });
  }

  notifyNewCurrentEpoch(epoch: Epoch): Ticket {
    assert(epoch >= this.#currentEpoch, "the current epoch never goes back", { epoch });
    return this.#ledger.open(this.#deps.store.setCurrentEpoch(epoch), () => {
      this.#currentEpoch = epoch;
    });
  }

  truncateAfter(position: LogPosition): Ticket {
    this.#replica.truncateAfter(position);
    const ticket = this.#ledger.open(this.#deps.store.truncateAfter(position));
    if (position.txnid === LOG_START.txnid) this.#members.clear();
    return ticket;
  }

  stageSnapshot(info: SnapshotInfo): StagedSnapshot {
    const staged = this.#staged.begin(info, (rows) => this.#ahead.add(staged, rows));
    this.#ahead.begin(staged);
    return staged;
  }

  installSnapshot(tracked: StagedSnapshot, commitUpTo: Txnid): Ticket {
    const { inner: staged, end: logEnd } = this.#staged.take(tracked);
    const areRowsLoaded = this.#ahead.take(tracked);
    this.#checkpointer.cancel();
    this.#isInstalling = true;
    const ticket = this.#deps.store.installSnapshot(staged);
    this.#replica.replaced(logEnd);
    this.#members.replaced(tracked.info.members);
    // Nothing behind it is answered until memory, too, is what was installed.
    return this.#ledger.open(ticket, undefined, async () => {
      const { store, onLoad } = this.#deps;
      onLoad?.("begun");
      const known = maxTxnid(this.#replica.commitMark, tracked.info.position.txnid);
      const mark = minTxnid(maxTxnid(known, commitUpTo), logEnd.txnid);
      const { nodeId, quorum } = this.#options;
      this.#checkpointer.installed(turnAfter(nodeId, this.#accepted.leader, quorum));
      await this.#replica.load(store, tracked.info, logEnd, mark, { areRowsLoaded });
      this.#members.settle();
      this.#noteUnappliedFounding();
      this.#isInstalling = false;
      onLoad?.("done");
    });
  }

  discardStaged(tracked: StagedSnapshot): void {
    this.#staged.discard(tracked);
    this.#ahead.drop(tracked);
  }

  attach(events: ActionEvents | null): void {
    this.#events = events;
    if (events !== null && this.#failure !== null) events.onStoreFailed(this.#failure);
  }

  // ---- normal execution ----

  prepare(request: RequestMsg, txnid: Txnid, origin?: NodeId): Prepared {
    const { op, key, content } = request;
    if (isInternalOpCode(op)) return { ok: true, op, key, content };
    const wallTimeMs = this.#deps.clock.wallTime();
    return this.#deps.stateMachine.prepare(op, key, content, { txnid, wallTimeMs, origin });
  }

  isReplicated(op: number): boolean {
    return this.#deps.isReplicated?.(op) ?? false;
  }

  discardPrepared(): void {
    this.#deps.stateMachine.discardPrepared();
  }

  commit(upTo: Txnid, refusals?: PlacedRefusals): void {
    if (this.#isHalfApplied) return;
    try {
      this.#replica.commit(upTo, refusals);
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error;
      this.#isHalfApplied = true;
      return this.#fail(error);
    }
    // Once for all that was applied.
    this.#members.settleNews();
    this.#considerCheckpoint();
  }

  abort(fid: string, reqId: bigint, code: ErrorCode, error: string, at = -1): void {
    assert(fid === this.#fid, "an abort of this node's own request", { fid });
    const retryable = code === "ERR_SERVER_BUSY" || code === "ERR_SERVER_NOT_READY";
    this.#deps.requests.completeRequest(reqId, {
      ok: false,
      error: new QuorateError(code, error, { retryable, details: at === -1 ? {} : { at } }),
    });
  }

  respond(fid: string, reqId: bigint, error: string, content: Uint8Array): void {
    assert(fid === this.#fid, "a response to this node's own request", { fid });
    this.#deps.requests.completeRequest(
      reqId,
      error === ""
        ? { ok: true, txnid: this.#replica.applied.txnid, content }
        : { ok: false, error: new QuorateError("ERR_SERVER_CUSTOM_FAILED", error) },
    );
  }

  // ---- for the server ----

  read(op: number, key: string, content: Uint8Array): ReadResult {
    return this.#deps.stateMachine.read(op, key, content);
  }

  whenApplied(mark: Txnid, done: (isApplied: boolean) => void): void {
    this.#replica.whenApplied(mark, done);
  }

  /** Reads that wait for a mark are given up with the role that told them of it. */
  abandonReads(): void {
    this.#replica.abandonWaiters();
  }

  /** Between two roles. Returns the store's failure, if it has failed. */
  async shortenLog(signal: AbortSignal): Promise<QuorateError | null> {
    await this.#checkpointer.shortenLog(() => signal.aborted || this.#failure !== null);
    return this.#failure;
  }

  /** The last applied txnid and the digest of the state there. */
  appliedState(): { readonly txnid: Txnid; readonly digest: bigint } {
    return this.#replica.appliedState();
  }

  lastApplied(): Txnid | null {
    return this.#replica.newest;
  }

  /** How long the oldest write has waited for the disk. */
  oldestAppendAgeMs(): number {
    return this.#ledger.oldestAgeMs();
  }

  /** When a snapshot that is being loaded into memory last got on; null while none is. */
  loadProgressAt(): number | null {
    return this.#ledger.progressAt;
  }

  /**
   * The role's barrier: resolves when every write of it has been answered, or with the failure
   * after which none will be.
   */
  async quiesce(): Promise<QuorateError | null> {
    this.#deps.lazy?.flush();
    await this.#ledger.idle();
    return this.#failure;
  }

  // ---- internals ----

  #logged(batch: EntryBatch, ticket: Ticket): Ticket {
    this.#ledger.open(ticket);
    this.#members.logged(batch);
    return ticket;
  }

  #applied(entry: LogEntryMsg, answer: Uint8Array): void {
    if (entry.fid !== this.#fid || entry.reqId === 0n) return;
    this.#deps.requests.completeRequest(entry.reqId, outcomeOf(entry, answer));
  }

  /** The founding entry may have become durable without the table that it carries. */
  #noteUnappliedFounding(): void {
    const first = this.#replica.firstUnapplied;
    if (first !== undefined) this.#members.logged(first);
  }

  #considerCheckpoint(): void {
    if (!this.#isInstalling && this.#failure === null) this.#checkpointer.consider();
  }

  #fail(error: QuorateError): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#checkpointer.cancel();
    this.#ledger.fail();
    this.#events?.onStoreFailed(error);
  }
}
