import { counterOf, epochOf, type Service } from "@quorate/protocol";
import type { ZkConnection, ZkFrontEnd } from "@quorate/zookeeper";
import { formatAddress, type Address } from "../config/address.js";
import { LISTEN_BACKLOG } from "../native/limits.js";
import type { NodeConfig } from "../config/config.js";
import type { NodeStatus } from "../server-handle.js";
import type { Json } from "./admin-json.js";
import { zabPhase, type NodeFacts } from "./node-facts.js";

type Fields = Readonly<Record<string, Json>>;

/** What the commands tell of. */
export interface AdminSubject {
  readonly config: Pick<NodeConfig, "members" | "voters" | "nodeId" | "zookeeper" | "host" | "tls">;
  readonly frontEnd: ZkFrontEnd;
  readonly service: Service;
  readonly facts: NodeFacts;
  status(): NodeStatus;
  wallTime(): number;
}

interface AdminCommand {
  /** The first is the one that it is listed under. */
  readonly names: readonly string[];
  /** Asked of a node that serves nobody, it says only that. */
  readonly needsServing: boolean;
  run(subject: AdminSubject): Fields;
}

/** Lines of one answer; what is beyond is left out, and `cut_off` says so. */
export const ADMIN_ITEMS_MAX = 20_000;
const NOT_SERVING = "This ZooKeeper instance is not currently serving requests";
/** There is no trace to be masked; ZooKeeper's default. */
const TRACE_MASK = 306;

/** Of ZooKeeper's commands those that change nothing, and `sessions`, which it has not. */
const commands: readonly AdminCommand[] = [
  serving(["configuration", "conf", "config"], configuration),
  serving(["connections", "cons"], ({ frontEnd }) => connectionsOf(frontEnd, false)),
  serving(["dirs"], ({ facts }) => {
    const { data, log } = facts.directoryBytes();
    return { datadir_size: data, logdir_size: log };
  }),
  serving(["dump"], dump),
  always(["environment", "env", "envi"], ({ facts }) => Object.fromEntries(facts.environment())),
  always(["get_trace_mask", "gtmk"], () => ({ tracemask: TRACE_MASK })),
  serving(["hash"], ({ facts }) => ({
    digests: facts.digests().map(([zxid, digest]) => ({ zxid, digest_version: 0, digest: digest })),
  })),
  serving(["initial_configuration", "icfg"], () => ({ initial_configuration: null })),
  serving(["is_read_only", "isro"], ({ frontEnd }) => ({ read_only: !frontEnd.isServing })),
  serving(["last_snapshot", "lsnp"], ({ facts }) => facts.lastCheckpoint()),
  serving(["leader", "lead"], leader),
  always(["monitor", "mntr"], ({ frontEnd }) => Object.fromEntries(frontEnd.monitor())),
  serving(["observers", "obsr"], ({ facts }) => {
    const ids = facts.watchersBelow();
    return { synced_observers: ids.length, observers: ids.map((sid) => ({ sid })) };
  }),
  serving(["ruok"], () => ({})),
  serving(["server_stats", "srvr"], serverStats),
  serving(["sessions"], sessions),
  serving(["stats", "stat"], (subject) => ({
    ...serverStats(subject),
    ...connectionsOf(subject.frontEnd, true),
  })),
  always(["system_properties", "sysp"], ({ facts }) => Object.fromEntries(facts.environment())),
  serving(["voting_view"], votingView),
  serving(["watches", "wchc"], ({ frontEnd }) =>
    watchesOf("session_id_to_watched_paths", frontEnd.watches.byWatcher(), {
      key: (watcher) => String(sessionOf(frontEnd, watcher)),
      item: (path) => path,
    }),
  ),
  serving(["watches_by_path", "wchp"], ({ frontEnd }) =>
    watchesOf("path_to_session_ids", frontEnd.watches.byPath(), {
      key: (path) => path,
      item: (watcher) => sessionOf(frontEnd, watcher),
    }),
  ),
  serving(["watch_summary", "wchs"], ({ frontEnd }) => {
    const { watchers, paths, total } = frontEnd.watches.dataSummary();
    return { num_connections: watchers, num_paths: paths, num_total_watches: total };
  }),
  always(["zabstate"], zabState),
];

/** They change something: not here. */
const CHANGING: ReadonlySet<string> = new Set([
  "connection_stat_reset",
  "crst",
  "observer_connection_stat_reset",
  "orst",
  "restore",
  "rest",
  "set_trace_mask",
  "stmk",
  "shed_connections",
  "shed",
  "snapshot",
  "snap",
  "stat_reset",
  "srst",
]);

