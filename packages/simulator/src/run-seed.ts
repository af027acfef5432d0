import { toNodeId, type NodeId } from "@quorate/protocol";
import { checkHistory } from "./checkers/client-checker.js";
import type { Violation } from "./checkers/violations.js";
import type { TraceLine } from "./engine/trace.js";
import { RandomStream } from "./engine/random-stream.js";
import { Nemesis } from "./faults/nemesis.js";
import { drawSwarm, type SwarmOptions } from "./faults/swarm.js";
import { SimClient } from "./workload/client.js";
import { FeedWorkload } from "./workload/feed/feed-workload.js";
import { SessionWorkload } from "./workload/session/session-workload.js";
import { History, type HistoryItem } from "./workload/history.js";
import type { Composition } from "./world/simulated-server.js";
import { World } from "./world/world.js";

export interface RunOptions {
  readonly seed: number;
  readonly composition: Composition;
  /** Changes what the seed drew; for tests. */
  readonly swarm?: Partial<SwarmOptions>;
  readonly onLine?: (line: TraceLine) => void;
  /** Lines for single events, too. */
  readonly withEvents?: boolean;
  /** No faults at all; for tests. */
  readonly isCalm?: boolean;
}

export interface RunResult {
  readonly seed: number;
  readonly violation: Violation | null;
  readonly hash: string;
  readonly coverage: readonly (readonly [string, number])[];
  readonly virtualMs: number;
  readonly events: number;
  readonly operations: number;
  readonly leaderChanges: number;
  readonly faultKinds: number;
  /** Keys whose history was too hard to decide. */
  readonly undecided: number;
}

const EXTENSION_MS = 60_000;
const POLL_MS = 50;
/** For each of the last questions: a follower's timeout, an election and a sync fit into it. */
const INSIST_MS = 5000;

/** One whole run: faults and clients, then kindness, then the reckoning. Never throws for a bug. */
export async function runSeed(options: RunOptions): Promise<RunResult> {
  const swarm = { ...drawSwarm(new RandomStream(options.seed, "swarm")), ...options.swarm };
  const nodes = Array.from({ length: swarm.nodeCount }, (_, index) => toNodeId(index + 1));
  const isWatched = swarm.watcher !== "none" && options.composition.hasSessions;
  const watchers = isWatched ? [toNodeId(nodes.length + 1)] : [];
  const upstreams = swarm.watcher === "of a voter" ? nodes.slice(0, 1) : [];
  const world = new World(
    { seed: options.seed, nodes, watchers, upstreams, ...swarm },
    options.composition,
  );
  if (options.onLine !== undefined) world.scheduler.trace.watch(options.onLine);
  world.scheduler.trace.showEvents = options.withEvents === true;
  world.line(0, "swarm", describeSwarm(swarm));
  const run = new Run(world, swarm, options.isCalm === true);
  const onRejection = (reason: unknown): void => {
    const text = reason instanceof Error ? (reason.stack ?? reason.message) : String(reason);
    world.violations.report("unhandledRejection", text);
  };
  process.on("unhandledRejection", onRejection);
  try {
    await run.play();
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    world.violations.report("threw", text);
  } finally {
    process.removeListener("unhandledRejection", onRejection);
  }
  return run.result(options.seed);
}

class Run {
  readonly #world: World;
  readonly #swarm: SwarmOptions;
  readonly #history = new History();
  readonly #clients: SimClient[] = [];
  readonly #sessions: SessionWorkload;
  readonly #feed: FeedWorkload;
  readonly #nemesis: Nemesis;
  readonly #isCalm: boolean;
  #undecided = 0;

