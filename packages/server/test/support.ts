import {
  ANYONE,
  DEFAULT_TIMINGS,
  encodeCaller,
  QuorateError,
  toNodeId,
  type BallotDatagram,
  type Chain,
  type ChainHash,
  type Clock,
  type LogData,
  type Logger,
  type NodeId,
  type PeerConnector,
  type PeerListener,
  type PeerMessenger,
  type PeerMsg,
  type PeerPipe,
  type PipeEvents,
  type Random,
} from "@quorate/protocol";
import { MemoryDisk, openMemoryStore } from "@quorate/testkit";
import { encodeCreate, withCaller, ZnodeMachine } from "@quorate/znode";
import { startServer, type Server, type ServerDeps } from "../src/index.js";

const asText = (_key: string, value: unknown): unknown =>
  typeof value === "bigint" ? value.toString() : value;

export const testHash: ChainHash = (block) => {
  let hash = 0xcbf2_9ce4_8422_2325n;
  for (const byte of block) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100_0000_01b3n);
  return hash as Chain;
};

/** What a node hands on for a client that proved nothing. */
export const READ = encodeCaller(ANYONE);
export const createOf = (data: Uint8Array): Uint8Array => withCaller(READ, encodeCreate({ data }));

export const id = (value: number): NodeId => toNodeId(value);

export function seededRandom(seed: number): Random {
  let state = BigInt(seed) * 0x9e37_79b9_7f4a_7c15n + 1n;
  const nextUint64 = (): bigint => {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
    return state ^ (state >> 29n);
  };
  return { nextUint64, next: () => Number(nextUint64() >> 11n) / 2 ** 53 };
}

/** Time that passes when the test says so; all promises settle between two timers. */
export class VirtualClock implements Clock {
  #now = 0;
  #sequence = 0;
  #timers: { at: number; sequence: number; run: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  wallTime(): number {
    return 1_700_000_000_000 + this.#now;
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

  /** Runs timers until `isDone`, at most so many virtual milliseconds. */
  async until(isDone: () => boolean, ms = 20_000): Promise<void> {
    const limit = this.#now + ms;
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      if (isDone()) return;
      this.#timers.sort((a, b) => a.at - b.at || a.sequence - b.sequence);
      const next = this.#timers[0];
      if (next === undefined || next.at > limit) throw new Error("it did not come about in time");
      this.#timers.shift();
      this.#now = Math.max(this.#now, next.at);
      next.run();
    }
  }

  /** The process stands still: time passes, and nothing runs. */
  stall(ms: number): void {
    this.#now += ms;
  }

  async pass(ms: number): Promise<void> {
    let isOver = false;
    this.setTimer(ms, () => (isOver = true));
    await this.until(() => isOver, ms);
  }
}

class MemoryPipe implements PeerPipe {
  readonly pipeId: number;
  readonly queuedBytes = 0;
  other: MemoryPipe | null = null;
  static #lastId = 0;
  #events: PipeEvents | null = null;
  #early: PeerMsg[] = [];
  #isClosed = false;

  constructor(
    readonly peer: NodeId,
    readonly clock: Clock,
    readonly isCut: () => boolean,
  ) {
    MemoryPipe.#lastId += 1;
    this.pipeId = MemoryPipe.#lastId;
  }

  attach(events: PipeEvents): void {
    this.#events = events;
    const early = this.#early.splice(0);
    if (early.length > 0) this.clock.defer(() => events.onMessages(early));
  }

