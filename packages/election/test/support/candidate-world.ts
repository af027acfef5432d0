import {
  DEFAULT_TIMINGS,
  type BallotDatagram,
  type Clock,
  type ElectionNetwork,
  type LeaseDatagram,
  type Random,
} from "@quorate/protocol";
import {
  joinElection,
  type Candidate,
  type ElectionTimings,
  type JoinElectionOptions,
} from "../../src/index.js";
import { drainPromises, seededRandom, VirtualClock } from "./virtual-clock.js";

type Datagram = BallotDatagram | LeaseDatagram;

export interface Flight {
  readonly from: number;
  readonly to: number;
  readonly datagram: Datagram;
}

/** What becomes of one datagram: how many copies arrive, each after how many ms. */
export type Fate = (flight: Flight) => readonly number[];

/** A process that runs one candidate. */
export class Process {
  readonly id: number;
  /** Virtual ms of its clock for each true one. */
  readonly rate: number;
  candidate: Candidate | null = null;
  isDead = false;
  #paused: (() => void)[] | null = null;

  constructor(id: number, rate: number) {
    this.id = id;
    this.rate = rate;
  }

  /** Runs now, after the pause, or never. */
  run(task: () => void): void {
    if (this.isDead) return;
    if (this.#paused === null) task();
    else this.#paused.push(task);
  }

  get isPaused(): boolean {
    return this.#paused !== null;
  }

  pause(): void {
    this.#paused ??= [];
  }

  /** Gives out what waited, in order. */
  takeWaiting(): readonly (() => void)[] {
    const tasks = this.#paused ?? [];
    this.#paused = null;
    return tasks;
  }

  /** It believes to lead, and can act on it. */
  get isLeading(): boolean {
    return !this.isDead && !this.isPaused && this.candidate?.isLeading === true;
  }
}

export interface WorldOptions {
  readonly members: number;
  readonly seed?: number;
  readonly timings?: Partial<ElectionTimings>;
}

/** Candidates in one thread, each a process of its own that can be killed, paused and cut off. */
export class CandidateWorld {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly ids: readonly number[];
  readonly members: Readonly<Record<number, string>>;
  readonly processes = new Map<number, Process>();
  /** Loss-free, 1 ms, until told otherwise. */
  fate: Fate = () => [1];
  /** After every event, with whose it was: the worst that any checker may look at. */
  onMoment: (process: Process) => void = () => undefined;
  sent: Flight[] = [];
  readonly #timings: Partial<ElectionTimings>;
  readonly #ballots = new Map<number, (datagram: BallotDatagram) => void>();
  readonly #leases = new Map<
    number,
    (datagram: LeaseDatagram, reply: (datagram: LeaseDatagram) => void) => void
  >();

  constructor({ members, seed = 1, timings = {} }: WorldOptions) {
    this.random = seededRandom(seed);
    this.#timings = timings;
    this.ids = Array.from({ length: members }, (_, index) => index + 1);
    this.members = Object.fromEntries(this.ids.map((id) => [id, `host:${id}`]));
  }

  process(id: number): Process {
    const process = this.processes.get(id);
    if (process === undefined) throw new Error(`no process ${id}`);
    return process;
  }

  candidate(id: number): Candidate {
    const { candidate } = this.process(id);
    if (candidate === null) throw new Error(`no candidate ${id}`);
    return candidate;
  }

