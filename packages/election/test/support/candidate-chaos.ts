import type { ElectionTimings } from "../../src/index.js";
import { CandidateWorld, type Flight, type Process } from "./candidate-world.js";

/** True ms between two changes of the world. */
const STEP_MS = 100;

/** The youngest datagrams, any of which may come once more: of this start, or an earlier one. */
const RECORDED_MAX = 500;

export interface ChaosOptions {
  readonly seed: number;
  readonly members: number;
  readonly ms: number;
  readonly timings?: Partial<ElectionTimings>;
  /** Clocks run at rates between 1 and this; each start draws its own. */
  readonly rateMax?: number;
}

export interface ChaosReport {
  /** Two that believed to lead at one moment, if ever. */
  readonly doubled: string | null;
  readonly faults: Readonly<Record<Fault, number>>;
  readonly leads: number;
  /** From the end of all faults to an agreed leader. */
  readonly healedMs: number;
}

/** What may go wrong besides loss, copies and delays, which there always are. */
const FAULTS = [
  "kill",
  "pause",
  /** Between two events, also within what one arrival causes. */
  "momentPause",
  "cut",
  /** One direction of one pair loses much. */
  "lossyWay",
  /** One direction of one pair is late, until its sender is restarted: that one overtakes. */
  "lateWay",
  "betrayal",
  /** A voter is restarted right after it has granted; the next start may overtake the grant. */
  "forgottenGrant",
  "replay",
] as const;

export type Fault = (typeof FAULTS)[number];

