import {
  BatchBuilder,
  LOG_START,
  makeTxnid,
  positionOf,
  toEpoch,
  toIdentity,
  toNodeId,
  type ActionHandler,
  type Chain,
  type ChainHash,
  type EntryBatch,
  type LogPosition,
  type NodeId,
  type PeerMsg,
  type PeerPipe,
  type PipeEvents,
  type QuorateError,
  type SnapshotInfo,
  type SnapshotSource,
  type StagedSnapshot,
  type Ticket,
} from "@quorate/protocol";

/** FNV-1a, 64 bits: enough to tell histories apart in a test. */
export const testHash: ChainHash = (block) => {
  let hash = 0xcbf2_9ce4_8422_2325n;
  for (const byte of block) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100_0000_01b3n);
  return hash as Chain;
};

export const id = (value: number): NodeId => toNodeId(value);
export const epoch = toEpoch;
export const identity = (digit: number) => toIdentity(String(digit).repeat(32).slice(0, 32));

/** One batch of one entry behind `previous`; `text` tells equal txnids apart. */
export function batchAfter(
  previous: LogPosition,
  inEpoch: number,
  counter: number,
  text = "",
  bytes = 1,
): EntryBatch {
  const builder = new BatchBuilder(testHash);
  builder.add(1, 1n, 1, `/k${text}`, new Uint8Array(bytes).fill(counter));
  return builder.finish(makeTxnid(inEpoch, counter), previous);
}

/** A log of single-entry batches, e.g. `logOf([1, 3], [2, 1])`: e1:1 e1:2 e1:3 e2:1. */
export function logOf(...epochs: readonly (readonly [number, number])[]): EntryBatch[] {
  const log: EntryBatch[] = [];
  for (const [inEpoch, count] of epochs) {
    for (let counter = 1; counter <= count; counter += 1) {
      log.push(batchAfter(endOf(log), inEpoch, counter));
    }
  }
  return log;
}

export function endOf(log: readonly EntryBatch[]): LogPosition {
  const last = log.at(-1);
  return last === undefined ? LOG_START : positionOf(last);
}

/** The greatest boundary of `log` at or below a txnid. */
export function floorOf(log: readonly EntryBatch[], txnid: bigint): LogPosition {
  return endOf(log.filter((batch) => batch.last <= txnid));
}

export class FakePipe implements PeerPipe {
  readonly sent: PeerMsg[] = [];
  readonly pipeId: number;
  readonly peer: NodeId;
  readonly queuedBytes = 0;
  closed: QuorateError | null = null;
  static #lastId = 0;

  constructor(peer: number) {
    this.peer = id(peer);
    FakePipe.#lastId += 1;
    this.pipeId = FakePipe.#lastId;
  }

  attach(_events: PipeEvents): void {
    // The test feeds the owner itself.
  }

  send(message: PeerMsg): void {
    if (this.closed === null) this.sent.push(message);
  }

  close(reason: QuorateError): void {
    this.closed ??= reason;
  }

  get kinds(): string[] {
    return this.sent.map(({ kind }) => kind);
  }
}

/** A host whose disk answers when the test says so, and that writes down what it was asked. */
export class FakeHost {
  readonly calls: string[] = [];
  log: EntryBatch[] = [];
  accepted = { epoch: 0, leader: 0 };
  current = 0;
  committed = 0n;
  lastTicket: Ticket = 0;
  snapshot: SnapshotSource | null = null;
  floors: Promise<LogPosition | null> | null = null;
  /** How far the log is durable; null: all of it. */
  durable: LogPosition | null = null;
  readBatches = 4;

  readonly handler = {
    getNodeId: () => id(1),
    getFollowerId: () => "1",
    getIdentity: () => identity(1),
    getStanding: () => "member",
    getAcceptedEpoch: () => epoch(this.accepted.epoch),
    getAcceptedLeader: () => (this.accepted.leader === 0 ? 0 : id(this.accepted.leader)),
    getCurrentEpoch: () => epoch(this.current),
    getLastLogged: () => this.durable ?? endOf(this.log),
    getLogEnd: () => endOf(this.log),
    getCommittedPosition: () => floorOf(this.log, this.committed),
    getLastCommittedTxid: () => this.committed,
    findLogPosition: (at: bigint) => this.floors ?? Promise.resolve(floorOf(this.log, at)),
    getCommittedEntries: (after: bigint, upTo: bigint) => this.#entries(after, upTo),
    openSnapshot: () => Promise.resolve(this.snapshot),
    logAndCommit: (batch: EntryBatch) => {
      this.log.push(batch);
      return this.#write(`append ${String(batch.last & 0xffffn)}`);
    },
    commit: (upTo: bigint) => void this.calls.push(`commit ${String(upTo & 0xffffn)}`),
    notifyNewAcceptedEpoch: (value: number, leader: number) =>
      this.#write(`acceptedEpoch ${value} ${leader}`),
    notifyNewCurrentEpoch: (value: number) => this.#write(`currentEpoch ${value}`),
    truncateAfter: (position: LogPosition) => {
      this.log = this.log.filter(({ last }) => last <= position.txnid);
      return this.#write("truncate");
    },
    stageSnapshot: (info: SnapshotInfo): StagedSnapshot => {
      this.#write("stage");
      return {
        info,
        writeRows: (rows) => this.#write(`rows ${rows.length}`),
        append: ([batch]) => this.#write(`stagedAppend ${String((batch?.last ?? 0n) & 0xffffn)}`),
      };
    },
    installSnapshot: () => this.#write("install"),
    discardStaged: () => void this.#write("discard"),
  } as unknown as ActionHandler;

  #write(what: string): Ticket {
    this.calls.push(what);
    this.lastTicket += 1;
    return this.lastTicket;
  }

  async *#entries(after: bigint, upTo: bigint): AsyncIterable<readonly EntryBatch[]> {
    const wanted = this.log.filter(({ last }) => last > after && last <= upTo);
    for (let at = 0; at < wanted.length; at += this.readBatches) {
      await Promise.resolve();
      yield wanted.slice(at, at + this.readBatches);
    }
  }
}

/** All promises that can settle have settled. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
