import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { proxyTcp, proxyUdp, type DroppingProxy } from "./dropping-proxy.js";
import { freePorts } from "./ports.js";
import { ServerProcess, type Exit } from "./server-process.js";

/** What `GET /status` says; the part that is used here. */
export interface NodeStatusView {
  readonly id: number;
  readonly role: "leader" | "follower" | "watcher" | "electing";
  readonly leader: number | null;
  readonly epoch: number;
  readonly lastLogged: string;
  readonly lastCommitted: string;
  readonly digest: string;
  readonly digestAt: string;
  readonly standing: string;
  readonly ready: boolean;
}

const STATUS_MS = 500;

/** Polling shares its cores with what is polled, and `fetch` costs several times as much. */
function httpGet(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get(url, { timeout: STATUS_MS }, (response) => {
      text(response).then(resolve, reject);
    });
    request.on("timeout", () => request.destroy(new Error("no answer in time")));
    request.on("error", reject);
  });
}

export interface EnsembleOptions {
  /** The command without its arguments, as `[node, main.js]`. */
  readonly command: readonly string[];
  /** Everything is written below it. */
  readonly directory: string;
  /** Voters. Default 3. */
  readonly count?: number;
  /** Watchers beside them; their ids follow. */
  readonly watchers?: number;
  /** Whom a watcher follows in place of the leader. Default: a chain, each the one before it. */
  readonly upstreamsOf?: (watcher: number, all: readonly number[]) => readonly number[];
  /** Puts a stretch of network that can fall silent between each two nodes. */
  readonly isProxied?: boolean;
  /** Merged into every configuration. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Of each process; by default this process's own. */
  readonly env?: (id: number, dataDir: string) => NodeJS.ProcessEnv;
}

interface Member {
  readonly id: number;
  readonly role: "voter" | "watcher";
  readonly requestAddr: string;
  readonly messagePort: number;
  readonly electionPort: number;
}

const POLL_MS = 5;
const WAIT_MS = 20_000;

/** Server processes on this machine, and what can be done to them. */
export class ProcessEnsemble implements AsyncDisposable {
  /** The voters. */
  readonly ids: readonly number[];
  readonly watcherIds: readonly number[];
  readonly #options: EnsembleOptions;
  readonly #members: readonly Member[];
  readonly #processes = new Map<number, ServerProcess>();
  /** By the two nodes that they connect. */
  readonly #proxies = new Map<string, DroppingProxy[]>();

  private constructor(options: EnsembleOptions, members: readonly Member[]) {
    this.#options = options;
    this.#members = members;
    const idsOf = (role: Member["role"]): number[] =>
      members.filter((member) => member.role === role).map(({ id }) => id);
    this.ids = idsOf("voter");
    this.watcherIds = idsOf("watcher");
  }

  /** Lays out directories and configurations; starts nothing. */
  static async create(options: EnsembleOptions): Promise<ProcessEnsemble> {
    const voters = options.count ?? 3;
    const count = voters + (options.watchers ?? 0);
    const ports = await freePorts(count * 3);
    const members = Array.from({ length: count }, (_, i) => ({
      id: i + 1,
      role: i < voters ? ("voter" as const) : ("watcher" as const),
      requestAddr: `127.0.0.1:${ports[i] ?? 0}`,
      messagePort: ports[count + i] ?? 0,
      electionPort: ports[2 * count + i] ?? 0,
    }));
    const ensemble = new ProcessEnsemble(options, members);
    for (const member of members) await ensemble.#layOut(member);
    return ensemble;
  }

  get servers(): readonly string[] {
    return this.#members.map(({ requestAddr }) => requestAddr);
  }

  serverOf(id: number): string {
    return this.#member(id).requestAddr;
  }

  portsOf(id: number): { request: number; message: number; election: number } {
    const { requestAddr, messagePort, electionPort } = this.#member(id);
    const request = Number(requestAddr.split(":")[1]);
    return { request, message: messagePort, election: electionPort };
  }

