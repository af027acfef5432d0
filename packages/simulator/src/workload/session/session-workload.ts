import { CreateMode } from "@quorate/znode";
import { SESSION_PREFIX } from "../../checkers/service/service-model.js";
import type { RandomStream } from "../../engine/random-stream.js";
import type { World } from "../../world/world.js";
import { drawBurst } from "./draw-request.js";
import { SessionClient } from "./session-client.js";

export interface SessionWorkloadOptions {
  readonly clients: number;
  readonly safetyMs: number;
  readonly livenessMsMax: number;
}

/** One of each for the first clients; the shortest lies within a leader's lease. */
const TIMEOUTS_MS = [400, 1000, 2000, 4000, 4000, 10_000] as const;
/** In this share of runs clients that come anew ask for another of these, some of the time. */
const CHANGED_TIMEOUTS_SHARE = 0.15;
/** Bursts of one client in a run. */
const BURSTS = 45;
const OUTSTANDING_MAX = 12;
/** Around the moment at which a leader's patience ends, and beyond it. */
const RACE_MS = [-300, 1500] as const;
const POLL_MS = 100;

/** Session clients, what they ask, and what befalls each of them alone. */
export class SessionWorkload {
  readonly clients: readonly SessionClient[];
  readonly #world: World;
  readonly #random: RandomStream;
  readonly #options: SessionWorkloadOptions;
  #isOver = false;

  constructor(world: World, options: SessionWorkloadOptions) {
    this.#world = world;
    this.#options = options;
    this.#random = world.random.split("session workload");
    const isChanging = world.random.split("changed timeouts").chance(CHANGED_TIMEOUTS_SHARE);
    const otherTimeoutsMs = isChanging ? TIMEOUTS_MS : [];
    this.clients = Array.from({ length: options.clients }, (_, index) => {
      const timeoutMs = TIMEOUTS_MS[index] ?? this.#random.pick(TIMEOUTS_MS);
      return new SessionClient(world, { id: index + 1, timeoutMs, otherTimeoutsMs });
    });
    world.service.clients = this.clients;
  }

  start(withMisfortunes: boolean): void {
    for (const client of this.clients) {
      client.start();
      this.#next(client, withMisfortunes);
    }
  }

  /** All find a server again, then half of them close their sessions and the rest are silent. */
  async finish(): Promise<void> {
    this.#isOver = true;
    await this.#until(
      () => this.clients.every(({ isConnected }) => isConnected),
      () => {
        const lost = this.clients.filter(({ isConnected }) => !isConnected);
        return `${lost.map(({ id }) => `s${id}`).join(" ")} found no server`;
      },
    );
    for (const client of this.clients) client.ask({ kind: "sync" });
    for (const client of this.clients) {
      for (const kind of ["get", "children"] as const) {
        client.ask({ kind, path: `${SESSION_PREFIX}0`, watch: false });
      }
      client.finish(client.id % 2 === 0 ? "close" : "vanish");
    }
    const { model } = this.#world.service;
    await this.#until(
      () => model.openSessions.length === 0,
      () => {
        return `${model.openSessions.length} sessions without clients do not end`;
      },
    );
    this.#world.violations.expect(
      model.ephemeralCount === 0,
      "ephemeralHasSession",
      () => `${model.ephemeralCount} ephemerals are left without any session`,
    );
  }

  #next(client: SessionClient, withMisfortunes: boolean): void {
    const meanMs = this.#options.safetyMs / BURSTS;
    const delayMs = this.#random.between(0.1, 1.9) * meanMs;
    this.#world.scheduler.after(delayMs, "session client", () => {
      if (this.#isOver) return;
      const dice = this.#random.next();
      // A move would be a write, too.
      if (this.#world.pace !== "quiet") this.#act(client, withMisfortunes ? dice : 1);
      this.#next(client, withMisfortunes);
    });
  }

  #act(client: SessionClient, dice: number): void {
    if (dice > 0.12) this.#ask(client);
    else if (dice > 0.02) this.#befall(client);
    else client.ask({ kind: "closeSession" });
  }

  #ask(client: SessionClient): void {
    if (client.outstanding > OUTSTANDING_MAX) return;
    const { numbered } = client;
    const value = (): string => client.value();
    for (const asked of drawBurst({ random: this.#random, numbered, value })) client.ask(asked);
  }

  /** What the world does to a client alone: its process, its network, or its own will. */
  #befall(client: SessionClient): void {
    const { timeoutMs } = client;
    const raceMs = Math.max(50, timeoutMs + this.#random.between(...RACE_MS));
    const dice = this.#random.next();
    if (dice < 0.4) client.freeze(raceMs);
    else if (dice < 0.7) client.cut(raceMs);
    else client.move();
  }

  async #until(isDone: () => boolean, missing: () => string): Promise<void> {
    const { scheduler, violations } = this.#world;
    const untilMs = scheduler.nowMs + this.#options.livenessMsMax;
    while (!isDone()) {
      if (violations.found.length > 0) return;
      if (scheduler.nowMs > untilMs) {
        violations.report("liveness", `${missing()}, after all faults ended`);
        return;
      }
      await scheduler.sleep(POLL_MS);
    }
  }
}

/** Many ephemerals of one client, as one write each; for directed faults. */
export function makeEphemerals(client: SessionClient, count: number): void {
  const path = `${SESSION_PREFIX}0`;
  const { persistent, ephemeralSequential } = CreateMode;
  client.ask({ kind: "create", path, value: client.value(), mode: persistent });
  for (let i = 0; i < count; i += 1) {
    const value = client.value();
    client.ask({ kind: "create", path: `${path}/n-`, value, mode: ephemeralSequential });
  }
}
