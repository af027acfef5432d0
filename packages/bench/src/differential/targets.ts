import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { embedEnsemble } from "@quorate/node";
import { ProcessEnsemble, ZookeeperEnsemble } from "@quorate/testkit/processes";
import { passwords } from "./generate-values.js";
import { SequenceRunner } from "./run-sequence.js";
import { HOUR_MS, quorateSettings } from "./settings.js";
import { sessionMs, type Step } from "./steps.js";
import { TraceFile, type Trace } from "./trace.js";

/** One side of a comparison: gives the trace of a sequence. */
export interface Target extends AsyncDisposable {
  trace(seed: number, steps: readonly Step[]): Promise<Trace>;
}

/**
 * Opens what a command line names:
 * `zk://HOST:PORT,...` servers that run; `zookeeper` or `zookeeper:N` an ensemble of ZooKeeper's
 * own servers, made for this; `quorate` or `quorate:N` one of ours, run by `command`; `embedded` or
 * `embedded:N` one of ours within this process; `trace:FILE` what was recorded.
 */
export async function openTarget(name: string, command: readonly string[]): Promise<Target> {
  if (name.startsWith("zk://")) return LiveTarget.of(name.slice("zk://".length).split(","));
  if (name.startsWith("trace:")) return new RecordedTarget(name.slice("trace:".length));
  const [kind = "", count = "3"] = name.split(":");
  if (kind === "zookeeper") return OwnEnsemble.start((home) => zookeeper(home, Number(count)));
  if (kind === "quorate") return OwnEnsemble.start((home) => quorate(home, Number(count), command));
  if (kind === "embedded") return OwnEnsemble.start((home) => embedded(home, Number(count)));
  throw new Error(
    `${name} is none of zk://HOST:PORT,..., zookeeper[:N], quorate[:N], embedded[:N], trace:FILE`,
  );
}

/** So many of each server say why one of them died. */
const LOG_LINES = 80;
const READY_MS = 20_000;

class LiveTarget implements Target {
  readonly #runner: SequenceRunner;

  private constructor(runner: SequenceRunner) {
    this.#runner = runner;
  }

  static async of(servers: readonly string[]): Promise<LiveTarget> {
    return new LiveTarget(await SequenceRunner.create(servers));
  }

  trace(seed: number, steps: readonly Step[]): Promise<Trace> {
    return this.#runner.run(seed, steps);
  }

  [Symbol.asyncDispose](): Promise<void> {
    const { retries } = this.#runner;
    if (retries > 0) process.stderr.write(`${retries} requests were answered late or never\n`);
    return this.#runner.close();
  }
}

/** Brings out what is compared, and lets nothing happen by time alone. */
const zookeeperProperties = {
  "zookeeper.extendedTypesEnabled": true,
  "zookeeper.enforceQuota": true,
  // Nothing that is compared depends on the disk.
  "zookeeper.forceSync": "no",
  "znode.container.checkIntervalMs": HOUR_MS,
} as const;

/** What a process ensemble is, as far as it is used here. */
interface Ensemble extends AsyncDisposable {
  readonly servers: readonly string[];
  untilReady(): Promise<unknown>;
  /** The last lines that each server wrote. */
  logs(lines: number): string;
}

async function zookeeper(directory: string, count: number): Promise<Ensemble> {
  const ensemble = await ZookeeperEnsemble.create({
    directory,
    count,
    config: { minSessionTimeout: sessionMs.min, maxSessionTimeout: sessionMs.max },
    properties: zookeeperProperties,
    superPassword: passwords.super ?? "",
  });
  // Without the first one the last one leads; what a server does may depend on its role.
  const [first = 1, ...others] = ensemble.ids;
  const early = others.length === 0 ? [first] : others;
  ensemble.start(...early);
  await ensemble.untilReady(early);
  if (others.length > 0) ensemble.start(first);
  return ensemble;
}

async function quorate(
  directory: string,
  count: number,
  command: readonly string[],
): Promise<Ensemble> {
  const ensemble = await ProcessEnsemble.create({
    command,
    directory,
    count,
    config: quorateSettings,
  });
  ensemble.start();
  return ensemble;
}

/** All nodes in this process: quicker than processes of their own. */
async function embedded(directory: string, count: number): Promise<Ensemble> {
  const nodes = await embedEnsemble(count, { ...quorateSettings, dataDir: directory });
  return {
    servers: nodes.map(({ requestAddress: { host, port } }) => `${host}:${port}`),
    untilReady: () => Promise.all(nodes.map((node) => node.ready({ timeoutMs: READY_MS }))),
    logs: () => "",
    [Symbol.asyncDispose]: async () => {
      await Promise.all(nodes.map((node) => node.close()));
    },
  };
}

/** Servers that are started for the comparison, and are gone after it. */
class OwnEnsemble implements Target {
  readonly #ensemble: Ensemble;
  readonly #directory: string;
  readonly #live: LiveTarget;

  private constructor(ensemble: Ensemble, directory: string, live: LiveTarget) {
    this.#ensemble = ensemble;
    this.#directory = directory;
    this.#live = live;
  }

  static async start(make: (directory: string) => Promise<Ensemble>): Promise<OwnEnsemble> {
    const directory = mkdtempSync(join(tmpdir(), "quorate-differential-"));
    let ensemble: Ensemble | null = null;
    try {
      ensemble = await make(directory);
      await ensemble.untilReady();
      return new OwnEnsemble(ensemble, directory, await LiveTarget.of(ensemble.servers));
    } catch (error) {
      const logs = ensemble?.logs(LOG_LINES) ?? "";
      await ensemble?.[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
      throw new Error(`${String(error)}\n${logs}`, { cause: error });
    }
  }

  async trace(seed: number, steps: readonly Step[]): Promise<Trace> {
    try {
      return await this.#live.trace(seed, steps);
    } catch (error) {
      throw new Error(`${String(error)}\n${this.#ensemble.logs(LOG_LINES)}`, { cause: error });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#live[Symbol.asyncDispose]();
    } finally {
      await this.#ensemble[Symbol.asyncDispose]();
      rmSync(this.#directory, { recursive: true, force: true });
    }
  }
}

/** Traces of earlier, in the order in which they were written. */
class RecordedTarget implements Target {
  readonly #traces: AsyncIterator<Trace, undefined>;
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    this.#traces = new TraceFile(path).read()[Symbol.asyncIterator]();
  }

  async trace(seed: number): Promise<Trace> {
    const next = await this.#traces.next();
    if (next.done === true) throw new Error(`${this.#path} has no trace of seed ${seed}`);
    if (next.value.seed !== seed) throw new Error(`${this.#path} lacks seed ${seed} at its place`);
    return next.value;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
