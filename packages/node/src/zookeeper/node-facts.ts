import { readdirSync, statSync, type Stats } from "node:fs";
import { arch, freemem, hostname, platform, release } from "node:os";
import { join } from "node:path";
import type { SessionInfo } from "@quorate/protocol";
import type { ZnodeMachine } from "@quorate/znode";
import type { ServerFacts } from "@quorate/zookeeper";
import { formatAddress } from "../config/address.js";
import type { NodeConfig } from "../config/config.js";
import { LISTEN_BACKLOG } from "../native/limits.js";
import type { NodeStatus, ServerHandle } from "../server-handle.js";
import { fileDescriptors } from "./descriptors.js";

/**
 * Clients read the three numbers: what they may expect. Exporters take a version without a date for
 * none, so it has one, always the same, which says nothing of when this was built.
 */
const VERSION = "3.9.5-quorate, built on 2026-01-01 00:00 UTC";

type FactsConfig = Pick<
  NodeConfig,
  "nodeId" | "role" | "dataDir" | "host" | "members" | "voters" | "zookeeper" | "tls"
>;

type Lines = [name: string, value: string][];

/** What a node tells ZooKeeper's operators of itself. */
export class NodeFacts implements ServerFacts {
  readonly version = VERSION;
  readonly startedAtWallTime: number;
  readonly #config: FactsConfig;
  readonly #server: Pick<ServerHandle, "status" | "pressure">;
  readonly #machine: () => ZnodeMachine | null;

  constructor(
    config: FactsConfig,
    server: Pick<ServerHandle, "status" | "pressure">,
    state: { machine(): ZnodeMachine | null; readonly startedAtWallTime: number },
  ) {
    this.#config = config;
    this.#server = server;
    this.#machine = () => state.machine();
    this.startedAtWallTime = state.startedAtWallTime;
  }

  mode(): ReturnType<ServerFacts["mode"]> {
    const { role } = this.#server.status();
    if (role === "watching") return "observer";
    if (role === "following") return "follower";
    return this.#isAlone ? "standalone" : "leader";
  }

  znodeCount(): number {
    return this.#machine()?.nodeCount ?? 0;
  }

  dataBytes(): number {
    return this.#machine()?.approximateBytes ?? 0;
  }

  ephemeralCount(): number {
    return this.#machine()?.ephemeralCount ?? 0;
  }

  sessions(): Iterable<SessionInfo> {
    return this.#machine()?.sessions.values() ?? [];
  }

  get dataDir(): string {
    return this.#config.dataDir;
  }

  ephemeralsOf(session: bigint): readonly string[] {
    return this.#machine()?.ephemeralsOf(session) ?? [];
  }

  /** Watchers that follow this very node now. */
  watchersBelow(): readonly number[] {
    const voters = new Set<number>(this.#config.voters);
    const peers = this.#server.pressure().peers.map(({ peer }) => Number(peer));
    return [...new Set(peers)].filter((peer) => !voters.has(peer));
  }

  /** When the checkpoint's file was last written to, in seconds. Its txnid is not known here. */
  lastCheckpoint(): { readonly zxid: string; readonly timestamp: number } {
    const times = this.#filesOf("state").map(({ mtimeMs }) => Math.floor(mtimeMs / 1000));
    return { zxid: "ffffffffffffffff", timestamp: Math.max(-1, ...times) };
  }

  /** The store's two files, each with what belongs to it. */
  directoryBytes(): ReturnType<ServerFacts["directoryBytes"]> {
    return { data: this.#bytesOf("state"), log: this.#bytesOf("log") };
  }

  digests(): ReturnType<ServerFacts["digests"]> {
    const { lastApplied, digest } = this.#server.status();
    return [[lastApplied, digest]];
  }

  configuration(): Lines {
    const { host, dataDir, tls } = this.#config;
    return [
      ["clientPort", String(host.request.port)],
      ["clientPortAddress", formatAddress(host.request)],
      ["clientPortListenBacklog", String(LISTEN_BACKLOG)],
      ...secureLines(tls),
      ["dataDir", dataDir],
      ["dataDirSize", String(this.#bytesOf("state"))],
      ["dataLogDir", dataDir],
      ["dataLogSize", String(this.#bytesOf("log"))],
      ["maxCnxns", String(this.#config.zookeeper.maxCnxns)],
      ["peerType", this.#config.role === "voter" ? "0" : "1"],
      ...(this.#isAlone ? [] : peerLines(host)),
    ];
  }

  environment(): Lines {
    return [
      ["zookeeper.version", VERSION],
      ["host.name", hostname()],
      ["node.version", process.version],
      ["os.name", platform()],
      ["os.arch", arch()],
      ["os.version", release()],
      ["os.memory.free", `${Math.floor(freemem() / 2 ** 20)}MB`],
    ];
  }

  /** As there: what a leader alone knows is told by the leader alone. */
  monitor(): [name: string, value: string | number][] {
    const status = this.#server.status();
    const rows: [string, string | number][] = [
      ["quorum_size", this.#config.voters.length],
      ...fileDescriptors(),
    ];
    if (!this.#isAlone) rows.push(["peer_state", peerState(status)]);
    if (status.role !== "leading") return rows;
    const { peers } = this.#server.pressure();
    const observers = this.watchersBelow().length;
    const synced = peers.filter(({ lagEntries }) => lagEntries !== null);
    return [
      ...rows,
      ["learners", new Set(peers.map(({ peer }) => peer)).size],
      ["synced_followers", new Set(synced.map(({ peer }) => peer)).size],
      ["synced_observers", observers],
    ];
  }

  /** One member alone is no ensemble: ZooKeeper's operators know it as standalone. */
  get #isAlone(): boolean {
    return this.#config.members.length === 1;
  }

  #bytesOf(prefix: string): number {
    return this.#filesOf(prefix).reduce((sum, { size }) => sum + size, 0);
  }

  #filesOf(prefix: string): readonly Stats[] {
    const { dataDir } = this.#config;
    try {
      const names = readdirSync(dataDir).filter((name) => name.startsWith(`${prefix}.db`));
      return names.map((name) => statSync(join(dataDir, name)));
    } catch {
      // A file may go between the two looks.
      return [];
    }
  }
}

function secureLines(tls: FactsConfig["tls"]): Lines {
  if (tls === null) return [];
  return [
    ["secureClientPort", String(tls.address.port)],
    ["secureClientPortAddress", formatAddress(tls.address)],
  ];
}

function peerLines({ election, message }: FactsConfig["host"]): Lines {
  return [
    ["electionPort", String(election.port)],
    ["quorumPort", String(message.port)],
  ];
}

const PEER_STATES: Readonly<Record<NodeStatus["role"], string>> = {
  electing: "looking",
  leading: "leading",
  following: "following",
  watching: "observing",
};

function peerState(status: NodeStatus): string {
  const phase = zabPhase(status);
  const state = PEER_STATES[status.role];
  return phase === "election" ? state : `${state} - ${phase}`;
}

/** As ZooKeeper names what a peer is busy with. */
export function zabPhase({ role, ready }: Pick<NodeStatus, "role" | "ready">): string {
  if (role === "electing") return "election";
  return ready ? "broadcast" : "synchronization";
}