const byName: ReadonlyMap<string, AdminCommand> = new Map(
  commands.flatMap((command) => command.names.map((name) => [name, command] as const)),
);

/** The names that ZooKeeper lists. */
export const ADMIN_COMMANDS: readonly string[] = commands.map(({ names: [name = ""] }) => name);

/** The answer to one command. `subject` is null while the node is starting. */
export function runAdminCommand(name: string, subject: AdminSubject | null): Fields {
  const command = byName.get(name);
  if (command === undefined) {
    const error = CHANGING.has(name)
      ? `${name} changes the server, which is not done over HTTP here`
      : `Unknown command: ${name}`;
    return { command: name, error };
  }
  const { needsServing, names } = command;
  const readOnly = subject?.frontEnd.options.isReadOnlyEnabled === true;
  if (subject === null || (needsServing && !subject.frontEnd.isServing && !readOnly)) {
    return { command: names[0] ?? name, error: NOT_SERVING };
  }
  return { ...command.run(subject), command: names[0] ?? name, error: null };
}

function serving(names: readonly string[], run: AdminCommand["run"]): AdminCommand {
  return { names, needsServing: true, run };
}

function always(names: readonly string[], run: AdminCommand["run"]): AdminCommand {
  return { names, needsServing: false, run };
}

function configuration({ config, facts }: AdminSubject): Fields {
  const { zookeeper, host, nodeId } = config;
  return {
    client_port: host.request.port,
    ...(config.tls === null ? {} : { secure_client_port: config.tls.address.port }),
    data_dir: facts.dataDir,
    data_log_dir: facts.dataDir,
    tick_time: zookeeper.tickMs,
    max_client_cnxns: zookeeper.maxClientCnxns,
    min_session_timeout: zookeeper.minSessionTimeoutMs,
    max_session_timeout: zookeeper.maxSessionTimeoutMs,
    server_id: nodeId,
    client_port_listen_backlog: LISTEN_BACKLOG,
    election_port: host.election.port,
    quorum_port: host.message.port,
    peer_type: config.voters.includes(nodeId) ? 0 : 1,
  };
}

function connectionsOf({ connections }: ZkFrontEnd, isBrief: boolean): Fields {
  const all = [...connections];
  const told = all.slice(0, ADMIN_ITEMS_MAX);
  const lines = (isSecure: boolean): Json =>
    told
      .filter((one) => one.isSecure === isSecure)
      .map((one) => (isBrief ? briefOf(one) : { ...briefOf(one), ...detailsOf(one) }));
  return {
    connections: lines(false),
    secure_connections: lines(true),
    ...cutOff(all.length > told.length),
  };
}

function briefOf(one: ZkConnection): Fields {
  return {
    remote_socket_address: formatAddress({ host: one.remoteAddress, port: one.remotePort }),
    interest_ops: one.session !== 0n && !one.isPaused ? 1 : 0,
    outstanding_requests: one.outstanding,
    packets_received: one.stats.received,
    packets_sent: one.stats.sent,
  };
}

function detailsOf({ session, stats, openedAtWallTime, sessionTimeoutMs }: ZkConnection): Fields {
  return {
    session_id: session,
    last_operation: stats.lastOperation,
    established: Math.round(openedAtWallTime),
    session_timeout: sessionTimeoutMs,
    last_cxid: stats.lastXid,
    last_zxid: stats.lastZxid,
    last_response_time: Math.round(stats.lastResponseAt),
    last_latency: Math.round(stats.lastLatency),
    min_latency: Math.round(stats.latency.min),
    avg_latency: Math.round(stats.latency.mean),
    max_latency: Math.round(stats.latency.max),
  };
}

/** Of the whole ensemble, as this node has applied it; what only its clients know it keeps. */
function sessions({ facts, service }: AdminSubject): Fields {
  const told: Json[] = [];
  for (const { id, timeoutMs, owner, ephemeralCount } of facts.sessions()) {
    if (told.length === ADMIN_ITEMS_MAX) break;
    told.push({
      session: id.toString(16),
      timeout_ms: timeoutMs,
      node: owner === 0 ? null : owner,
      ephemerals: ephemeralCount,
    });
  }
  return {
    sessions: told,
    count: service.sessionCount,
    ...cutOff(told.length < service.sessionCount),
  };
}

