import {
  entriesOf,
  isInternalOpCode,
  LOG_START,
  nodeIdOfFid,
  OpCode,
  positionOf,
  QuorateError,
  type ActionEvents,
  type ActionHandler,
  type Clock,
  type EntryBatch,
  type Identity,
  type LogPosition,
  type NodeId,
  type Prepared,
  type RequestMsg,
  type SnapshotSource,
  type Ticket,
  type Txnid,
} from "@quorate/protocol";
import { decodeIdentities } from "./identity-record.js";
import { textOf } from "./host-code.js";
import type { PlainActionHandler } from "./plain-host.js";

export interface SyncActionOptions {
  readonly clock: Clock;
  /** The host's data directory. A host that lost its data must bring another. */
  readonly identity: Identity;
  /** To whom the accepted epoch was promised; 0 before the first promise. */
  getAcceptedLeader(): NodeId | 0;
  /** Removes every entry above this one, durably. The original had no such method (G2). */
  truncateAfter(position: LogPosition): void;
  /** Default: every request becomes an entry as it is. */
  prepare?(request: RequestMsg, txnid: Txnid): Prepared;
  /** Custom operations (above 50) that become entries, the same on every host. Default: none. */
  isReplicated?(op: number): boolean;
}

/**
 * Adapts a host with blocking methods. Each write is done when it returns, and reported in the
 * next turn, so the drivers see the same order as over an asynchronous store. Such a host keeps
 * its whole log: it neither makes nor takes snapshots (ERR_SERVER_UNSUPPORTED).
 */
export function syncActionHandler(
  plain: PlainActionHandler,
  options: SyncActionOptions,
): ActionHandler {
  return new SyncActionHandler(plain, options).handler;
}

class SyncActionHandler {
  readonly handler: ActionHandler;
  readonly #plain: PlainActionHandler;
  readonly #options: SyncActionOptions;
  #events: ActionEvents | null = null;
  #failure: QuorateError | null = null;
  #ticket: Ticket = 0;
  #isReportDue = false;
  #end: LogPosition = LOG_START;
  #committed: LogPosition = LOG_START;
  #members = new Map<NodeId, Identity>();

