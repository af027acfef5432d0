import { errorCodeOf, type ErrorCode, type NodeId } from "@quorate/protocol";
import type { SwarmOptions } from "../faults/swarm.js";
import type { RandomStream } from "../engine/random-stream.js";
import type { World } from "../world/world.js";
import type { Answer, History, HistoryItem, Operation } from "./history.js";
import { valueOf } from "./values.js";

const ANSWER_TIMEOUT_MS = 4000;
const LATENCY_MS = [0.1, 0.8] as const;
const BUSY_THINK_MS = [10, 100] as const;
const QUIET_THINK_MS = [4000, 8000] as const;
const RETRY_MS = [20, 200] as const;
/** Nobody else is refused more often than this for one operation's sake. */
const ATTEMPTS_MAX = 100_000;

/** Refusals that say: nothing was done. */
const WITHOUT_EFFECT: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "ERR_SERVER_NOT_READY",
  "ERR_SERVER_NOT_LEADING",
  "ERR_SERVER_BUSY",
  "ERR_ARG_PATH",
  "ERR_ARG_TOO_LARGE",
  "ERR_ARG_VALUE",
]);

const REFUSALS: Readonly<Partial<Record<ErrorCode, Answer>>> = {
  ERR_ZNODE_NO_NODE: { result: "noNode" },
  ERR_ZNODE_NODE_EXISTS: { result: "nodeExists" },
  ERR_ZNODE_BAD_VERSION: { result: "badVersion" },
};

export interface ClientOptions {
  readonly id: number;
  readonly operations: number;
  readonly deadlineMs: number;
}

/** Asks one thing at a time, of a node that it changes now and then; writes down what it saw. */
export class SimClient {
  readonly #world: World;
  readonly #swarm: SwarmOptions;
  readonly #history: History;
  readonly #random: RandomStream;
  readonly #options: ClientOptions;
  readonly #versions = new Map<string, number>();
  /**
   * The process that is known to have applied all that this client has seen. Any other is asked
   * for linearizable reads until it is, as the shipped client does (Invariant 8).
   */
  #caughtUp = "";
  #node: NodeId;
  #left: number;
  #values = 0;
  isHurried = false;

  constructor(world: World, swarm: SwarmOptions, history: History, options: ClientOptions) {
    this.#world = world;
    this.#swarm = swarm;
    this.#history = history;
    this.#options = options;
    this.#random = world.random.split(`client ${options.id}`);
    this.#node = this.#random.pick(world.options.nodes);
    this.#left = options.operations;
  }

  get left(): number {
    return this.#left;
  }

