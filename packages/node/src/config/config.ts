import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { z } from "zod";
import {
  checkTimings,
  DEFAULT_TIMINGS,
  ENSEMBLE_SIZE_MAX,
  QuorateError,
  toNodeId,
  type NodeId,
  type Timings,
} from "@quorate/protocol";
import { formatAddress, isLoopback, parseAddress, type Address } from "./address.js";
import { configSchema, type ConfigInput } from "./schema.js";
import { mergeSettings, readConfigFile, readEnvironment, unknownKey } from "./sources.js";
import type { RawSettings } from "./sources.js";

export type LogFormat = "auto" | "human" | "json";
export type LogThreshold = "error" | "warn" | "info" | "debug";

/** What a member is by configuration; who leads among the voters is for them to elect. */
export type MemberRole = "voter" | "watcher";

/** One member of the ensemble, and where it is reached. */
export interface Member {
  readonly id: NodeId;
  readonly role: MemberRole;
  /** Ballots, UDP. */
  readonly election: Address;
  /** Peers, WebSocket. */
  readonly message: Address;
  /** Native clients and status, HTTP and WebSocket. */
  readonly request: Address;
}

/** The configuration of one node: complete, checked and frozen. */
export interface NodeConfig {
  readonly nodeId: NodeId;
  readonly role: MemberRole;
  readonly cluster: string;
  /** What this node binds. */
  readonly host: Member;
  /** Every other member that is listed, as this node reaches it. */
  readonly peers: readonly Member[];
  /** All members by id, as others reach them: this node as the list names it, else as it binds. */
  readonly members: readonly Member[];
  /** All voters' ids, ascending; this node's among them if it is one. */
  readonly voters: readonly NodeId[];
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
  readonly log: { readonly level: LogThreshold; readonly format: LogFormat };
}

export interface ConfigSources {
  /** Strongest. */
  readonly flags?: RawSettings;
  /** Its QUORATE_* variables come next. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** A JSON file comes last, before the defaults. */
  readonly file?: string;
}

const DEFAULTS = {
  cluster: "quorate",
  checkpointBytes: 64 * 1024 * 1024,
  trustEmpty: false,
  log: { level: "info", format: "auto" },
} as const;

/**
 * Merges the sources (flag over environment over file over default), checks every value and every
 * relation, and freezes the result.
 * @throws ERR_CONFIG_FILE, ERR_CONFIG_UNKNOWN_KEY (with the nearest known key), ERR_CONFIG_VALUE,
 * ERR_CONFIG_RELATION, ERR_CONFIG_INSECURE.
 */
export function loadConfig(sources: ConfigSources): NodeConfig {
  const file = sources.file === undefined ? {} : readConfigFile(sources.file);
  const env = readEnvironment(sources.env ?? {});
  return buildConfig(mergeSettings(mergeSettings(file, env), sources.flags ?? {}));
}

/** As {@link loadConfig}, of settings that are merged already. */
export function buildConfig(settings: RawSettings): NodeConfig {
  const input = parseSettings(settings);
  if (input.nodeId === undefined) throw missing("nodeId");
  if (input.dataDir === undefined) throw missing("dataDir");
  const nodeId = toNodeId(input.nodeId);
  const { host, peers, members } = membersOf(input, nodeId);
  const secret = secretOf(input);
  refuseInsecure(host, secret);
  return deepFreeze({
    nodeId,
    role: host.role,
    cluster: input.cluster ?? DEFAULTS.cluster,
    host,
    peers,
    members,
    voters: members.filter(({ role }) => role === "voter").map(({ id }) => id),
    dataDir: resolve(input.dataDir),
    secret,
    timings: checkTimings({ ...DEFAULT_TIMINGS, ...defined(input.timings ?? {}) }),
    checkpointBytes: input.checkpointBytes ?? DEFAULTS.checkpointBytes,
    trustEmpty: input.trustEmpty ?? DEFAULTS.trustEmpty,
    allowedOrigins: input.allowedOrigins ?? [],
    allowedHosts: input.allowedHosts ?? [],
    log: {
      level: input.log?.level ?? DEFAULTS.log.level,
      format: input.log?.format ?? DEFAULTS.log.format,
    },
  });
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
  const { members: _, ...rest } = config;
  return {
    ...rest,
    host: member(config.host),
    peers: config.peers.map(member),
    secret: config.secret === null ? null : "[redacted]",
  };
}

function parseSettings(settings: RawSettings): ConfigInput {
  const result = configSchema.safeParse(settings);
  if (result.success) return result.data;
  // An unknown key often explains the missing one beside it: it is named first.
  const issues = result.error.issues;
  const issue = issues.find(({ code }) => code === "unrecognized_keys") ?? issues[0];
  if (issue?.code === "unrecognized_keys") {
    throw unknownKey(issue.keys[0] ?? "", knownKeysAt(issue.path), whereOf(issue.path));
  }
  const path = (issue?.path ?? []).join(".");
  throw new QuorateError("ERR_CONFIG_VALUE", `${path}: ${issue?.message ?? "is not valid"}`, {
    details: { key: path },
  });
}

function whereOf(path: readonly PropertyKey[]): string {
  return path.length === 0 ? "setting" : `setting in ${path.join(".")}`;
}

/** The keys that the schema knows where an unknown one was found. */
function knownKeysAt(path: readonly PropertyKey[]): readonly string[] {
  let at: z.core.$ZodType | undefined = configSchema;
  for (const step of path) {
    at = unwrap(at);
    const def: z.core.$ZodTypes["_zod"]["def"] | undefined = (at as z.core.$ZodTypes | undefined)
      ?._zod.def;
    if (def?.type === "array") at = def.element;
    else if (def?.type === "object") at = def.shape[String(step)];
    else return [];
  }
  const def = (unwrap(at) as z.core.$ZodTypes | undefined)?._zod.def;
  return def?.type === "object" ? Object.keys(def.shape) : [];
}

