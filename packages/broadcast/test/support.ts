import {
  BatchBuilder,
  DEFAULT_TIMINGS,
  defaultMsgFactory,
  entriesOf,
  LOG_START,
  majorityQuorum,
  makeTxnid,
  positionOf,
  silentLogger,
  toEpoch,
  toIdentity,
  toNodeId,
  type ActionHandler,
  type Chain,
  type ChainHash,
  type Clock,
  type CustomRequestHandler,
  type EntryBatch,
  type LogPosition,
  type NodeId,
  type PeerMsg,
  type PeerPipe,
  type PlacedRefusals,
  type Prepared,
  type QuorateError,
  type RequestMsg,
  type Txnid,
} from "@quorate/protocol";
import { Leader, type ObserverQueue, observerIdOf, type SessionKeeper } from "../src/index.js";

export const testHash: ChainHash = (block) => {
  let hash = 0xcbf2_9ce4_8422_2325n;
  for (const byte of block) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100_0000_01b3n);
  return hash as Chain;
};

export const id = (value: number): NodeId => toNodeId(value);
export const txnid = (counter: number, epoch = 1): Txnid => makeTxnid(epoch, counter);
export const quorumOf = (size: number) =>
  majorityQuorum(Array.from({ length: size }, (_, index) => id(index + 1)));

export function batchAfter(
  previous: LogPosition,
  epoch: number,
  counter: number,
  entries = 1,
): EntryBatch {
  const builder = new BatchBuilder(testHash);
  for (let i = 0; i < entries; i += 1) builder.add(1, 1n, 1, "/k", new Uint8Array([counter]));
  return builder.finish(makeTxnid(epoch, counter), previous);
}

export const first = batchAfter(LOG_START, 1, 1);
export const second = batchAfter(positionOf(first), 1, 2);

