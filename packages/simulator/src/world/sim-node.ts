import { QuorateError, type Logger, type Meter, type NodeId } from "@quorate/protocol";
import { openMemoryStore } from "@quorate/testkit";
import { endOfLog } from "../checkers/disk-checker.js";
import type { HostEnd, NodeHost } from "../engine/node-host.js";
import type { RandomStream } from "../engine/random-stream.js";
import type { SimulatedServer, SimulatedStatus } from "./simulated-server.js";
import { textOf } from "./text-of.js";
import { watchMachine } from "./watched-machine.js";
import { SimDisk, WatchedStore, type PersistTrap } from "./watched-store.js";
import type { World } from "./world.js";

const FSYNC_MS = [0.3, 2] as const;
/** So that a state comes in parts. */
const ROW_BYTES_PER_READ = 512;

/** One machine of the world with the process on it: starts, dies, and is started again. */
export class SimNode {
  readonly id: NodeId;
  readonly host: NodeHost;
  readonly disk: SimDisk;
  readonly #world: World;
  readonly #random: RandomStream;
  #server: SimulatedServer | null = null;
  #store: WatchedStore | null = null;
  #trap: PersistTrap | null = null;
  #isHeldDown = false;
  /** F31: added to each fsync, up to this. */
  extraFsyncMs = 0;
  /** F31, with an aim: each takes just this long. */
  fsyncMs: number | null = null;

  constructor(world: World, host: NodeHost, random: RandomStream) {
    this.id = host.id;
    this.host = host;
    this.#world = world;
    this.#random = random.split("disk");
    this.disk = new SimDisk((image) => {
      const before = world.disks.image(this.id);
      if (before !== null && endOfLog(image.log).txnid > 0n) {
        if (image.log.start.txnid > before.log.start.txnid && image.log.from === 0) {
          world.coverage.event("compaction");
        }
      }
      world.disks.committed(this.id, image);
    });
    host.onEnd((incarnation, how) => this.#onEnd(incarnation, how));
  }

  get server(): SimulatedServer | null {
    return this.host.isAlive ? this.#server : null;
  }

  status(): SimulatedStatus | null {
    return this.server?.status() ?? null;
  }

  start(): void {
    if (this.host.isAlive || this.#isHeldDown) return;
    const world = this.#world;
    const { composition, options, timings } = world;
    const incarnation = this.host.boot();
    world.line(this.id, "start", `incarnation ${incarnation}`);
    const clock = this.host.clock.port();
    const random = this.#random.split(`incarnation ${incarnation}`);
    const isCurrent = (): boolean => this.host.isCurrent(incarnation);
    this.host.guard(() => {
      const server = composition.startServer(
        {
          nodeId: this.id,
          role: options.watchers.includes(this.id) ? "watcher" : "voter",
          upstreams: options.upstreams,
          voters: options.nodes,
          cluster: "sim",
          timings,
          checkpointBytes: options.checkpointBytes,
        },
        {
          clock,
          random,
          logger: this.#logger({}, isCurrent),
          meter: this.#meter(isCurrent),
          messenger: world.datagrams.messenger(this.host),
          listener: world.pipes.listener(this.host),
          connector: world.pipes.connector(this.host),
          openStore: () => this.#openStore(incarnation),
          createStateMachine: () =>
            watchMachine(
              composition.application.createStateMachine(),
              this.id,
              { checker: world.applies, purges: world.service.purges },
              isCurrent,
            ),
          chainHash: composition.chainHash,
        },
      );
      this.#server = server;
      const ended = (text: string): void => {
        if (!isCurrent()) return;
        world.line(this.id, "exit", text);
        this.host.end("exited");
      };
      server.done.then(ended, (error: unknown) => {
        if (isCurrent()) this.host.fail(error);
      });
    });
  }

  /** Stops the process; with `hold`, until {@link release} nobody starts it again. */
  kill(how: HostEnd, hold = false): void {
    this.#isHeldDown = this.#isHeldDown || hold;
    this.host.end(how);
  }

  release(): void {
    this.#isHeldDown = false;
    this.start();
  }

  /** F16: dies around the next write of this kind. */
  setTrap(trap: PersistTrap | null): void {
    this.#trap = trap;
    if (this.#store !== null) this.#store.trap = trap;
  }

  heal(): void {
    this.setTrap(null);
    this.extraFsyncMs = 0;
    this.fsyncMs = null;
    this.disk.takeFailure();
    this.host.killAtPortCall(Number.POSITIVE_INFINITY);
    this.host.clock.set({ rate: 1, wallOffsetMs: 0, timerLateMs: 0 });
    this.host.resume();
    this.release();
  }

  async #openStore(incarnation: number): Promise<WatchedStore> {
    const splits = this.#random.split(`splits ${incarnation} ${this.disk.commitCount}`);
    const inner = await openMemoryStore(this.disk, {
      clock: this.host.clock.port(),
      random: this.#random.split(`store ${incarnation} ${this.disk.commitCount}`),
      chainHash: this.#world.composition.chainHash,
      latencyMs: () =>
        this.fsyncMs ?? this.#random.between(...FSYNC_MS) + this.#random.next() * this.extraFsyncMs,
      // Most turns become one transaction, some do not; none where a trap lies between two writes.
      takeWrites: (waiting) => {
        if (this.#trap?.when === "between") return 1;
        return splits.chance(0.3) ? 1 + splits.below(waiting) : waiting;
      },
      readLatencyMs: () => this.#random.next(),
      rowBytesPerRead: ROW_BYTES_PER_READ,
      retainedTailBytes: this.#world.options.retainedTailBytes,
      diskTimeoutMs: this.#world.timings.diskTimeoutMs,
    });
    const store = new WatchedStore(inner, this.host, {
      onTrap: ({ kind, when, ...rest }) => {
        this.#trap = null;
        this.#world.coverage.fault("F16 kill around persist");
        this.#world.line(
          this.id,
          "fault",
          `kill ${when} ${"last" in rest ? `${rest.last} and ` : ""}${kind} is durable`,
        );
      },
    });
    store.trap = this.#trap;
    this.#store = store;
    const { recovered } = store;
    this.#world.line(
      this.id,
      "recovered",
      textOf({
        accepted: recovered.acceptedEpoch.epoch,
        current: recovered.currentEpoch,
        last: recovered.lastLogged.txnid,
        damage: recovered.damage,
      }),
    );
    return store;
  }

  #onEnd(incarnation: number, how: HostEnd): void {
    const world = this.#world;
    world.line(this.id, "end", `${how} in incarnation ${incarnation}`);
    this.#countCrash();
    this.#server = null;
    this.#store = null;
    const before = this.disk.image;
    this.disk.crash();
    if (this.disk.image !== before) world.coverage.fault("F24 torn write");
    const delayMs = this.#random.between(50, 1500);
    world.scheduler.after(delayMs, `supervise n${this.id}`, () => {
      if (this.host.incarnation === incarnation) this.start();
    });
  }