function unwrap(type: z.core.$ZodType | undefined): z.core.$ZodType | undefined {
  const def = (type as z.core.$ZodTypes | undefined)?._zod.def;
  return def?.type === "optional" ? unwrap(def.innerType) : type;
}

function membersOf(
  input: ConfigInput,
  nodeId: NodeId,
): Pick<NodeConfig, "host" | "peers" | "members"> {
  const listed = input.peers ?? [];
  const ids = listed.map((peer) => peer.id);
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice !== undefined) {
    throw new QuorateError("ERR_CONFIG_RELATION", `peers: id ${twice} is listed twice`);
  }
  // A list that names every member may be the same in all files; then it gives the host as well.
  const named = listed.find((peer) => peer.id === nodeId);
  const own = input.host ?? named;
  if (own === undefined) throw missing("host");
  const role = ownRole(input.role, named, nodeId);
  const host = memberOf(nodeId, { ...own, role }, "host");
  const peers = listed
    .filter((peer) => peer.id !== nodeId)
    .map((peer) => memberOf(toNodeId(peer.id), peer, `peers ${peer.id}`));
  refuseSharedAddresses([host, ...peers]);
  const self = named === undefined ? host : memberOf(nodeId, { ...named, role }, `peers ${nodeId}`);
  const members = [self, ...peers].sort((a, b) => a.id - b.id);
  refuseVoterCount(members.filter((member) => member.role === "voter").length);
  return { host, peers, members };
}

/** All nodes must agree on who votes, so the list that they share has the say. */
function ownRole(
  role: MemberRole | undefined,
  named: { readonly role?: MemberRole | undefined } | undefined,
  nodeId: NodeId,
): MemberRole {
  if (named === undefined) return role ?? "voter";
  const listed = named.role ?? "voter";
  if (role === undefined || role === listed) return listed;
  throw new QuorateError(
    "ERR_CONFIG_RELATION",
    `role: this node is to be a ${role}, and peers lists node ${nodeId} as a ${listed}`,
  );
}

function refuseVoterCount(count: number): void {
  if (count > ENSEMBLE_SIZE_MAX) {
    throw new QuorateError("ERR_CONFIG_VALUE", `an ensemble has 1..${ENSEMBLE_SIZE_MAX} voters`);
  }
  if (count === 0) {
    throw new QuorateError(
      "ERR_CONFIG_RELATION",
      "peers: names no voter, and watchers alone elect nobody",
    );
  }
}

type RawMember = Omit<NonNullable<ConfigInput["peers"]>[number], "id">;

function memberOf(id: NodeId, raw: RawMember, where: string): Member {
  return {
    id,
    role: raw.role ?? "voter",
    election: parseAddress(raw.electionAddr, `${where}.electionAddr`),
    message: parseAddress(raw.messageAddr, `${where}.messageAddr`),
    request: parseAddress(raw.requestAddr, `${where}.requestAddr`),
  };
}

function refuseSharedAddresses(members: readonly Member[]): void {
  const seen = new Map<string, string>();
  for (const member of members) {
    // Election is UDP and does not collide with the TCP ports.
    for (const kind of ["election", "message", "request"] as const) {
      if (member[kind].port === 0) continue;
      const protocol = kind === "election" ? "udp" : "tcp";
      const address = formatAddress(member[kind]);
      const name = `${kind}Addr of node ${member.id}`;
      const other = seen.get(`${protocol} ${address}`);
      if (other !== undefined) {
        throw new QuorateError("ERR_CONFIG_RELATION", `${name} is also the ${other}: ${address}`);
      }
      seen.set(`${protocol} ${address}`, name);
    }
  }
}

const SECRET_FILE_BYTES_MAX = 4096;

function secretOf(input: ConfigInput): string | null {
  if (input.secret !== undefined && input.secretFile !== undefined) {
    throw new QuorateError("ERR_CONFIG_RELATION", "give secret or secretFile, not both");
  }
  if (input.secretFile === undefined) return input.secret ?? null;
  let text: string;
  try {
    text = readFileSync(input.secretFile, "utf8").trim();
  } catch (cause) {
    throw new QuorateError("ERR_CONFIG_FILE", `cannot read the secret file ${input.secretFile}`, {
      cause,
    });
  }
  if (text.length < 16 || text.length > SECRET_FILE_BYTES_MAX) {
    throw new QuorateError("ERR_CONFIG_VALUE", "secretFile: a secret has 16..4096 characters");
  }
  return text;
}

function refuseInsecure(host: Member, secret: string | null): void {
  if (secret !== null) return;
  for (const kind of ["election", "message", "request"] as const) {
    if (isLoopback(host[kind].host)) continue;
    throw new QuorateError(
      "ERR_CONFIG_INSECURE",
      `${kind}Addr ${formatAddress(host[kind])} is reachable from other machines and no secret ` +
        "is set, so anyone there could vote or write; " +
        "set secret or secretFile, or bind to 127.0.0.1",
      { details: { address: formatAddress(host[kind]) } },
    );
  }
}

function missing(key: string): QuorateError {
  return new QuorateError("ERR_CONFIG_VALUE", `${key}: is required`, { details: { key } });
}

/** Drops absent keys, which would otherwise hide defaults. */
function defined(values: NonNullable<ConfigInput["timings"]>): Partial<Timings> {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries);
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}
