import { resolve } from "node:path";
import {
  checkTimings,
  DEFAULT_TIMINGS,
  QuorateError,
  toNodeId,
  type NodeId,
  type Timings,
} from "@quorate/protocol";
import { ZNODE_DATA_BYTES_MAX } from "@quorate/znode";
import { formatAddress } from "./address.js";
import { checkSettings, placeOf, withPlace } from "./check.js";
import { readLayers, type ConfigSources, type Layers } from "./layers.js";
import { locateObject, type LocatedObject, type RawSettings } from "./located.js";
import {
  hostSetting,
  membersOf,
  upstreamsOf,
  type Member,
  type MemberRole,
  type Members,
} from "./members.js";
import type { ConfigInput } from "./schema.js";
import { publicWarnings, refuseExposed, refuseInsecure, secretOf } from "./secret.js";
import { tlsOf, type TlsConfig } from "./tls.js";
import { zookeeperOf, type ZookeeperConfig } from "./zookeeper.js";

export type LogFormat = "auto" | "human" | "json";
export type LogThreshold = "error" | "warn" | "info" | "debug";

/** The configuration of one node: complete, checked and frozen. */
export interface NodeConfig extends Members {
  readonly nodeId: NodeId;
  readonly role: MemberRole;
  readonly cluster: string;
  /** All voters' ids, ascending; this node's among them if it is one. */
  readonly voters: readonly NodeId[];
  /** Of a watcher: whom it follows in place of the leader, in this order. */
  readonly upstreams: readonly NodeId[];
  /** Absolute. */
  readonly dataDir: string;
  readonly secret: string | null;
  readonly timings: Timings;
  /** The log grows by about this much between two checkpoints. */
  readonly checkpointBytes: number;
  /** Counts an empty data directory as a voter that never promised anything. Dangerous. */
  readonly trustEmpty: boolean;
  /** Web pages of these origins may use the request port. */
  readonly allowedOrigins: readonly string[];
  /** Names, besides IP addresses and localhost, under which the request port answers. */
  readonly allowedHosts: readonly string[];
  /** For ZooKeeper's clients. */
  readonly zookeeper: ZookeeperConfig;
  /** The port for clients that speak TLS. */
  readonly tls: TlsConfig | null;
  readonly log: { readonly level: LogThreshold; readonly format: LogFormat };
  /** What was ignored, and what somebody should look at. Logged at start. */
  readonly warnings: readonly string[];
}

const DEFAULTS = {
  cluster: "quorate",
  checkpointBytes: 32 * 1024 * 1024,
  trustEmpty: false,
  log: { level: "info", format: "auto" },
} as const;

/**
 * Merges the sources (flag over environment over file over default), checks every value and every
 * relation, and freezes the result.
 * @throws ERR_CONFIG_FILE, ERR_CONFIG_UNKNOWN_KEY (with the nearest known key), ERR_CONFIG_VALUE,
 * ERR_CONFIG_RELATION, ERR_CONFIG_INSECURE; of a zoo.cfg ERR_CONFIG_UNSUPPORTED.
 */
export function loadConfig(sources: ConfigSources): NodeConfig {
  return configOf(readLayers(sources));
}

/** As {@link loadConfig}, of settings that the calling program has merged already. */
export function buildConfig(settings: RawSettings): NodeConfig {
  const located = locateObject(settings, () => ({ kind: "program" }));
  return configOf({ settings: located, warnings: [], patience: null, isZooCfg: false });
}

