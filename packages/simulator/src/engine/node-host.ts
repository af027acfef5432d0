import type { Clock, NodeId, Timer } from "@quorate/protocol";
import type { RandomStream } from "./random-stream.js";
import type { ScheduledEvent, Scheduler } from "./scheduler.js";

/** Real time at virtual zero: 2023-11-14, in ms since 1970. */
export const WALL_START_MS = 1_700_000_000_000;
const DATAGRAM_BACKLOG_MAX = 200;

/** Why an incarnation ended. */
export type HostEnd =
  /** kill -9: the kernel lives on and resets the process's sockets. */
  | "killed"
  /** Power loss: the peers hear nothing. */
  | "powerLoss"
  /** The code threw, or a promise was rejected and nobody looked. */
  | "uncaught"
  /** It ended itself. */
  | "exited";

export interface HostObserver {
  onUncaught(host: NodeHost, error: unknown): void;
}

interface BacklogItem {
  readonly incarnation: number;
  readonly run: () => void;
  readonly isDatagram: boolean;
}

/**
 * The machine and process that one node runs in. Everything that reaches the node's code passes
 * through {@link enter}, tagged with the incarnation it is meant for: nothing of a dead
 * incarnation ever runs, and nothing runs while the process is stopped.
 */
export class NodeHost {
  readonly id: NodeId;
  readonly scheduler: Scheduler;
  readonly #observer: HostObserver;
  readonly #backlog: BacklogItem[] = [];
  readonly #onEnd: ((incarnation: number, how: HostEnd) => void)[] = [];
  #incarnation = 0;
  #alive = false;
  #paused = false;
  #pumping = false;
  #portCallsLeft = Number.POSITIVE_INFINITY;
  /** When the process last went on after it had stood still. */
  resumedAtMs = 0;
  /** False after a power loss until the machine boots again. */
  isMachineUp = true;
  readonly clock: HostClock;

  constructor(id: NodeId, scheduler: Scheduler, random: RandomStream, observer: HostObserver) {
    this.id = id;
    this.scheduler = scheduler;
    this.#observer = observer;
    this.clock = new HostClock(this, random.split("timers"));
  }

  /** Rises with every start; 0 before the first. */
  get incarnation(): number {
    return this.#incarnation;
  }

  get isAlive(): boolean {
    return this.#alive;
  }

  get isPaused(): boolean {
    return this.#paused;
  }

  isCurrent(incarnation: number): boolean {
    return this.#alive && incarnation === this.#incarnation;
  }

  /** Called when an incarnation ends, whatever ended it, before anything else happens. */
  onEnd(listener: (incarnation: number, how: HostEnd) => void): void {
    this.#onEnd.push(listener);
  }

  boot(): number {
    this.#incarnation += 1;
    this.#alive = true;
    this.#paused = false;
    this.isMachineUp = true;
    this.#portCallsLeft = Number.POSITIVE_INFINITY;
    this.#backlog.length = 0;
    return this.#incarnation;
  }

  end(how: HostEnd): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#paused = false;
    this.#backlog.length = 0;
    if (how === "powerLoss") this.isMachineUp = false;
    for (const listener of this.#onEnd) listener(this.#incarnation, how);
  }

