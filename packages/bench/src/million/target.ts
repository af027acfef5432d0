import { execFileSync } from "node:child_process";
import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { ProcessEnsemble, ZookeeperEnsemble } from "@quorate/testkit/processes";

/** Times since 1970, ms. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

/** An ensemble of three that is measured through ZooKeeper's protocol. */
export interface Target extends AsyncDisposable {
  readonly ids: readonly number[];
  serverOf(id: number): string;
  start(...ids: readonly number[]): void;
  untilReady(): Promise<void>;
  leader(): Promise<number>;
  pidOf(id: number): number;
  /** As a crash; waits until it has ended. */
  kill(...ids: readonly number[]): Promise<void>;
  /** What a server has written is gone; who it is, is known as before. */
  wipe(id: number): void;
  /** Bytes that the collector finds alive; null where nobody tells. */
  liveBytes(id: number): number | null;
  /** Of all servers, as far as they ended at that time or later. */
  checkpoints(since: number): readonly Window[];
  logs(): string;
}

export const targetNames = ["quorate", "zookeeper"] as const;
export type TargetName = (typeof targetNames)[number];

export interface TargetOptions {
  /** Runs `quorate`. */
  readonly command: readonly string[];
  /** Everything is written below it. */
  readonly directory: string;
  /** Of ZooKeeper's Java. */
  readonly heapMiB: number;
  /** Transactions between two snapshots of ZooKeeper's, at most. */
  readonly snapCount: number;
}

export function createTarget(name: TargetName, options: TargetOptions): Promise<Target> {
  return name === "quorate" ? QuorateTarget.create(options) : ZookeeperTarget.create(options);
}

const READY_MS = 120_000;
const LOG_LINES = 40;

class QuorateTarget implements Target {
  readonly #ensemble: ProcessEnsemble;

  private constructor(ensemble: ProcessEnsemble) {
    this.#ensemble = ensemble;
  }

  static async create({ command, directory }: TargetOptions): Promise<QuorateTarget> {
    const config = { log: { level: "info", format: "json" }, zookeeper: { maxClientCnxns: 0 } };
    return new QuorateTarget(await ProcessEnsemble.create({ command, directory, config }));
  }

  get ids(): readonly number[] {
    return this.#ensemble.ids;
  }

  serverOf(id: number): string {
    return this.#ensemble.serverOf(id);
  }

  start(...ids: readonly number[]): void {
    this.#ensemble.start(...ids);
  }

  async untilReady(): Promise<void> {
    await this.#ensemble.untilReady(this.ids, READY_MS);
  }

  leader(): Promise<number> {
    return this.#ensemble.untilReady(this.ids, READY_MS);
  }

  pidOf(id: number): number {
    return this.#ensemble.process(id).pid;
  }

  async kill(...ids: readonly number[]): Promise<void> {
    await this.#ensemble.kill("SIGKILL", ...ids);
  }

  wipe(id: number): void {
    this.#ensemble.wipe(id);
  }

  liveBytes(): null {
    return null;
  }

  checkpoints(since: number): readonly Window[] {
    return this.ids
      .flatMap((id) => checkpointsIn(this.#ensemble.process(id).log))
      .filter(({ to }) => to >= since);
  }

  logs(): string {
    return this.#ensemble.logs(LOG_LINES);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#ensemble[Symbol.asyncDispose]();
  }
}

/** What a server's log says of the checkpoints that it wrote. */
export function checkpointsIn(log: string): readonly Window[] {
  return log.split("\n").flatMap((line) => {
    // The first line of what is kept of a log may be half of one.
    if (!line.startsWith("{") || !line.includes('"checkpoint written"')) return [];
    const { time, ms } = JSON.parse(line) as { readonly time: string; readonly ms: number };
    const to = Date.parse(time);
    return [{ from: to - ms, to }];
  });
}

class ZookeeperTarget implements Target {
  readonly #ensemble: ZookeeperEnsemble;

  private constructor(ensemble: ZookeeperEnsemble) {
    this.#ensemble = ensemble;
  }

  static async create({ directory, heapMiB, snapCount }: TargetOptions): Promise<ZookeeperTarget> {
    const ensemble = await ZookeeperEnsemble.create({
      directory,
      // As its own example of a configuration, and as its start script runs it.
      config: { tickTime: 2000, initLimit: 10, syncLimit: 5 },
      properties: { "zookeeper.snapCount": snapCount },
      javaFlags: [`-Xmx${heapMiB}m`],
    });
    return new ZookeeperTarget(ensemble);
  }

  get ids(): readonly number[] {
    return this.#ensemble.ids;
  }

  serverOf(id: number): string {
    const server = this.#ensemble.servers[this.ids.indexOf(id)];
    if (server === undefined) throw new Error(`there is no node ${id}`);
    return server;
  }

  start(...ids: readonly number[]): void {
    this.#ensemble.start(...ids);
  }

  untilReady(): Promise<void> {
    return this.#ensemble.untilReady(this.ids, READY_MS);
  }

  async leader(): Promise<number> {
    await this.untilReady();
    const leader = await this.#ensemble.leader();
    if (leader === null) throw new Error(`nobody leads\n${this.logs()}`);
    return leader;
  }

  pidOf(id: number): number {
    return this.#ensemble.process(id).pid;
  }

  async kill(...ids: readonly number[]): Promise<void> {
    await this.#ensemble.kill("SIGKILL", ...ids);
  }

  wipe(id: number): void {
    rmSync(this.#written(id), { recursive: true, force: true });
  }

  liveBytes(id: number): number | null {
    // Counts what is alive, hence collects first.
    const histogram = execFileSync("jcmd", [String(this.pidOf(id)), "GC.class_histogram"], {
      encoding: "utf8",
      maxBuffer: 64 * 1024 * 1024,
    });
    const total = /^Total\s+\d+\s+(\d+)/m.exec(histogram)?.[1];
    return total === undefined ? null : Number(total);
  }

  checkpoints(since: number): readonly Window[] {
    return this.ids.flatMap((id) => snapshotsIn(this.#written(id))).filter(({ to }) => to >= since);
  }

  logs(): string {
    return this.#ensemble.logs(LOG_LINES);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#ensemble[Symbol.asyncDispose]();
  }

  #written(id: number): string {
    return join(this.#ensemble.dataDir(id), "version-2");
  }
}

/** A snapshot is a file that is created when it begins and written until it ends. */
function snapshotsIn(directory: string): readonly Window[] {
  return readdirSync(directory)
    .filter((name) => name.startsWith("snapshot."))
    .map((name) => {
      const { birthtimeMs, mtimeMs } = statSync(join(directory, name));
      return { from: birthtimeMs, to: mtimeMs };
    });
}