  constructor(plain: PlainActionHandler, options: SyncActionOptions) {
    this.#plain = plain;
    this.#options = options;
    for (const batch of this.#log()) this.#logged(batch);
    this.#noteCommitted(plain.getLastCommittedTxid());
    this.handler = { ...this.#reads(), ...this.#writes() };
  }

  #log(after: Txnid = LOG_START.txnid): Iterable<EntryBatch> {
    return this.#plain.getCommittedEntries(after, this.#plain.getLastLoggedTxid());
  }

  #reads() {
    const plain = this.#plain;
    const options = this.#options;
    const nodeId = nodeIdOfFid(plain.getFollowerId());
    return {
      getEnsembleSize: () => plain.getEnsembleSize(),
      getFollowerId: () => plain.getFollowerId(),
      getNodeId: () => nodeId,
      getStatus: () => plain.getStatus(),
      getQuorumVerifier: () => plain.getQuorumVerifier(),
      getIdentity: () => options.identity,
      getStanding: () => {
        if (this.#members.size === 0) return "empty" as const;
        const isKnown = this.#members.get(nodeId) === options.identity;
        return isKnown ? ("member" as const) : ("recovering" as const);
      },
      getIdentityTable: () => this.#members,
      getLastLogged: () => this.#end,
      getLastLoggedTxid: () => this.#end.txnid,
      getLastCommittedTxid: () => plain.getLastCommittedTxid(),
      getCurrentEpoch: () => plain.getCurrentEpoch(),
      getAcceptedEpoch: () => plain.getAcceptedEpoch(),
      getAcceptedLeader: () => options.getAcceptedLeader(),
      getNextTxnId: () => plain.getNextTxnId(),
      getLogEnd: () => this.#end,
      getCommittedPosition: () => this.#committed,
      findLogPosition: (atOrBelow: Txnid) => Promise.resolve(this.#floor(atOrBelow)),
      getCommittedEntries: (after: Txnid, upTo: Txnid) => oneByOne(plain, after, upTo),
      openSnapshot: (): Promise<SnapshotSource> => Promise.reject(unsupported()),
    };
  }

  #writes() {
    const plain = this.#plain;
    const options = this.#options;
    return {
      logProposal: (batch: EntryBatch) =>
        this.#write(() => {
          plain.logProposal(batch);
          this.#logged(batch);
        }),
      logAndCommit: (batch: EntryBatch, commitUpTo: Txnid) =>
        this.#write(() => {
          plain.logAndCommit(batch, batch.last <= commitUpTo);
          this.#logged(batch);
          this.#noteCommitted(plain.getLastCommittedTxid());
        }),
      notifyNewAcceptedEpoch: (
        epoch: Parameters<ActionHandler["notifyNewAcceptedEpoch"]>[0],
        leader: NodeId,
      ) => this.#write(() => plain.notifyNewAcceptedEpoch(epoch, leader)),
      notifyNewCurrentEpoch: (epoch: Parameters<ActionHandler["notifyNewCurrentEpoch"]>[0]) =>
        this.#write(() => plain.notifyNewCurrentEpoch(epoch)),
      truncateAfter: (position: LogPosition) =>
        this.#write(() => {
          options.truncateAfter(position);
          this.#end = position;
          if (position.txnid === LOG_START.txnid) this.#members.clear();
        }),
      stageSnapshot: (): never => {
        throw unsupported();
      },
      installSnapshot: (): never => {
        throw unsupported();
      },
      discardStaged: () => undefined,
      attach: (events: ActionEvents | null) => {
        this.#events = events;
        if (events !== null && this.#failure !== null) events.onStoreFailed(this.#failure);
      },
      prepare: (request: RequestMsg, txnid: Txnid): Prepared => {
        const { op, key, content } = request;
        if (isInternalOpCode(op) || options.prepare === undefined) {
          return { ok: true, op, key, content };
        }
        try {
          return options.prepare({ ...request, content: content.slice() }, txnid);
        } catch (error) {
          // Nothing is logged yet: whoever asked is refused, and that is all.
          return { ok: false, code: "ERR_SERVER_CUSTOM_FAILED", message: textOf(error) };
        }
      },
      isReplicated: (op: number) => options.isReplicated?.(op) ?? false,
      discardPrepared: () => undefined,
      commit: (upTo: Txnid) => {
        if (this.#failure !== null) return;
        try {
          if (upTo > plain.getLastCommittedTxid()) plain.commit(upTo);
        } catch (error) {
          const text = `the host's commit threw, so its state is unknown: ${textOf(error)}`;
          this.#failure = new QuorateError("ERR_SERVER_CUSTOM_STATE", text, { cause: error });
          this.#reportLater();
          return;
        }
        this.#noteCommitted(upTo);
      },
      abort: plain.abort.bind(plain),
      respond: plain.respond.bind(plain),
    };
  }

  #write(write: () => void): Ticket {
    this.#ticket += 1;
    if (this.#failure !== null) return this.#ticket;
    try {
      write();
    } catch (error) {
      this.#failure = new QuorateError("ERR_STORE_IO", "the host's write failed", { cause: error });
    }
    this.#reportLater();
    return this.#ticket;
  }

  /** Never within the write: the drivers note the ticket first. */
  #reportLater(): void {
    if (this.#isReportDue) return;
    this.#isReportDue = true;
    this.#options.clock.defer(() => {
      this.#isReportDue = false;
      if (this.#failure !== null) this.#events?.onStoreFailed(this.#failure);
      else this.#events?.onPersisted(this.#ticket, this.#end);
    });
  }

  #logged(batch: EntryBatch): void {
    this.#end = positionOf(batch);
    const [entry] = entriesOf(batch);
    // A founding table counts as soon as it is logged.
    if (this.#members.size === 0 && entry?.op === OpCode.foundEnsemble) {
      this.#members = decodeIdentities(entry.content);
    }
  }

  #noteCommitted(upTo: Txnid): void {
    if (upTo <= this.#committed.txnid) return;
    const batches = [...this.#plain.getCommittedEntries(this.#committed.txnid, upTo)];
    for (const batch of batches) {
      this.#committed = positionOf(batch);
      for (const { op, content } of entriesOf(batch))
        if (op === OpCode.admitVoter) this.#admit(content);
    }
    if (batches.length > 0) this.#events?.onCommitted?.(batches);
  }

  #admit(content: Uint8Array): void {
    for (const [voter, identity] of decodeIdentities(content)) {
      this.#members.set(voter, identity);
      this.#events?.onVoterAdmitted(voter, identity);
    }
  }

  #floor(atOrBelow: Txnid): LogPosition {
    let floor: LogPosition = LOG_START;
    for (const batch of this.#log()) {
      if (batch.last > atOrBelow) break;
      floor = positionOf(batch);
    }
    return floor;
  }
}

async function* oneByOne(
  plain: PlainActionHandler,
  after: Txnid,
  upTo: Txnid,
): AsyncIterable<readonly EntryBatch[]> {
  for (const batch of plain.getCommittedEntries(after, upTo)) yield await Promise.resolve([batch]);
}

function unsupported(): QuorateError {
  return new QuorateError("ERR_SERVER_UNSUPPORTED", "a blocking host has no snapshots");
}