/** Time that passes when the test says so. */
export class VirtualClock implements Clock {
  #now = 0;
  #sequence = 0;
  #timers: { at: number; sequence: number; run: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  wallTime(): number {
    return this.#now;
  }

  setTimer(ms: number, run: () => void) {
    this.#sequence += 1;
    const timer = { at: this.#now + ms, sequence: this.#sequence, run };
    this.#timers.push(timer);
    return { cancel: () => void (this.#timers = this.#timers.filter((one) => one !== timer)) };
  }

  defer(run: () => void): void {
    this.setTimer(0, run);
  }

  /** Runs what is due within so many milliseconds. */
  advance(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      this.#timers.sort((a, b) => a.at - b.at || a.sequence - b.sequence);
      const next = this.#timers[0];
      if (next === undefined || next.at > until) break;
      this.#timers.shift();
      this.#now = next.at;
      next.run();
    }
    this.#now = until;
  }

  /** The process stands still: time passes, nothing runs. */
  pause(ms: number): void {
    this.#now += ms;
  }
}

export class FakePipe implements PeerPipe {
  sent: PeerMsg[] = [];
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

  attach(): void {
    // The test feeds the owner itself.
  }

  send(message: PeerMsg): void {
    if (this.closed === null) this.sent.push(message);
  }

  close(reason: QuorateError): void {
    this.closed ??= reason;
  }

  /** What was sent, heartbeats aside. */
  get kinds(): string[] {
    return this.sent.map(({ kind }) => kind).filter((kind) => kind !== "heartbeat");
  }

  lastRound(): number {
    const beats = this.sent.flatMap((one) => (one.kind === "heartbeat" ? [one.round] : []));
    return beats.at(-1) ?? 0;
  }
}

export class FakeHost {
  readonly logged: EntryBatch[] = [];
  readonly commits: Txnid[] = [];
  readonly answers: string[] = [];
  /** As the tree does, and a plain host does not. */
  asksBetween = false;
  /** By which nodes the requests came that were prepared. */
  readonly origins: (NodeId | undefined)[] = [];
  refuse: (request: RequestMsg) => boolean = () => false;
  refusal: Prepared = { ok: false, code: "ERR_ZNODE_NO_NODE", message: "no node" };

  readonly handler = {
    getNodeId: () => id(1),
    getLastCommittedTxid: () => this.commits.at(-1) ?? 0n,
    logProposal: (batch: EntryBatch) => this.logged.push(batch),
    commit: (upTo: Txnid, refusals?: PlacedRefusals) => {
      if (this.asksBetween && refusals?.first !== undefined) {
        for (const batch of this.logged) {
          for (const entry of entriesOf(batch)) {
            if (entry.txnid > upTo || entry.txnid <= (this.commits.at(-1) ?? 0n)) continue;
            refusals.releaseBefore(entry.txnid);
            this.answers.push(`apply ${entry.txnid & 0xffff_ffffn}`);
          }
        }
      }
      this.commits.push(upTo);
    },
    abort: (fid: string, reqId: bigint, code: string, _text: string, at: number) =>
      void this.answers.push(`abort ${fid} ${reqId} ${code}${at === -1 ? "" : ` at ${at}`}`),
    respond: (fid: string, reqId: bigint, error: string) =>
      void this.answers.push(`respond ${fid} ${reqId} ${error}`),
    prepare: (request: RequestMsg, _txnid: Txnid, origin?: NodeId): Prepared => {
      this.origins.push(origin);
      if (this.refuse(request)) return this.refusal;
      return { ok: true, op: request.op, key: request.key, content: request.content };
    },
  } as unknown as ActionHandler;
}

export function request(reqId: number, op = 1, bytes = 1): RequestMsg {
  return { kind: "request", reqId: BigInt(reqId), op, key: "/k", content: new Uint8Array(bytes) };
}

export const identityOf = (node: number) => toIdentity(String(node).repeat(32).slice(0, 32));

/** A leader of epoch 1, node 1 of `size`, with no followers yet. */
export function leaderOf(
  size: number,
  customHandler?: CustomRequestHandler,
  sessions?: SessionKeeper,
) {
  const clock = new VirtualClock();
  const host = new FakeHost();
  const stepDowns: QuorateError[] = [];
  const leader = new Leader(
    {
      nodeId: id(1),
      epoch: toEpoch(1),
      quorum: quorumOf(size),
      initialEnd: LOG_START,
      timings: DEFAULT_TIMINGS,
    },
    {
      handler: host.handler,
      clock,
      logger: silentLogger,
      factory: defaultMsgFactory,
      chainHash: testHash,
      ...(customHandler === undefined ? {} : { customHandler }),
      ...(sessions === undefined ? {} : { sessions }),
      onEnsembleChange: () => undefined,
      onStepDown: (error) => void stepDowns.push(error),
    },
  );
  const join = (peer: number, isCounted = true, upTo: LogPosition = LOG_START): FakePipe => {
    const pipe = new FakePipe(peer);
    leader.addFollower({ pipe, identity: identityOf(peer), isCounted, upTo });
    return pipe;
  };
  const observe = (pipe: FakePipe, queue: ObserverQueue, isWatcher = false) => {
    leader.addObserver(observerIdOf(pipe), queue, isWatcher);
  };
  const accept = (pipe: FakePipe, upTo: Txnid) => {
    leader.onMessage(pipe, { kind: "accept", txnid: upTo, fid: String(pipe.peer) });
  };
  const answer = (pipe: FakePipe, round = pipe.lastRound(), touches: readonly bigint[] = []) => {
    leader.onMessage(pipe, { kind: "heartbeat", round, answer: true, touches });
  };
  const write = (...numbers: number[]) => {
    for (const number of numbers) leader.queueRequest("1", request(number));
    clock.advance(0);
  };
  const persist = () => {
    const last = host.logged.at(-1);
    if (last !== undefined) leader.onPersisted(positionOf(last));
  };
  return { clock, host, leader, stepDowns, join, observe, accept, answer, write, persist };
}
