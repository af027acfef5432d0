import type { ElectionTimings } from "../../src/index.js";
import { CandidateWorld, type Flight } from "./candidate-world.js";

/** True ms between two changes of the world. */
const STEP_MS = 100;

export interface ChaosOptions {
  readonly seed: number;
  readonly members: number;
  readonly ms: number;
  readonly timings?: Partial<ElectionTimings>;
  /** Clocks run at rates between 1 and this. */
  readonly rateMax?: number;
}

export interface ChaosReport {
  /** Two that believed to lead at one moment, if ever. */
  readonly doubled: string | null;
  readonly leads: number;
  readonly kills: number;
  readonly pauses: number;
  /** From the end of all faults to an agreed leader. */
  readonly healedMs: number;
}

/** Anything may go wrong for a time, then nothing more does. One seed decides all of it. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { seed, members, ms, timings = {}, rateMax = 1.4 } = options;
  const world = new CandidateWorld({ members, seed, timings });
  const chaos = new Chaos(world, rateMax);
  let doubled: string | null = null;
  world.onMoment = () => {
    const leaders = world.leaders();
    if (leaders.length > 1) doubled ??= `${world.clock.now()} ms: ${leaders.join()}`;
  };
  for (const id of world.ids) await chaos.start(id);
  for (let passed = 0; passed < ms; passed += STEP_MS) {
    await chaos.change();
    await world.advance(STEP_MS);
  }
  await chaos.end();
  const healedMs = await world.untilAgreed(60_000);
  const { leads, kills, pauses } = chaos;
  return { doubled, leads, kills, pauses, healedMs };
}

class Chaos {
  leads = 0;
  kills = 0;
  pauses = 0;
  readonly #world: CandidateWorld;
  readonly #rates: ReadonlyMap<number, number>;
  readonly #loss: number;
  readonly #delayMs: number;
  /** Pairs between which nothing passes, in that direction. */
  readonly #cuts = new Set<string>();

  constructor(world: CandidateWorld, rateMax: number) {
    this.#world = world;
    this.#rates = new Map(world.ids.map((id) => [id, 1 + this.#next() * (rateMax - 1)]));
    this.#loss = this.#chance(0.5) ? 0 : this.#next() * 0.4;
    this.#delayMs = this.#chance(0.5) ? 5 : this.#next() * 400;
    world.fate = (flight) => this.#fate(flight);
  }

  async start(id: number): Promise<void> {
    const rate = this.#rates.get(id) ?? 1;
    const process = await this.#world.start(id, {}, { rate });
    process.candidate?.on("leading", () => (this.leads += 1));
  }

  async change(): Promise<void> {
    const world = this.#world;
    for (const id of world.ids) {
      const process = world.process(id);
      if (process.isDead) {
        if (this.#chance(0.15)) await this.start(id);
      } else if (process.isPaused) {
        if (this.#chance(0.1)) world.resume(id);
      } else if (this.#chance(process.isLeading ? 0.02 : 0.005)) {
        this.kills += 1;
        world.kill(id);
        if (this.#chance(0.5)) await this.start(id);
      } else if (this.#chance(process.isLeading ? 0.02 : 0.005)) {
        this.pauses += 1;
        process.pause();
      }
    }
    if (this.#chance(0.02)) this.#cut();
    if (this.#chance(0.03)) await this.#betray();
    if (this.#chance(0.05)) this.#cuts.clear();
  }

  async end(): Promise<void> {
    this.#cuts.clear();
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
      this.kills += 1;
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

  #fate({ from, to }: Flight): number[] {
    if (this.#cuts.has(`${from}>${to}`) || this.#chance(this.#loss)) return [];
    const copies = this.#chance(0.05) ? 2 : 1;
    return Array.from({ length: copies }, () =>
      // Now and then one is held up for longer than any lease.
      this.#chance(0.005) ? 500 + this.#next() * 4000 : 0.2 + this.#next() * this.#delayMs,
    );
  }

  #chance(probability: number): boolean {
    return this.#next() < probability;
  }

  #next(): number {
    return this.#world.random.next();
  }
}