  send(message: PeerMsg): void {
    if (this.#isClosed || this.isCut()) return;
    this.clock.setTimer(0.1, () => this.other?.deliver(message));
  }

  deliver(message: PeerMsg): void {
    if (this.#isClosed) return;
    if (this.#events === null) this.#early.push(message);
    else this.#events.onMessages([message]);
  }

  close(reason: QuorateError): void {
    if (this.#isClosed) return;
    if (!this.isCut()) this.clock.setTimer(0.1, () => this.other?.shut(reason));
    this.clock.defer(() => this.shut(reason));
  }

  shut(reason: QuorateError): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#events?.onClose(reason);
  }
}

/** Nodes of one process that reach one another in a tenth of a virtual millisecond. */
export class MemoryNetwork {
  readonly clock: Clock;
  readonly #acceptors = new Map<NodeId, (pipe: PeerPipe) => void>();
  readonly #receivers = new Map<NodeId, (datagram: BallotDatagram) => void>();
  readonly #silent = new Set<NodeId>();
  readonly #mute = new Set<NodeId>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** From now on nothing reaches this node or leaves it, and nobody is told. */
  silence(node: NodeId): void {
    this.#silent.add(node);
  }

  /** From now on nothing that it sends arrives; it hears the others, and does not know. */
  mute(node: NodeId): void {
    this.#mute.add(node);
  }

  /** It is back; its connections of before have ended meanwhile. */
  hear(node: NodeId): void {
    this.#silent.delete(node);
    this.#mute.delete(node);
  }

  #isCut(from: NodeId, to: NodeId): boolean {
    return this.#silent.has(from) || this.#silent.has(to) || this.#mute.has(from);
  }

  messenger(of: NodeId): PeerMessenger {
    return {
      send: (to, datagram) => {
        if (this.#isCut(of, to)) return;
        this.clock.setTimer(0.1, () => this.#receivers.get(to)?.(datagram));
      },
      onDatagram: (receiver) => {
        if (receiver === null) this.#receivers.delete(of);
        else this.#receivers.set(of, receiver);
      },
      close: () => Promise.resolve(),
    };
  }

  listener(of: NodeId): PeerListener {
    return {
      onPipe: (acceptor) => {
        if (acceptor === null) this.#acceptors.delete(of);
        else this.#acceptors.set(of, acceptor);
      },
      close: () => Promise.resolve(),
    };
  }

  connector(of: NodeId): PeerConnector {
    return {
      connect: (to) => {
        const accept = this.#acceptors.get(to);
        if (accept === undefined) {
          return Promise.reject(new QuorateError("ERR_PROTOCOL_CLOSED", "refused"));
        }
        // A connection attempt into the void ends in its timeout; the caller keeps trying.
        if (this.#isCut(of, to)) {
          return Promise.reject(new QuorateError("ERR_PROTOCOL_TIMEOUT", "no answer"));
        }
        const mine = new MemoryPipe(to, this.clock, () => this.#isCut(of, to));
        const theirs = new MemoryPipe(of, this.clock, () => this.#isCut(to, of));
        mine.other = theirs;
        theirs.other = mine;
        this.clock.defer(() => accept(theirs));
        return Promise.resolve(mine);
      },
    };
  }
}

export interface EnsembleOptions {
  readonly checkpointBytes?: number;
  readonly retainedTailBytes?: number;
  readonly readLatencyMs?: (node: number) => number;
  /** Of each sync. Default 1. */
  readonly writeLatencyMs?: (node: number) => number;
  readonly deps?: (node: number) => Partial<ServerDeps>;
  /** Whom a watcher follows in place of the leader. */
  readonly upstreams?: Readonly<Record<number, readonly number[]>>;
}

/** Whole nodes over memory. */
export class Ensemble {
  readonly clock = new VirtualClock();
  readonly network = new MemoryNetwork(this.clock);
  readonly voters: readonly NodeId[];
  readonly disks = new Map<NodeId, MemoryDisk>();
  readonly servers = new Map<NodeId, Server>();
  /** What the servers log at info and above: `3 role ended {...}`. */
  readonly lines: string[] = [];
  /** Nodes that are started with `trustEmpty`. */
  readonly trusted = new Set<number>();
  /** What the next attempts to open a store end with. */
  readonly openFailures: QuorateError[] = [];

  constructor(
    size: number,
    readonly options: EnsembleOptions = {},
  ) {
    this.voters = Array.from({ length: size }, (_, index) => id(index + 1));
    for (const voter of this.voters) this.disks.set(voter, new MemoryDisk());
  }

  disk(of: number): MemoryDisk {
    const disk = this.disks.get(id(of)) ?? new MemoryDisk();
    this.disks.set(id(of), disk);
    return disk;
  }

  server(of: number): Server {
    const server = this.servers.get(id(of));
    if (server === undefined) throw new Error("no such node");
    return server;
  }

  /** Those that are no voters start as watchers. */
  async start(...nodes: readonly number[]): Promise<void> {
    for (const node of nodes) {
      const nodeId = id(node);
      const random = seededRandom(node * 100 + this.servers.size);
      const starting = startServer(
        {
          nodeId,
          role: this.voters.includes(nodeId) ? "voter" : "watcher",
          upstreams: (this.options.upstreams?.[node] ?? []).map(id),
          voters: this.voters,
          cluster: "test",
          timings: DEFAULT_TIMINGS,
          checkpointBytes: this.options.checkpointBytes ?? 1 << 20,
          trustEmpty: this.trusted.has(node),
        },
        {
          clock: this.clock,
          random,
          logger: this.#logger(node),
          messenger: this.network.messenger(nodeId),
          listener: this.network.listener(nodeId),
          connector: this.network.connector(nodeId),
          openStore: () => {
            const failure = this.openFailures.shift();
            if (failure !== undefined) return Promise.reject(failure);
            return openMemoryStore(this.disk(node), {
              clock: this.clock,
              random,
              chainHash: testHash,
              latencyMs: () => this.options.writeLatencyMs?.(node) ?? 1,
              readLatencyMs: () => this.options.readLatencyMs?.(node) ?? 0,
              ...(this.options.retainedTailBytes === undefined
                ? {}
                : { retainedTailBytes: this.options.retainedTailBytes }),
            });
          },
          createStateMachine: () => new ZnodeMachine(),
          chainHash: testHash,
          ...this.options.deps?.(node),
        },
      );
      let server: Server | null = null;
      starting.then(
        (started) => (server = started),
        () => undefined,
      );
      await this.clock.until(() => server !== null);
      this.servers.set(nodeId, await starting);
    }
  }

  #logger(node: number): Logger {
    const keep = (message: string, data: LogData = {}): void => {
      this.lines.push(`${node} ${message} ${JSON.stringify(data, asText)}`);
    };
    return {
      error: keep,
      warn: keep,
      info: keep,
      debug: () => undefined,
      child: () => this.#logger(node),
    };
  }

  get leader(): Server | undefined {
    return [...this.servers.values()].find((one) => {
      const { role, ready } = one.status();
      return role === "leading" && ready;
    });
  }

  allReady(): boolean {
    return [...this.servers.values()].every((one) => one.status().ready);
  }

  /** Resolves or rejects with the promise, time passing meanwhile. */
  async settle<T>(promise: Promise<T>, ms?: number): Promise<T> {
    let isDone = false;
    const done = (): void => void (isDone = true);
    promise.then(done, done);
    await this.clock.until(() => isDone, ms);
    return promise;
  }
}