  /** SIGSTOP: nothing reaches the node until {@link resume}; timers are late by then. */
  pause(): void {
    if (this.#alive) this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.resumedAtMs = this.scheduler.nowMs;
    this.#pump();
  }

  /** F16: the process dies in the middle of its code, at the given call of a port from now on. */
  killAtPortCall(calls: number): void {
    this.#portCallsLeft = calls;
  }

  /**
   * To be asked by every port before it does what the node's code wants: false when the caller is
   * a dead incarnation, whose code may still run to the end of its step but changes nothing.
   */
  mayCall(incarnation: number): boolean {
    if (!this.isCurrent(incarnation)) return false;
    this.#portCallsLeft -= 1;
    if (this.#portCallsLeft > 0) return true;
    this.#portCallsLeft = Number.POSITIVE_INFINITY;
    this.end("killed");
    return false;
  }

  /** Schedules something for this incarnation. */
  after(delayMs: number, label: string, run: () => void): ScheduledEvent {
    const incarnation = this.#incarnation;
    return this.scheduler.after(delayMs, label, () => this.enter(incarnation, run));
  }

  /** Runs `run` in the node now, later if the process is stopped, never if it is dead. */
  enter(incarnation: number, run: () => void, isDatagram = false): void {
    if (!this.isCurrent(incarnation)) return;
    if (!this.#paused && this.#backlog.length === 0) {
      this.guard(run);
      return;
    }
    if (isDatagram && this.#backlog.length >= DATAGRAM_BACKLOG_MAX) return;
    this.#backlog.push({ incarnation, run, isDatagram });
    if (!this.#paused) this.#pump();
  }

  /** Runs code of the node; what it throws ends the process, as an uncaught exception does. */
  guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.fail(error);
    }
  }

  fail(error: unknown): void {
    if (!this.#alive) return;
    this.end("uncaught");
    this.#observer.onUncaught(this, error);
  }

  /** One item per event, so that promises settle in between and order is kept. */
  #pump(): void {
    if (this.#pumping || this.#backlog.length === 0) return;
    this.#pumping = true;
    this.scheduler.after(0, `backlog n${this.id}`, () => {
      this.#pumping = false;
      if (this.#paused) return;
      const item = this.#backlog.shift();
      if (item !== undefined && this.isCurrent(item.incarnation)) this.guard(item.run);
      this.#pump();
    });
  }
}

/** What the clock of one machine does wrong. Survives restarts of the process. */
export interface ClockFaults {
  /** Local milliseconds per virtual one (F36). */
  rate: number;
  /** F34, F35: added to the wall clock. */
  wallOffsetMs: number;
  /** F37: a timer is late by up to this. */
  timerLateMs: number;
}

/** Local time of one machine. Monotonic time survives neither skew nor jumps: it has none. */
export class HostClock {
  readonly #host: NodeHost;
  readonly #random: RandomStream;
  #baseVirtualMs = 0;
  #baseLocalMs: number;
  #faults: ClockFaults = { rate: 1, wallOffsetMs: 0, timerLateMs: 0 };
  /** Until then some timer that was set under F37 is due, late by up to `#lateMs`. */
  #lateUntilMs = Number.NEGATIVE_INFINITY;
  #lateMs = 0;

  constructor(host: NodeHost, random: RandomStream) {
    this.#host = host;
    this.#random = random;
    this.#baseLocalMs = random.between(1000, 1_000_000);
  }

  get faults(): Readonly<ClockFaults> {
    return this.#faults;
  }

  /** By how much a timer may be late that is set: also one of before the fault ended. */
  get timerLateMs(): number {
    const { timerLateMs } = this.#faults;
    const isOver = this.#host.scheduler.nowMs > this.#lateUntilMs;
    return isOver ? timerLateMs : Math.max(timerLateMs, this.#lateMs);
  }

  set(change: Partial<ClockFaults>): void {
    this.#baseLocalMs = this.localMs();
    this.#baseVirtualMs = this.#host.scheduler.nowMs;
    this.#faults = { ...this.#faults, ...change };
  }

  localMs(): number {
    const elapsed = this.#host.scheduler.nowMs - this.#baseVirtualMs;
    return this.#baseLocalMs + elapsed * this.#faults.rate;
  }

  wallMs(): number {
    return Math.floor(WALL_START_MS + this.#host.scheduler.nowMs + this.#faults.wallOffsetMs);
  }

  /** The port for the current incarnation. */
  port(): Clock {
    const host = this.#host;
    const incarnation = host.incarnation;
    const label = `timer n${host.id}`;
    const deferLabel = `defer n${host.id}`;
    return {
      now: () => this.localMs(),
      wallTime: () => this.wallMs(),
      setTimer: (ms, callback) => {
        if (!host.mayCall(incarnation)) return { cancel: () => undefined };
        return this.#startTimer(ms, label, incarnation, callback);
      },
      defer: (callback) => {
        if (!host.mayCall(incarnation)) return;
        host.scheduler.after(0, deferLabel, () => host.enter(incarnation, callback));
      },
    };
  }

  #noteLate(delayMs: number): void {
    const { nowMs } = this.#host.scheduler;
    this.#lateMs = this.timerLateMs;
    this.#lateUntilMs = Math.max(this.#lateUntilMs, nowMs + delayMs);
  }

  #startTimer(ms: number, label: string, incarnation: number, callback: () => void): Timer {
    const deadline = this.localMs() + Math.max(ms, 0);
    let isOver = false;
    let event: ScheduledEvent | null = null;
    // A backlogged call must look at `isOver` again: it may be cancelled while it waits there.
    const fire = (): void => {
      if (isOver) return;
      isOver = true;
      callback();
    };
    const arm = (): void => {
      const late =
        this.#faults.timerLateMs > 0 ? this.#random.next() * this.#faults.timerLateMs : 0;
      // Never early, whatever rounding does.
      const delayMs =
        Math.max(0.001, (deadline - this.localMs()) / this.#faults.rate + 0.001) + late;
      if (late > 0) this.#noteLate(delayMs);
      event = this.#host.scheduler.after(delayMs, label, () => {
        if (isOver) return;
        // The rate has fallen meanwhile: not yet due.
        if (this.localMs() < deadline) arm();
        else this.#host.enter(incarnation, fire);
      });
    };
    arm();
    return {
      cancel: () => {
        isOver = true;
        event?.cancel();
      },
    };
  }
}