/** When each session would expire if nobody heard of it is for the leader alone to know. */
function dump({ facts }: AdminSubject): Fields {
  const paths: Record<string, Json> = {};
  let count = 0;
  for (const { id } of facts.sessions()) {
    const own = facts.ephemeralsOf(id);
    if (own.length === 0) continue;
    if (count + own.length > ADMIN_ITEMS_MAX) break;
    count += own.length;
    paths[String(BigInt.asIntN(64, id))] = own;
  }
  return {
    expiry_time_to_session_ids: {},
    session_id_to_ephemeral_paths: paths,
    ...cutOff(count < facts.ephemeralCount()),
  };
}

function leader({ status, config }: AdminSubject): Fields {
  const { leader: id, role } = status();
  const member = config.members.find((one) => one.id === id);
  return {
    is_leader: role === "leading",
    leader_id: id ?? -1,
    leader_ip: member?.message.host ?? "",
  };
}

function serverStats({ frontEnd, service, facts, wallTime }: AdminSubject): Fields {
  const { stats, connections, outstanding, isServing } = frontEnd;
  const { data, log } = facts.directoryBytes();
  const { last, min, max } = stats.replies;
  const clientResponse = { last_buffer_size: last, min_buffer_size: min, max_buffer_size: max };
  return {
    version: facts.version,
    read_only: !isServing,
    client_response: clientResponse,
    server_stats: {
      packets_sent: stats.packetsSent,
      packets_received: stats.packetsReceived,
      data_dir_size: data,
      log_dir_size: log,
      server_state: isServing ? facts.mode() : "read-only",
      last_processed_zxid: service.lastApplied,
      outstanding_requests: outstanding,
      avg_latency: Math.round(stats.latency.mean * 10_000) / 10_000,
      max_latency: Math.round(stats.latency.max),
      min_latency: Math.round(stats.latency.min),
      num_alive_client_connections: connections.size,
      uptime: Math.max(0, Math.round(wallTime() - facts.startedAtWallTime)),
      auth_failed_count: stats.authFailed,
      client_response_stats: clientResponse,
      provider_null: false,
    },
    node_count: facts.znodeCount(),
  };
}

/** ZooKeeper's QuorumServerView of each voter. */
function votingView({ config }: AdminSubject): Fields {
  const voters = config.members.filter(({ role }) => role === "voter");
  const views = voters.map(({ id, message, election, request }) => [
    String(id),
    {
      server_addresses: [formatAddress(message)],
      election_addresses: [formatAddress(election)],
      client_address: formatAddress(request),
      learner_type: "participant",
    },
  ]);
  return { current_config: Object.fromEntries(views) as Fields };
}

function zabState({ config, status }: AdminSubject): Fields {
  const now = status();
  const { nodeId, host, voters } = config;
  const own = config.members.find(({ id }) => id === nodeId) ?? host;
  return {
    myid: nodeId,
    is_leader: now.role === "leading",
    quorum_address: addressesOf(own.message),
    election_address: addressesOf(own.election),
    client_address: formatAddress(host.request),
    voting: voters.includes(nodeId),
    last_zxid: `0x${now.lastApplied.toString(16)}`,
    zab_epoch: epochOf(now.lastApplied),
    zab_counter: counterOf(now.lastApplied),
    zabstate: zabPhase(now),
  };
}

/** ZooKeeper's MultipleAddresses, but for what it finds out by asking the network. */
function addressesOf(address: Address): Fields {
  return {
    empty: false,
    all_addresses: [formatAddress(address)],
    all_ports: [address.port],
    all_host_strings: [address.host],
    one: formatAddress(address),
    wildcard_addresses: [`0.0.0.0:${address.port}`],
  };
}

function watchesOf<K, I>(
  name: string,
  watches: Iterable<readonly [K, readonly I[]]>,
  form: { key(key: K): string; item(item: I): Json },
): Fields {
  const told: Record<string, Json> = {};
  let room = ADMIN_ITEMS_MAX;
  for (const [key, items] of watches) {
    if (room === 0) return { [name]: told, ...cutOff(true) };
    const some = items.slice(0, room);
    room -= some.length;
    told[form.key(key)] = some.map((item) => form.item(item));
  }
  return { [name]: told };
}

function sessionOf(frontEnd: ZkFrontEnd, watcher: number): bigint {
  return BigInt.asIntN(64, frontEnd.connectionOfWatcher(watcher)?.session ?? 0n);
}

function cutOff(isCutOff: boolean): Fields {
  return isCutOff ? { cut_off: true } : {};
}