  #countCrash(): void {
    const store = this.#store;
    if (store === null) return;
    const next = store.openKinds[0];
    if (next === undefined) return;
    this.#world.coverage.fault("F23 lost unsynced write");
    if (store.lastKind !== null) this.#world.coverage.crash(store.lastKind, next);
  }

  #meter(isCurrent: () => boolean): Meter {
    const { bounds, service, scheduler } = this.#world;
    const meter = bounds.meter(this.id);
    return {
      ...meter,
      count: (name, by) => {
        if (name === "sessions_expired" && isCurrent()) {
          service.expiry.decided(this.id, scheduler.nowMs);
        }
        meter.count(name, by);
      },
    };
  }

  #logger(bindings: Readonly<Record<string, unknown>>, isCurrent: () => boolean): Logger {
    const write =
      (level: string) =>
      (message: string, data?: Readonly<Record<string, unknown>>, error?: unknown): void => {
        if (!isCurrent()) return;
        const all: Record<string, unknown> = {
          ...bindings,
          ...data,
          ...(error === undefined ? {} : { error }),
        };
        const text = `${message} ${textOf(all)}`;
        if (all["end"] === "abdicated") this.#world.coverage.event("abdicate");
        if (all["end"] === "superseded") this.#world.coverage.event("superseded");
        if (all["reason"] === "the client has seen more than this node") {
          this.#world.coverage.event("server behind its client");
        }
        // Otherwise a full disk says nothing of bytes.
        const isTooLong = error instanceof QuorateError && "bytesMax" in error.details;
        if (isTooLong && level === "error") this.#world.coverage.event("log too long");
        this.#world.line(this.id, level, text);
      };
    return {
      error: write("error"),
      warn: write("warn"),
      info: write("info"),
      debug: () => undefined,
      child: (more) => this.#logger({ ...bindings, ...more }, isCurrent),
    };
  }
}