  /** Resolves when all operations have ended. */
  async run(): Promise<void> {
    for (let i = 0; i < ATTEMPTS_MAX && this.#left > 0; i += 1) {
      await this.#world.scheduler.sleep(this.#thinkMs());
      if (this.#random.chance(0.08)) this.#node = this.#random.pick(this.#world.options.nodes);
      const item = await this.#ask(`/k${this.#random.below(this.#swarm.keys)}`, this.#draw());
      if (item.outcome === "fail") {
        this.#node = this.#random.pick(this.#world.options.nodes);
        await this.#world.scheduler.sleep(this.#random.between(...RETRY_MS));
        continue;
      }
      this.#left -= 1;
    }
  }

  /** One operation at one node; for the last questions of a run. */
  ask(node: NodeId, key: string, operation: Operation): Promise<HistoryItem> {
    this.#node = node;
    return this.#ask(key, operation);
  }

  value(): string {
    this.#values += 1;
    const drawn = this.#random.below(this.#swarm.valueBytesMax);
    return valueOf(`${this.#options.id}.${this.#values}.`, this.#world.valueBytes ?? drawn);
  }

  #thinkMs(): number {
    if (this.isHurried) return this.#random.between(0.1, 2);
    if (this.#world.pace === "busy") return this.#random.between(...BUSY_THINK_MS);
    if (this.#world.pace === "quiet") return this.#random.between(...QUIET_THINK_MS);
    const leftMs = Math.max(0, this.#options.deadlineMs - this.#world.scheduler.nowMs);
    return (this.#random.next() * 2 * leftMs) / (this.#left + 1);
  }

  #draw(): Operation {
    const dice = this.#random.next();
    if (dice < 0.25) return { type: "get", isLinearizable: true };
    if (dice < 0.4) return { type: "get", isLinearizable: false };
    if (dice < 0.6) return { type: "create", value: this.value() };
    if (dice < 0.7) return { type: "delete", version: -1 };
    return { type: "set", value: this.value(), version: -1 };
  }

  #withVersion(key: string, operation: Operation): Operation {
    const version = this.#versions.get(key);
    const isPlain = operation.type !== "set" && operation.type !== "delete";
    if (isPlain || version === undefined || !this.#random.chance(0.3)) return operation;
    return { ...operation, version };
  }

  #withPlace(place: string, operation: Operation): Operation {
    const mayLag = operation.type === "get" && place !== this.#caughtUp;
    return mayLag ? { ...operation, isLinearizable: true } : operation;
  }

  #ask(key: string, drawn: Operation): Promise<HistoryItem> {
    const { scheduler } = this.#world;
    const { host } = this.#world.node(this.#node);
    const { incarnation } = host;
    const place = `${host.id}/${incarnation}`;
    const operation = this.#withPlace(place, this.#withVersion(key, drawn));
    const item = this.#history.invoke(
      { client: this.#options.id, node: host.id, incarnation, key, operation },
      scheduler.nowMs,
    );
    return new Promise((resolve) => {
      const end = (result: Parameters<History["end"]>[2]): void => {
        if (item.outcome !== "open") return;
        this.#history.end(item, scheduler.nowMs, result);
        if (item.answer !== null && (operation.type !== "get" || operation.isLinearizable)) {
          this.#caughtUp = place;
        }
        if (item.answer !== null && "version" in item.answer) {
          this.#versions.set(key, item.answer.version);
        }
        resolve(item);
      };
      const answered = (result: Parameters<History["end"]>[2]): void => {
        scheduler.after(this.#random.between(...LATENCY_MS), "answer", () => end(result));
      };
      const isRead = operation.type === "get";
      const lost = (error: string): void => end({ outcome: isRead ? "fail" : "unknown", error });
      if (!host.isAlive) {
        answered({ outcome: "fail", error: "refused" });
        return;
      }
      scheduler.after(ANSWER_TIMEOUT_MS, "client timeout", () => lost("timeout"));
      scheduler.after(this.#random.between(...LATENCY_MS), "request", () => {
        if (!host.isCurrent(incarnation)) {
          answered({ outcome: "fail", error: "refused" });
          return;
        }
        host.enter(incarnation, () => this.#submit(item, answered));
      });
    });
  }

  #submit(item: HistoryItem, answered: (result: Parameters<History["end"]>[2]) => void): void {
    const { application } = this.#world.composition;
    const { host, server } = this.#world.node(item.node);
    if (server === null) return;
    const { operation, key, incarnation } = item;
    const { op, content } = application.encode(operation);
    const done = (bytes: Uint8Array, txnid = 0n): void => {
      if (!host.isCurrent(incarnation)) return;
      const answer = application.decode(
        operation,
        bytes,
        txnid as Parameters<typeof application.decode>[2],
      );
      answered({ outcome: "ok", answer });
    };
    const refused = (error: unknown): void => {
      if (host.isCurrent(incarnation)) answered(outcomeOf(operation, error));
    };
    if (operation.type === "get") {
      server
        .read(op, key, content, { linearizable: operation.isLinearizable })
        .then((bytes) => done(bytes), refused);
      return;
    }
    server
      .submit(op, key, content)
      .then(({ txnid, content: bytes }) => done(bytes, txnid), refused);
  }
}

function outcomeOf(operation: Operation, error: unknown): Parameters<History["end"]>[2] {
  const code = errorCodeOf(error);
  // Anything without a code is a defect of the server: it must not pass for weather.
  if (code === undefined) throw error;
  const answer = REFUSALS[code];
  if (answer !== undefined) return { outcome: "ok", answer };
  const isHarmless = operation.type === "get" || WITHOUT_EFFECT.has(code);
  return { outcome: isHarmless ? "fail" : "unknown", error: code };
}