/** Anything may go wrong for a time, then nothing more does. One seed decides all of it. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { seed, members, ms, timings = {}, rateMax = 1.49 } = options;
  const world = new CandidateWorld({ members, seed, timings });
  const chaos = new Chaos(world, rateMax);
  let doubled: string | null = null;
  world.onMoment = (process) => {
    const leaders = world.leaders();
    if (leaders.length > 1) doubled ??= `${world.clock.now()} ms: ${leaders.join()}`;
    chaos.atMoment(process);
  };
  for (const id of world.ids) await chaos.start(id);
  for (let passed = 0; passed < ms; passed += STEP_MS) {
    await chaos.change();
    await world.advance(STEP_MS);
  }
  await chaos.end();
  const healedMs = await world.untilAgreed(60_000);
  const { leads, faults } = chaos;
  return { doubled, faults, leads, healedMs };
}

class Chaos {
  leads = 0;
  readonly faults = Object.fromEntries(FAULTS.map((fault) => [fault, 0])) as Record<Fault, number>;
  readonly #world: CandidateWorld;
  readonly #rateMax: number;
  readonly #loss: number;
  readonly #delayMs: number;
  /** Each run has another part of the faults: a bug that needs two shows when others are silent. */
  readonly #enabled: ReadonlySet<Fault>;
  /** Pairs between which nothing passes, in that direction. */
  readonly #cuts = new Set<string>();
  readonly #losses = new Map<string, number>();
  readonly #latenesses = new Map<string, number>();
  readonly #recorded: Flight[] = [];
  #isOver = false;

  constructor(world: CandidateWorld, rateMax: number) {
    this.#world = world;
    this.#rateMax = rateMax;
    this.#loss = this.#chance(0.5) ? 0 : this.#next() * 0.4;
    this.#delayMs = this.#chance(0.5) ? 5 : this.#next() * 400;
    this.#enabled = new Set(FAULTS.filter(() => this.#chance(0.6)));
    world.fate = (flight) => this.#fate(flight);
  }

  async start(id: number): Promise<void> {
    // What its former start said may be on its way; what this one says takes another.
    for (const to of this.#world.ids) this.#latenesses.delete(`${id}>${to}`);
    const rate = 1 + this.#next() * (this.#rateMax - 1);
    const process = await this.#world.start(id, {}, { rate });
    process.candidate?.on("leading", () => (this.leads += 1));
  }

  async change(): Promise<void> {
    const world = this.#world;
    for (const id of world.ids) {
      const process = world.process(id);
      const often = process.isLeading ? 0.02 : 0.005;
      if (process.isDead) {
        if (this.#chance(0.15)) await this.start(id);
      } else if (process.isPaused) {
        if (this.#chance(0.1)) world.resume(id);
      } else if (this.#takes("kill", often)) {
        world.kill(id);
        if (this.#chance(0.5)) await this.start(id);
      } else if (this.#takes("pause", often)) {
        process.pause();
      }
    }
    if (this.#takes("cut", 0.02)) this.#cut();
    if (this.#takes("betrayal", 0.03)) await this.#betray();
    if (this.#takes("lossyWay", 0.05)) this.#losses.set(this.#way(), 0.3 + this.#next() * 0.7);
    if (this.#takes("lateWay", 0.1)) this.#latenesses.set(this.#way(), 50 + this.#next() * 850);
    if (this.#takes("replay", 0.1)) this.#replay();
    if (!this.#chance(0.05)) return;
    for (const broken of [this.#cuts, this.#losses, this.#latenesses]) broken.clear();
  }

  atMoment(process: Process): void {
    if (process.isDead || process.isPaused) return;
    const probability = process.isLeading ? 0.002 : 0.0005;
    if (!this.#takes("momentPause", probability)) return;
    process.pause();
    const resume = (): void => {
      const { id } = process;
      if (this.#world.process(id) === process && process.isPaused) this.#world.resume(id);
    };
    this.#world.clock.setTimer(1 + this.#next() * 2500, resume);
  }

  async end(): Promise<void> {
    this.#isOver = true;
    this.#world.heal();
    for (const id of this.#world.ids) {
      const process = this.#world.process(id);
      if (process.isPaused) this.#world.resume(id);
      if (process.isDead) await this.start(id);
    }
  }

  /** Cuts a leader off, and restarts some of those that granted it the lead. */
  async #betray(): Promise<void> {
    const [leader] = this.#world.leaders();
    if (leader === undefined) return;
    const isAll = this.#chance(0.5);
    for (const other of this.#world.ids) {
      if (other === leader) continue;
      this.#cuts.add(`${leader}>${other}`);
      if (this.#chance(0.7)) this.#cuts.add(`${other}>${leader}`);
      const process = this.#world.process(other);
      if (process.isDead || process.isPaused || !(isAll || this.#chance(0.3))) continue;
      this.#world.kill(other);
      await this.start(other);
    }
  }

  /** A group, one node, or one direction of one pair. */
  #cut(): void {
    const { ids } = this.#world;
    const inside = ids.filter(() => this.#chance(0.5));
    const isOneWay = this.#chance(0.3);
    for (const from of ids) {
      for (const to of ids) {
        if (inside.includes(from) === inside.includes(to)) continue;
        if (isOneWay && inside.includes(to)) continue;
        this.#cuts.add(`${from}>${to}`);
      }
    }
  }

  /** Some of what was sent comes once more, in any order, over the next second. */
  #replay(): void {
    for (const flight of this.#recorded) {
      if (!this.#chance(0.2)) continue;
      this.#world.clock.setTimer(this.#next() * 1000, () => this.#world.arrive(flight));
    }
  }

  #way(): string {
    const { ids } = this.#world;
    const pick = (): number => ids[Math.floor(this.#next() * ids.length)] ?? 1;
    return `${pick()}>${pick()}`;
  }

  #fate(flight: Flight): number[] {
    const { from, to, datagram } = flight;
    this.#recorded.push(flight);
    if (this.#recorded.length > RECORDED_MAX) this.#recorded.shift();
    const way = `${from}>${to}`;
    const isGrant = "lease" in datagram && datagram.lease.act === "grant";
    if (isGrant && this.#takes("forgottenGrant", 0.01)) {
      if (this.#chance(0.5)) this.#latenesses.set(way, 50 + this.#next() * 850);
      this.#restartSoon(from);
    }
    const isLost = this.#chance(this.#loss) || this.#chance(this.#losses.get(way) ?? 0);
    if (this.#cuts.has(way) || isLost) return [];
    const lateMs = this.#latenesses.get(way) ?? 0;
    const copies = this.#chance(0.05) ? 2 : 1;
    return Array.from({ length: copies }, () =>
      // Now and then one is held up for longer than any lease.
      this.#chance(0.005) ? 500 + this.#next() * 4000 : lateMs + 0.2 + this.#next() * this.#delayMs,
    );
  }

  #restartSoon(id: number): void {
    const granted = this.#world.process(id);
    this.#world.clock.setTimer(0, () => {
      if (this.#isOver || granted.isDead || this.#world.process(id) !== granted) return;
      this.#world.kill(id);
      void this.start(id);
    });
  }

  #takes(fault: Fault, probability: number): boolean {
    if (this.#isOver || !this.#enabled.has(fault) || !this.#chance(probability)) return false;
    this.faults[fault] += 1;
    return true;
  }

  #chance(probability: number): boolean {
    return this.#next() < probability;
  }

  #next(): number {
    return this.#world.random.next();
  }
}