  constructor(world: World, swarm: SwarmOptions, isCalm: boolean) {
    this.#world = world;
    this.#swarm = swarm;
    this.#isCalm = isCalm;
    this.#nemesis = new Nemesis(world, swarm);
    const { sessionClients, safetyMs, livenessMsMax } = swarm;
    this.#sessions = new SessionWorkload(world, {
      clients: world.composition.hasSessions ? sessionClients : 0,
      safetyMs,
      livenessMsMax,
    });
    this.#feed = new FeedWorkload(world);
    for (let id = 1; id <= swarm.clients; id += 1) {
      const operations = Math.ceil(swarm.operations / swarm.clients);
      this.#clients.push(
        new SimClient(world, swarm, this.#history, { id, operations, deadlineMs: swarm.safetyMs }),
      );
    }
  }

  async play(): Promise<void> {
    const { scheduler } = this.#world;
    let isFinished = false;
    scheduler.after(0, "script", () => {
      for (const node of this.#world.servers) node.start();
      this.#world.watchLeases();
      this.#script().then(
        () => {
          isFinished = true;
          scheduler.stop();
        },
        (error: unknown) => {
          this.#world.violations.report("script", String(error));
        },
      );
    });
    const { safetyMs, livenessMsMax } = this.#swarm;
    await scheduler.run(safetyMs + EXTENSION_MS + livenessMsMax * 4);
    if (this.#isViolated()) return;
    this.#expect(isFinished, "the run did not come to its end");
    const { undecided } = checkHistory(this.#history, this.#world.commits, this.#world.violations);
    this.#undecided = undecided;
  }

  result(seed: number): RunResult {
    const { scheduler, coverage, commits, violations } = this.#world;
    return {
      seed,
      violation: violations.found[0] ?? null,
      hash: scheduler.trace.hash(),
      coverage: [...coverage.counts].sort((a, b) => (a[0] < b[0] ? -1 : 1)),
      virtualMs: scheduler.nowMs,
      events: scheduler.executed,
      operations: this.#history.count("ok") + this.#history.count("unknown"),
      leaderChanges: Math.max(0, commits.leaderCount - 1),
      faultKinds: coverage.faultKinds(),
      undecided: this.#undecided,
    };
  }

  async #script(): Promise<void> {
    const { scheduler } = this.#world;
    if (!this.#isCalm) this.#nemesis.start();
    const clients = this.#clients.map((client) => client.run());
    this.#sessions.start(!this.#isCalm);
    this.#feed.start();
    await scheduler.sleep(this.#swarm.safetyMs);
    if (!this.#isCalm) await this.#extend();
    this.#nemesis.stop();
    this.#world.line(0, "phase", "liveness");
    for (const client of this.#clients) client.isHurried = true;
    await this.#converge("after the faults");
    await this.#withinBound(Promise.all(clients), "the clients did not come to their end");
    await this.#sessions.finish();
    await this.#feed.finish(this.#swarm.livenessMsMax);
    await this.#lastQuestions();
    await this.#converge("at the end");
    this.#expect(this.#history.count("open") === 0, "requests are still open");
    if (!this.#isCalm) {
      this.#expect(!this.#nemesis.owesLeaderChanges, "too few leader changes");
    }
  }

  /** A run owes its leader changes; unlucky partitions may have eaten them. */
  async #extend(): Promise<void> {
    const { scheduler } = this.#world;
    const untilMs = scheduler.nowMs + EXTENSION_MS;
    while (this.#nemesis.owesLeaderChanges && scheduler.nowMs < untilMs) {
      this.#nemesis.depose();
      await scheduler.sleep(6000);
    }
  }

  /** Every node answers a write and a linearizable read. */
  async #lastQuestions(): Promise<void> {
    const client = new SimClient(this.#world, this.#swarm, this.#history, {
      id: 0,
      operations: 0,
      deadlineMs: 0,
    });
    for (const { id } of this.#world.servers) {
      await this.#insist(id, () =>
        client.ask(id, "/k0", { type: "set", value: client.value(), version: -1 }),
      );
      await this.#insist(id, () => client.ask(id, "/k0", { type: "get", isLinearizable: true }));
    }
  }

  /**
   * Asks again, as a client would, after an answer that says nothing of the ensemble's health: a
   * pipe that was half-open until the faults ended is reset then, perhaps under a request, whose
   * outcome is honestly unknown. No longer than a follower needs to find its leader.
   */
  async #insist(id: NodeId, ask: () => Promise<HistoryItem>): Promise<void> {
    const { scheduler } = this.#world;
    const untilMs = scheduler.nowMs + INSIST_MS;
    for (;;) {
      const { outcome, error } = await ask();
      if (outcome === "ok" || this.#isViolated()) return;
      if (scheduler.nowMs > untilMs) {
        this.#world.violations.report("liveness", `n${id} does not answer: ${error}`);
        return;
      }
      await scheduler.sleep(POLL_MS);
    }
  }

  async #converge(when: string): Promise<void> {
    const { scheduler } = this.#world;
    const untilMs = scheduler.nowMs + this.#swarm.livenessMsMax;
    for (;;) {
      const missing = this.#world.missingForConvergence();
      // Agreement under load may hold for a moment only: any moment will do.
      if (missing === null) return;
      if (scheduler.nowMs > untilMs) {
        this.#world.violations.report("liveness", `${missing} ${when}, after all faults ended`);
        return;
      }
      await scheduler.sleep(POLL_MS);
    }
  }

  async #withinBound(work: Promise<unknown>, text: string): Promise<void> {
    let isDone = false;
    const ended = work.then(() => {
      isDone = true;
    });
    const bound = this.#world.scheduler.sleep(this.#swarm.livenessMsMax);
    await Promise.race([ended, bound]);
    this.#expect(isDone, text);
  }

  #isViolated(): boolean {
    return this.#world.violations.found.length > 0;
  }

  #expect(condition: boolean, text: string): void {
    this.#world.violations.expect(condition, "liveness", () => text);
  }
}

function describeSwarm(swarm: SwarmOptions): string {
  const { enabled, ...rest } = swarm;
  return `${JSON.stringify(rest)} faults: ${[...enabled].join(", ")}`;
}