export function configOf(layers: Layers): NodeConfig {
  const { settings } = layers;
  const input = checkSettings(settings);
  if (input.nodeId === undefined) throw missing("nodeId");
  if (input.dataDir === undefined) throw missing("dataDir");
  const nodeId = toNodeId(input.nodeId);
  const { host, peers, members } = withPlace(settings, () => membersOf(input, nodeId));
  const { secret, warnings } = withPlace(settings, () => secretOf(input));
  const where = hostSetting(input, nodeId);
  withPlace(settings, () => refuseInsecure(host, secret, { isZooCfg: layers.isZooCfg, where }));
  const tls = withPlace(settings, () => tlsOf(input.tls));
  if (tls !== null) withPlace(settings, () => refuseExposed("tls.addr", tls.address, secret));
  return deepFreeze({
    nodeId,
    role: host.role,
    cluster: input.cluster ?? DEFAULTS.cluster,
    host,
    peers,
    members,
    voters: members.filter(({ role }) => role === "voter").map(({ id }) => id),
    upstreams: withPlace(settings, () => upstreamsOf(input, host, peers)),
    dataDir: resolve(input.dataDir),
    secret,
    timings: timingsOf(input, layers),
    checkpointBytes: input.checkpointBytes ?? DEFAULTS.checkpointBytes,
    trustEmpty: input.trustEmpty ?? DEFAULTS.trustEmpty,
    allowedOrigins: input.allowedOrigins ?? [],
    allowedHosts: input.allowedHosts ?? [],
    zookeeper: withPlace(settings, () => zookeeperOf(input.zookeeper)),
    tls,
    log: {
      level: input.log?.level ?? DEFAULTS.log.level,
      format: input.log?.format ?? DEFAULTS.log.format,
    },
    warnings: [
      ...layers.warnings,
      ...warnings,
      ...passwordWarnings(input),
      ...packetWarnings(input, settings),
    ],
  });
}

/** Of the file of passwords, which was read before. */
function passwordWarnings({ zookeeper }: ConfigInput): readonly string[] {
  const file = zookeeper?.saslPasswordsFile;
  return file === undefined ? [] : publicWarnings("the file of passwords", file);
}

/** Whoever raises the bound of packets wants longer data, and would learn only from a refusal. */
function packetWarnings({ zookeeper }: ConfigInput, settings: LocatedObject): readonly string[] {
  if ((zookeeper?.juteMaxBuffer ?? 0) <= ZNODE_DATA_BYTES_MAX) return [];
  const place = placeOf(settings, ["zookeeper", "juteMaxBuffer"]);
  const bound = `the data of a node has at most ${ZNODE_DATA_BYTES_MAX} bytes all the same`;
  return [`jute.maxbuffer lets longer requests in, but ${bound}${place}`];
}

/** For the start-up message: everything but the secret. */
export function describeConfig(config: NodeConfig): Readonly<Record<string, unknown>> {
  const member = (at: Member): Record<string, unknown> => ({
    id: at.id,
    role: at.role,
    electionAddr: formatAddress(at.election),
    messageAddr: formatAddress(at.message),
    requestAddr: formatAddress(at.request),
  });
  const { members: _members, warnings: _warnings, ...rest } = config;
  return {
    ...rest,
    host: member(config.host),
    peers: config.peers.map(member),
    secret: masked(config.secret),
    tls: describeTls(config.tls),
    zookeeper: {
      ...config.zookeeper,
      superDigest: masked(config.zookeeper.superDigest),
      saslPasswords: masked(config.zookeeper.saslPasswords),
    },
  };
}

function describeTls(tls: TlsConfig | null): Readonly<Record<string, unknown>> | null {
  if (tls === null) return null;
  return {
    ...tls,
    address: formatAddress(tls.address),
    keyStorePassword: masked(tls.keyStorePassword),
    trustStorePassword: masked(tls.trustStorePassword),
  };
}

function masked(secret: string | object | null): string | null {
  return secret === null ? null : "[redacted]";
}

function timingsOf(input: ConfigInput, { settings, patience }: Layers): Timings {
  const given = Object.entries(input.timings ?? {}).filter(([, value]) => value !== undefined);
  let timings: Timings;
  try {
    // Absent keys must not hide defaults.
    timings = checkTimings({ ...DEFAULT_TIMINGS, ...(Object.fromEntries(given) as object) });
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error;
    const places = Object.entries(error.details).map(
      ([key, value]) => `${key} ${String(value)}${placeOf(settings, ["timings", key])}`,
    );
    throw new QuorateError(error.code, `${error.message}: ${places.join(", ")}`, {
      details: error.details,
    });
  }
  const { followerTimeoutMs } = timings;
  if (patience === null || followerTimeoutMs <= patience.ms) return timings;
  const place = placeOf(settings, ["timings", "followerTimeoutMs"]);
  throw new QuorateError(
    "ERR_CONFIG_RELATION",
    `followerTimeoutMs ${followerTimeoutMs}${place} must not exceed ` +
      `the ${patience.ms} ms of ${patience.from}`,
  );
}

function missing(key: string): QuorateError {
  return new QuorateError("ERR_CONFIG_VALUE", `${key}: is required`, { details: { key } });
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}