  dataDir(id: number): string {
    return join(this.#home(id), "store");
  }

  configFile(id: number): string {
    return join(this.#home(id), "config.json");
  }

  /** @throws when that node was never started. */
  process(id: number): ServerProcess {
    const found = this.#processes.get(id);
    if (found === undefined) throw new Error(`node ${id} was not started`);
    return found;
  }

  start(...ids: number[]): void {
    for (const id of ids.length === 0 ? this.ids : ids) {
      const name = this.watcherIds.includes(id) ? "watcher" : "server";
      const command = [...this.#options.command, name, "--config", this.configFile(id)];
      this.#processes.set(
        id,
        new ServerProcess(command, this.#options.env?.(id, this.dataDir(id))),
      );
    }
  }

  /** Waits until it has ended, however it does. */
  async kill(signal: NodeJS.Signals, ...ids: number[]): Promise<Exit[]> {
    const processes = ids.map((id) => this.process(id));
    for (const process of processes) process.signal(signal);
    return Promise.all(processes.map(({ ended }) => ended));
  }

  wipe(id: number): void {
    rmSync(this.dataDir(id), { recursive: true, force: true });
  }

  /** Cuts or heals everything between a node and all others, without a word to either. */
  isolate(id: number, drops: boolean): void {
    for (const { id: other } of this.#members) {
      for (const key of [`${id}-${other}`, `${other}-${id}`]) {
        for (const proxy of this.#proxies.get(key) ?? []) proxy.drops = drops;
      }
    }
  }

  /** Null when it does not answer. */
  async status(id: number): Promise<NodeStatusView | null> {
    try {
      return JSON.parse(await httpGet(`http://${this.serverOf(id)}/status`)) as NodeStatusView;
    } catch {
      // Down, stopped or starting: not answering is what the caller asks about.
      return null;
    }
  }

  /** Waits for a state of the given nodes (all by default) that satisfies the condition. */
  async until(
    what: string,
    condition: (seen: readonly (NodeStatusView | null)[]) => boolean,
    options: { readonly ids?: readonly number[]; readonly ms?: number } = {},
  ): Promise<readonly NodeStatusView[]> {
    const ids = options.ids ?? this.ids;
    const deadline = performance.now() + (options.ms ?? WAIT_MS);
    for (;;) {
      const seen = await Promise.all(ids.map((id) => this.status(id)));
      if (condition(seen)) return seen.filter((status) => status !== null);
      if (performance.now() > deadline) throw new Error(this.#describe(what, seen));
      await pause(POLL_MS);
    }
  }

  /** Waits until all of them serve under one leader, as voters that count. */
  async untilReady(ids: readonly number[] = this.ids, ms = WAIT_MS): Promise<number> {
    const seen = await this.until(
      `nodes ${ids.join(", ")} ready`,
      (all) =>
        all.every(
          (status) =>
            status?.ready === true &&
            status.standing === "member" &&
            status.leader !== null &&
            status.leader === all[0]?.leader,
        ) &&
        // One of them: followers still name a leader that was killed a moment ago.
        all.some((status) => status?.role === "leader"),
      { ids, ms },
    );
    return seen[0]?.leader ?? 0;
  }

  /** Waits until all have the same state at the same txnid, and everything logged is committed. */
  async untilEqual(ids: readonly number[] = this.ids): Promise<NodeStatusView> {
    const seen = await this.until(
      "equal digests at one txnid",
      (all) =>
        all.every(
          (status) =>
            status?.ready === true &&
            status.digestAt === all[0]?.digestAt &&
            status.digest === all[0].digest &&
            status.lastLogged === status.lastCommitted,
        ),
      { ids },
    );
    const [first] = seen;
    if (first === undefined) throw new Error("no node was asked");
    return first;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const running = [...this.#processes.values()].filter(({ exit }) => exit === null);
    for (const process of running) process.signal("SIGKILL");
    await Promise.all(running.map(({ ended }) => ended));
    await Promise.all([...this.#proxies.values()].flat().map((proxy) => proxy.close()));
  }

  /** The logs' ends, for someone who wonders why it failed. */
  logs(lines = 15): string {
    return [...this.#processes]
      .map(([id, { log }]) => `node ${id}:\n${log.split("\n").slice(-lines).join("\n")}`)
      .join("\n");
  }

  #describe(what: string, seen: readonly (NodeStatusView | null)[]): string {
    return `waited too long for ${what}; last seen ${JSON.stringify(seen)}\n${this.logs()}`;
  }

  #member(id: number): Member {
    const found = this.#members.find((member) => member.id === id);
    if (found === undefined) throw new Error(`there is no node ${id}`);
    return found;
  }

  #home(id: number): string {
    return join(this.#options.directory, String(id));
  }

  #upstreamsOf({ id, role }: Member): { upstreams?: readonly number[] } {
    if (role === "voter") return {};
    const { upstreamsOf = chain } = this.#options;
    const upstreams = upstreamsOf(id, this.watcherIds);
    return upstreams.length === 0 ? {} : { upstreams };
  }

  async #layOut(member: Member): Promise<void> {
    const peers = [];
    for (const other of this.#members) {
      const isProxied = this.#options.isProxied === true && other.id !== member.id;
      const { messagePort, electionPort } = isProxied ? await this.#proxy(member.id, other) : other;
      peers.push({
        id: other.id,
        role: other.role,
        requestAddr: other.requestAddr,
        messageAddr: `127.0.0.1:${messagePort}`,
        electionAddr: `127.0.0.1:${electionPort}`,
      });
    }
    mkdirSync(this.#home(member.id), { recursive: true });
    const config = {
      nodeId: member.id,
      cluster: "processes",
      dataDir: this.dataDir(member.id),
      log: { format: "human" },
      peers,
      ...this.#upstreamsOf(member),
      ...this.#options.config,
    };
    writeFileSync(this.configFile(member.id), JSON.stringify(config));
  }

  async #proxy(from: number, to: Member): Promise<{ messagePort: number; electionPort: number }> {
    const message = await proxyTcp(to.messagePort);
    const election = await proxyUdp(to.electionPort);
    this.#proxies.set(`${from}-${to.id}`, [message, election]);
    return { messagePort: message.port, electionPort: election.port };
  }
}

function chain(watcher: number, [first]: readonly number[]): readonly number[] {
  return watcher === first ? [] : [watcher - 1];
}
