import { createHash } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { freePorts } from "./ports.js";
import { ServerProcess, type Exit } from "./server-process.js";

/** Where Debian's packages `zookeeper` and `libslf4j-java` put what a server needs. */
const JARS = ["zookeeper.jar", "slf4j-log4j12.jar", "log4j-1.2.jar"].map(
  (name) => `/usr/share/java/${name}`,
);
const MAIN = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
const HOST = "127.0.0.1";
/** Of a server that is compared, not measured. */
const JAVA_FLAGS = ["-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
const POLL_MS = 50;
const WAIT_MS = 60_000;
const WORD_MS = 2_000;

export interface ZookeeperOptions {
  /** Everything is written below it. */
  readonly directory: string;
  /** Voters. Default 3; a single one runs standalone. */
  readonly count?: number;
  /** Observers beside them; their ids follow. */
  readonly observers?: number;
  /** Before the class. Default: a small server, of those that are compared, not measured. */
  readonly javaFlags?: readonly string[];
  /** Of each process; by default this process's own. */
  readonly env?: (id: number) => NodeJS.ProcessEnv;
  /** Lines of zoo.cfg besides the usual ones; they win. */
  readonly config?: Readonly<Record<string, string | number | boolean>>;
  /** Java's system properties, as `zookeeper.extendedTypesEnabled`. */
  readonly properties?: Readonly<Record<string, string | number | boolean>>;
  /** Of the user `super`, who may do everything. Without it there is none. */
  readonly superPassword?: string;
}

interface Member {
  readonly id: number;
  readonly isObserver: boolean;
  readonly clientPort: number;
  readonly quorumPort: number;
  readonly electionPort: number;
}

/** True when this machine has ZooKeeper's jars; the tests that need them skip otherwise. */
export function hasZookeeper(): boolean {
  return JARS.every((jar) => existsSync(jar));
}

/** ZooKeeper servers on this machine, and what can be done to them. */
export class ZookeeperEnsemble implements AsyncDisposable {
  /** The voters. */
  readonly ids: readonly number[];
  readonly observerIds: readonly number[];
  readonly #options: ZookeeperOptions;
  readonly #members: readonly Member[];
  readonly #processes = new Map<number, ServerProcess>();

  private constructor(options: ZookeeperOptions, members: readonly Member[]) {
    this.#options = options;
    this.#members = members;
    this.ids = members.filter((one) => !one.isObserver).map(({ id }) => id);
    this.observerIds = members.filter((one) => one.isObserver).map(({ id }) => id);
  }

  /** Lays out directories and configurations; starts nothing. */
  static async create(options: ZookeeperOptions): Promise<ZookeeperEnsemble> {
    const voters = options.count ?? 3;
    const count = voters + (options.observers ?? 0);
    const ports = await freePorts(count * 3);
    const members = Array.from({ length: count }, (_, i) => ({
      id: i + 1,
      isObserver: i >= voters,
      clientPort: ports[i * 3] ?? 0,
      quorumPort: ports[i * 3 + 1] ?? 0,
      electionPort: ports[i * 3 + 2] ?? 0,
    }));
    const ensemble = new ZookeeperEnsemble(options, members);
    for (const member of members) ensemble.#layOut(member);
    return ensemble;
  }

  /** The addresses for clients, in the order of the ids. */
  get servers(): readonly string[] {
    return this.#members.map(({ clientPort }) => `${HOST}:${clientPort}`);
  }

  start(...ids: number[]): void {
    for (const id of ids.length === 0 ? [...this.ids, ...this.observerIds] : ids) {
      const home = this.#home(id);
      const properties = Object.entries({
        "log4j.configuration": `file:${home}/log4j.properties`,
        ...this.#superDigest(),
        ...this.#options.properties,
      });
      this.#processes.set(
        id,
        new ServerProcess(
          [
            "java",
            ...(this.#options.javaFlags ?? JAVA_FLAGS),
            "-cp",
            [home, ...JARS].join(":"),
            ...properties.map(([name, value]) => `-D${name}=${value}`),
            MAIN,
            join(home, "zoo.cfg"),
          ],
          this.#options.env?.(id),
        ),
      );
    }
  }

  dataDir(id: number): string {
    return join(this.#home(id), "data");
  }

  /** @throws when that node was never started. */
  process(id: number): ServerProcess {
    const found = this.#processes.get(id);
    if (found === undefined) throw new Error(`node ${id} was not started`);
    return found;
  }

  /** Waits until it has ended, however it does. */
  async kill(signal: NodeJS.Signals, ...ids: number[]): Promise<Exit[]> {
    const processes = ids.map((id) => this.process(id));
    for (const process of processes) process.signal(signal);
    return Promise.all(processes.map(({ ended }) => ended));
  }

  /** `leader`, `follower`, `observer`, `standalone`; null when it does not serve. */
  async modeOf(id: number): Promise<string | null> {
    return /^Mode: (\w+)/m.exec(await this.#serverWord(id))?.[1] ?? null;
  }

  /** The epoch of the newest zxid that it has seen; null when it does not serve. */
  async epochOf(id: number): Promise<number | null> {
    const zxid = /^Zxid: 0x([0-9a-f]+)/m.exec(await this.#serverWord(id))?.[1];
    return zxid === undefined ? null : Number(BigInt(`0x${zxid}`) >> 32n);
  }

  /** Null when none of them says that it leads. */
  async leader(): Promise<number | null> {
    for (const id of this.ids) {
      if (this.#processes.get(id)?.exit === null && (await this.modeOf(id)) === "leader") return id;
    }
    return null;
  }

  /** Waits until all the given ones serve. */
  async untilReady(ids: readonly number[] = this.ids, ms = WAIT_MS): Promise<void> {
    const deadline = performance.now() + ms;
    for (;;) {
      const modes = await Promise.all(ids.map((id) => this.modeOf(id)));
      if (modes.every((mode) => mode !== null)) return;
      const dead = ids.filter((id) => this.#processes.get(id)?.exit !== null);
      if (dead.length > 0 || performance.now() > deadline) {
        throw new Error(`nodes ${ids.join(", ")} serve as ${modes.join(", ")}\n${this.logs()}`);
      }
      await pause(POLL_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const running = [...this.#processes.values()].filter(({ exit }) => exit === null);
    for (const process of running) process.signal("SIGKILL");
    await Promise.all(running.map(({ ended }) => ended));
  }

  /** The logs' ends, for someone who wonders why it failed. */
  logs(lines = 15): string {
    return [...this.#processes]
      .map(([id, { log }]) => `node ${id}:\n${log.split("\n").slice(-lines).join("\n")}`)
      .join("\n");
  }

  async #serverWord(id: number): Promise<string> {
    const member = this.#members.find((one) => one.id === id);
    if (member === undefined) throw new Error(`there is no node ${id}`);
    return (await fourLetterWord(member.clientPort, "srvr")) ?? "";
  }

  #home(id: number): string {
    return join(this.#options.directory, `zookeeper${id}`);
  }

  #superDigest(): Record<string, string> {
    const { superPassword } = this.#options;
    if (superPassword === undefined) return {};
    const digest = createHash("sha1").update(`super:${superPassword}`).digest("base64");
    return { "zookeeper.DigestAuthenticationProvider.superDigest": `super:${digest}` };
  }

  #layOut({ id, isObserver, clientPort }: Member): void {
    const home = this.#home(id);
    mkdirSync(join(home, "data"), { recursive: true });
    writeFileSync(join(home, "data", "myid"), `${id}\n`);
    const config: Record<string, string | number | boolean> = {
      tickTime: 500,
      initLimit: 60,
      syncLimit: 20,
      dataDir: this.dataDir(id),
      clientPort,
      clientPortAddress: HOST,
      maxClientCnxns: 0,
      "admin.enableServer": false,
      "4lw.commands.whitelist": "*",
      ...this.#options.config,
    };
    if (this.#members.length > 1) {
      for (const { id: other, isObserver: observes, quorumPort, electionPort } of this.#members) {
        const role = observes ? ":observer" : "";
        config[`server.${other}`] = `${HOST}:${quorumPort}:${electionPort}${role}`;
      }
      if (isObserver) config["peerType"] = "observer";
    }
    const lines = Object.entries(config).map(([key, value]) => `${key}=${value}\n`);
    writeFileSync(join(home, "zoo.cfg"), lines.join(""));
    writeFileSync(join(home, "log4j.properties"), LOG4J);
  }
}

const LOG4J = `log4j.rootLogger=WARN, OUT
log4j.appender.OUT=org.apache.log4j.ConsoleAppender
log4j.appender.OUT.layout=org.apache.log4j.PatternLayout
log4j.appender.OUT.layout.ConversionPattern=%d{ISO8601} %-5p %c{1} %m%n
`;

/** Null when there is no answer. */
async function fourLetterWord(port: number, word: string): Promise<string | null> {
  const socket = connect({ host: HOST, port, timeout: WORD_MS });
  socket.on("timeout", () => socket.destroy(new Error("no answer in time")));
  try {
    socket.end(word);
    return await text(socket);
  } catch {
    // Down or starting: not answering is what the caller asks about.
    return null;
  }
}
