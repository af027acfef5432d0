import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePorts, ServerProcess } from "@quorate/testkit/processes";
import {
  POLL_MS,
  READY_MS,
  STOP_MS,
  type BenchEnsemble,
  type Contender,
  type EnsembleWish,
} from "./contender.js";
import { endInOrder } from "./ending.js";

const HOST = "127.0.0.1";
/** etcd keeps every revision until it is told not to; its default of 2 GiB ends a long run. */
const QUOTA_BYTES = 8 * 2 ** 30;
const ANSWER_MS = 2_000;
/** Of its log of proposals, and of the file that holds the keys. */
const SYNC_COUNTS = [
  /^etcd_disk_wal_fsync_duration_seconds_count (\S+)/m,
  /^etcd_disk_backend_commit_duration_seconds_count (\S+)/m,
];

export function etcdContender(description: string): Contender {
  return {
    name: "etcd",
    protocol: "etcd",
    description,
    canHaveWatchers: false,
    canBeProfiled: false,
    isOurs: false,
    open: (wish) => EtcdEnsemble.create(wish),
  };
}

interface EtcdStatus {
  readonly member: string;
  readonly leader: string;
  readonly term: string;
}

/** etcd servers on this machine, with their defaults but for the quota and the log's level. */
class EtcdEnsemble implements BenchEnsemble {
  readonly protocol = "etcd";
  readonly ids: readonly number[];
  readonly watcherIds = [];
  readonly #directory: string;
  readonly #ports: readonly number[];
  readonly #processes = new Map<number, ServerProcess>();

  private constructor(directory: string, ids: readonly number[], ports: readonly number[]) {
    this.ids = ids;
    this.#directory = directory;
    this.#ports = ports;
  }

  static async create({ directory, voters }: EnsembleWish): Promise<EtcdEnsemble> {
    const ports = await freePorts(2 * voters);
    mkdirSync(directory, { recursive: true });
    const ids = Array.from({ length: voters }, (_, i) => i + 1);
    return new EtcdEnsemble(directory, ids, ports);
  }

  serverOf(id: number): string {
    return `${HOST}:${this.#ports[2 * (id - 1)] ?? 0}`;
  }

  pidOf(id: number): number {
    return this.#process(id).pid;
  }

  async syncsOf(id: number): Promise<number | null> {
    const response = await fetch(`http://${this.serverOf(id)}/metrics`, {
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const metrics = await response.text();
    const counts = SYNC_COUNTS.map((pattern) => pattern.exec(metrics)?.[1]);
    if (counts.some((count) => count === undefined)) return null;
    return counts.reduce((sum, count) => sum + Number(count), 0);
  }

  start(...ids: number[]): void {
    const peerUrl = (id: number): string => `http://${HOST}:${this.#ports[2 * id - 1] ?? 0}`;
    const cluster = this.ids.map((id) => `n${id}=${peerUrl(id)}`).join(",");
    for (const id of ids.length === 0 ? this.ids : ids) {
      const clientUrl = `http://${this.serverOf(id)}`;
      const flags = {
        name: `n${id}`,
        "data-dir": join(this.#directory, `etcd${id}`),
        "listen-client-urls": clientUrl,
        "advertise-client-urls": clientUrl,
        "listen-peer-urls": peerUrl(id),
        "initial-advertise-peer-urls": peerUrl(id),
        "initial-cluster": cluster,
        "initial-cluster-state": "new",
        "quota-backend-bytes": String(QUOTA_BYTES),
        "log-level": "error",
        logger: "zap",
      };
      const args = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]);
      this.#processes.set(id, new ServerProcess(["etcd", ...args]));
    }
  }

  async untilReady(): Promise<number> {
    const deadline = performance.now() + READY_MS;
    for (;;) {
      const leaders = await Promise.all(this.ids.map((id) => this.#leaderSeenBy(id)));
      const [first] = leaders;
      if (first !== null && first !== undefined && leaders.every((one) => one === first)) {
        const members = await Promise.all(this.ids.map((id) => this.#memberId(id)));
        const place = members.indexOf(first);
        if (place >= 0) return this.ids[place] ?? 0;
      }
      if (performance.now() > deadline) throw new Error(`etcd has no leader\n${this.logs()}`);
      await pause(POLL_MS);
    }
  }

  async term(): Promise<string> {
    const seen = await this.#status(this.ids[0] ?? 1);
    return `${seen?.leader ?? "nobody"} in term ${seen?.term ?? "?"}`;
  }

  async kill(...ids: number[]): Promise<void> {
    for (const id of ids) this.#process(id).signal("SIGKILL");
    await Promise.all(ids.map((id) => this.#process(id).ended));
  }

  stop(): Promise<void> {
    return endInOrder([...this.#processes.values()], STOP_MS);
  }

  logs(): string {
    return [...this.#processes].map(([id, { log }]) => `etcd ${id}:\n${log}`).join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endInOrder([...this.#processes.values()], 0);
  }

  #process(id: number): ServerProcess {
    const found = this.#processes.get(id);
    if (found === undefined) throw new Error(`node ${id} was not started`);
    return found;
  }

  async #status(id: number): Promise<EtcdStatus | null> {
    try {
      const response = await fetch(`http://${this.serverOf(id)}/v3/maintenance/status`, {
        method: "POST",
        body: "{}",
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      const { header, leader, raftTerm } = (await response.json()) as {
        header?: { member_id?: string };
        leader?: string;
        raftTerm?: string;
      };
      return { member: header?.member_id ?? "", leader: leader ?? "0", term: raftTerm ?? "0" };
    } catch {
      // Down or starting: not answering is what the caller asks about.
      return null;
    }
  }

  async #leaderSeenBy(id: number): Promise<string | null> {
    const leader = (await this.#status(id))?.leader ?? "0";
    return leader === "0" ? null : leader;
  }

  async #memberId(id: number): Promise<string | null> {
    return (await this.#status(id))?.member ?? null;
  }
}