  /**
   * Starts a process, in place of a dead one of its id. `at` is where it listens: another process
   * under the same id has an address that no member knows.
   */
  async start(
    id: number,
    options: Partial<JoinElectionOptions> = {},
    { rate = 1, at = id }: { rate?: number; at?: number } = {},
  ): Promise<Process> {
    const process = new Process(id, rate);
    this.processes.set(at, process);
    process.candidate = await joinElection(
      { cluster: "test", nodeId: id, members: this.members, timings: this.#timings, ...options },
      this.network(process, at),
    );
    return process;
  }

  async startAll(): Promise<void> {
    for (const id of this.ids) await this.start(id);
  }

  kill(id: number): void {
    this.process(id).isDead = true;
    this.#ballots.delete(id);
    this.#leases.delete(id);
  }

  /** As a process is after SIGCONT: everything that waited is due at once. */
  resume(id: number): void {
    const process = this.process(id);
    for (const task of process.takeWaiting()) this.#moment(process, task);
  }

  /** Nothing passes between the two groups. */
  partition(group: readonly number[]): void {
    const isIn = (id: number): boolean => group.includes(id);
    this.fate = ({ from, to }) => (isIn(from) === isIn(to) ? [1] : []);
  }

  heal(): void {
    this.fate = () => [1];
  }

  /** Those that believe to lead at this moment. */
  leaders(): number[] {
    return [...this.processes.values()].filter((one) => one.isLeading).map(({ id }) => id);
  }

  /** The one leader that every live candidate leads or follows, else null. */
  agreedLeader(): number | null {
    const live = [...this.processes.values()].filter((one) => !one.isDead && !one.isPaused);
    const states = live.map((one) => one.candidate?.state);
    const leader = states[0]?.leader ?? null;
    const term = states[0]?.term ?? null;
    if (leader === null || this.leaders().join() !== String(leader)) return null;
    return states.every((state) => state?.leader === leader && state.term === term) ? leader : null;
  }

  async advance(ms: number): Promise<void> {
    // What was called just now may not have come to its timers yet.
    await drainPromises();
    await this.clock.advance(ms);
  }

  /** Lets time pass until there is an agreed leader; returns how much. */
  async untilAgreed(msMax: number): Promise<number> {
    const start = this.clock.now();
    while (this.agreedLeader() === null) {
      if (this.clock.now() - start > msMax) {
        const states = [...this.processes.values()].map((one) => one.candidate?.state);
        throw new Error(`no agreed leader after ${msMax} ms: ${JSON.stringify(states)}`);
      }
      await this.clock.advance(5);
    }
    return this.clock.now() - start;
  }

  async close(): Promise<void> {
    const closing = [...this.processes.values()].map(async ({ candidate, isDead }) =>
      isDead ? undefined : candidate?.close(),
    );
    await this.clock.advance(50);
    await Promise.all(closing);
    await drainPromises();
  }

  network(process: Process, at = process.id): ElectionNetwork {
    const clock = this.#clockOf(process);
    return () =>
      Promise.resolve({
        clock,
        random: this.random,
        messenger: {
          send: (to, datagram) => this.#send(at, to, datagram),
          onDatagram: (receiver) => set(this.#ballots, at, receiver),
          close: () => Promise.resolve(),
        },
        leases: {
          send: (to, datagram) => this.#send(at, to, datagram),
          onDatagram: (receiver) => set(this.#leases, at, receiver),
        },
        close: () => Promise.resolve(),
      });
  }

  #clockOf(process: Process): Clock {
    const { rate } = process;
    return {
      now: () => this.clock.now() * rate,
      wallTime: () => this.clock.wallTime(),
      setTimer: (ms, callback) =>
        this.clock.setTimer(ms / rate, () => this.#moment(process, callback)),
      defer: (callback) => this.clock.defer(() => this.#moment(process, callback)),
    };
  }

  #moment(process: Process, task: () => void): void {
    process.run(task);
    this.onMoment(process);
  }

  #send(from: number, to: number, datagram: Datagram): void {
    if (this.processes.get(from)?.isDead === true) return;
    const flight = { from, to, datagram };
    this.sent.push(flight);
    for (const ms of this.fate(flight)) {
      this.clock.setTimer(ms, () => this.arrive(flight));
    }
  }

  /** Delivers one datagram now, be it for the second time. */
  arrive({ from, to, datagram }: Flight): void {
    const process = this.processes.get(to);
    if (process === undefined) return;
    this.#moment(process, () => {
      // A closed port takes nothing.
      if ("vote" in datagram) this.#ballots.get(to)?.(datagram);
      else this.#leases.get(to)?.(datagram, (answer) => this.#send(to, from, answer));
    });
  }
}

function set<T>(map: Map<number, T>, id: number, value: T | null): void {
  if (value === null) map.delete(id);
  else map.set(id, value);
}

export const LEASE_MS = DEFAULT_TIMINGS.leaseMs;
export const TIMEOUT_MS = DEFAULT_TIMINGS.followerTimeoutMs;
