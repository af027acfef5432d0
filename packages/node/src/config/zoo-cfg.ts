import { existsSync } from "node:fs";
import { join } from "node:path";
import { DEFAULT_TIMINGS, NODE_ID_MAX, QuorateError, type Timings } from "@quorate/protocol";
import { nearestOf } from "./nearest.js";
import { formatOrigin, locate, type Located, type LocatedObject } from "./located.js";
import { readText } from "./text-file.js";
import { CLIENT_KEYS, clientSettings, TICK_TIME_MS, tlsSettings } from "./zoo-clients.js";
import { nodeIdOf, serverIdOf, ZooEntries } from "./zoo-entries.js";
import { MAPPED_KEYS, refusalOfKey, warningOfKey } from "./zoo-keys.js";
import {
  hostOf,
  membersOf,
  notePeerType,
  serverLines,
  STANDALONE,
  standaloneHost,
  type ServerLine,
} from "./zoo-members.js";

/** Followers that are less patient elect for ever. */
const FOLLOWER_TIMEOUT_MS_MIN = 100;
/** In ZooKeeper's own directory, beside its `version-2`. */
const STORE_DIRECTORY = "quorate";

/** The longest that a follower may wait for its leader, and where that is said. */
export interface Patience {
  readonly ms: number;
  readonly from: string;
}

export interface ZooSettings {
  readonly settings: LocatedObject;
  readonly warnings: readonly string[];
  readonly patience: Patience | null;
}

/** What stronger sources say already, so that the file need not. */
export interface ZooOverrides {
  readonly nodeId?: unknown;
  readonly dataDir?: unknown;
}

/**
 * Reads a zoo.cfg, and `myid` beside its data, as settings of this node.
 * @throws ERR_CONFIG_FILE; ERR_CONFIG_VALUE, ERR_CONFIG_RELATION; ERR_CONFIG_UNSUPPORTED for a key
 * whose loss would change who counts or who may connect.
 */
export function readZooCfg(file: string, overrides: ZooOverrides): ZooSettings {
  const entries = new ZooEntries(file);
  judgeKeys(entries);
  const servers = serverLines(entries);
  const fields = new Map<string, Located>();
  if (overrides.dataDir === undefined) setIfGiven(fields, "dataDir", dataDirOf(entries));
  if (overrides.nodeId === undefined) setIfGiven(fields, "nodeId", nodeIdIn(entries, servers));
  const id = overrides.nodeId ?? valueOf(fields.get("nodeId"));
  if (servers.length === 0) fields.set("host", standaloneHost(entries));
  else readServers({ entries, servers, fields }, id);
  fields.set("zookeeper", clientSettings(entries));
  setIfGiven(fields, "tls", tlsSettings(entries));
  const patience = patienceOf(entries);
  if (patience !== null && patience.ms < DEFAULT_TIMINGS.followerTimeoutMs) {
    const { ms, from } = patience;
    fields.set(
      "timings",
      locate(impatient(ms), () => ({ kind: "derived", from })),
    );
  }
  const settings = { kind: "object", fields, origin: entries.at(1) } as const;
  return { settings, warnings: entries.warnings, patience };
}

function setIfGiven(fields: Map<string, Located>, key: string, value: Located | undefined): void {
  if (value !== undefined) fields.set(key, value);
}

function valueOf(located: Located | undefined): unknown {
  return located?.kind === "scalar" ? located.value : undefined;
}

function judgeKeys(entries: ZooEntries): void {
  for (const [key, { value, line }] of entries.all()) {
    const isRead = [...MAPPED_KEYS, ...CLIENT_KEYS].includes(key);
    if (isRead || serverIdOf(key) !== null) continue;
    const refusal = refusalOfKey(key, value);
    if (refusal !== null) {
      const what = `${key} must not be ignored, and cannot be heeded: ${refusal}`;
      throw entries.error("ERR_CONFIG_UNSUPPORTED", what, line);
    }
    entries.warn(warningOfKey(key), line);
  }
  const algorithm = entries.get("electionAlg");
  if (algorithm !== undefined && algorithm.value !== "3") {
    entries.warn("electionAlg has no effect here: there is one election", algorithm.line);
  }
  // Read for its mistakes alone: synchronisation is bounded by its lack of progress.
  entries.wholeNumber("initLimit");
}

function dataDirOf(entries: ZooEntries): Located | undefined {
  const log = entries.get("dataLogDir");
  const data = entries.get("dataDir");
  const place = log ?? data;
  if (data === undefined || place === undefined) throw noDataDir(entries);
  const directory = join(place.value, STORE_DIRECTORY);
  const old = [data, place].find(({ value }) => existsSync(join(value, "version-2")));
  // Clients would be told that their nodes do not exist.
  if (old !== undefined && !existsSync(directory)) {
    throw entries.error(
      "ERR_CONFIG_UNSUPPORTED",
      `${old.value} holds ZooKeeper's own data (version-2), which is not read: the tree would ` +
        "start empty. If that is meant, name this node's directory by --data-dir or " +
        "QUORATE_DATA_DIR",
      old.line,
    );
  }
  return { kind: "scalar", value: directory, origin: entries.at(place.line) };
}

function noDataDir(entries: ZooEntries): QuorateError {
  const keys = [...entries.all()].map(([key]) => key);
  const nearest = nearestOf(
    "dataDir",
    keys.filter((key) => key !== "dataLogDir"),
  );
  const hint = nearest === undefined ? "" : `; "${nearest}" is not known`;
  const line = nearest === undefined ? 1 : (entries.get(nearest)?.line ?? 1);
  return entries.bad("dataDir", `is required${hint}`, line);
}

function nodeIdIn(entries: ZooEntries, servers: readonly ServerLine[]): Located | undefined {
  const dataDir = entries.get("dataDir");
  const file = join(dataDir?.value ?? "", "myid");
  if (servers.length === 0 && (dataDir === undefined || !existsSync(file))) {
    return { kind: "scalar", value: 1, origin: STANDALONE };
  }
  if (dataDir === undefined) return undefined;
  const id = nodeIdOf(readText("this node's id", file).trim());
  if (id === null) {
    throw new QuorateError(
      "ERR_CONFIG_VALUE",
      `myid must hold a number in 1..${NODE_ID_MAX} and nothing else (${file}:1)`,
    );
  }
  return { kind: "scalar", value: id, origin: { kind: "file", file, line: 1 } };
}

function readServers(
  {
    entries,
    servers,
    fields,
  }: {
    readonly entries: ZooEntries;
    readonly servers: readonly ServerLine[];
    readonly fields: Map<string, Located>;
  },
  nodeId: unknown,
): void {
  const own = servers.find(({ id }) => id === nodeId);
  const [first] = servers;
  fields.set("peers", membersOf(entries, servers));
  // What a stronger source gives is no id: the check of the whole says so.
  if (own === undefined && nodeIdOf(String(nodeId)) === null) return;
  if (own === undefined) {
    const id = String(nodeId);
    const names = servers.map((server) => `server.${server.id}`).join(", ");
    throw entries.error(
      "ERR_CONFIG_RELATION",
      `server.${id} is missing: this node's id is ${id}, and there are ${names}`,
      first?.line ?? 1,
    );
  }
  fields.set("host", hostOf(entries, own));
  notePeerType(entries, own);
  entries.warn(
    `the election port ${own.electionPort} is UDP here, and TCP in ZooKeeper: ` +
      "let UDP through between the nodes",
    own.line,
  );
}

function patienceOf(entries: ZooEntries): Patience | null {
  const tickMs = entries.wholeNumber("tickTime") ?? TICK_TIME_MS;
  const limit = entries.wholeNumber("syncLimit");
  if (limit === undefined) return null;
  const ms = tickMs * limit;
  const line = entries.get("syncLimit")?.line ?? 1;
  if (ms < FOLLOWER_TIMEOUT_MS_MIN) {
    throw entries.error(
      "ERR_CONFIG_RELATION",
      `tickTime x syncLimit is ${ms} ms; below ${FOLLOWER_TIMEOUT_MS_MIN} ms nobody stays leader`,
      line,
    );
  }
  return { ms, from: `tickTime x syncLimit, ${formatOrigin(entries.at(line))}` };
}

/** The timings of a follower that waits no longer than this, in the proportions of the defaults. */
function impatient(ms: number): Pick<Timings, "followerTimeoutMs" | "leaseMs" | "heartbeatMs"> {
  const leaseMs = Math.floor((ms * 2) / 3);
  const heartbeatMs = Math.min(DEFAULT_TIMINGS.heartbeatMs, Math.floor(leaseMs / 3));
  return { followerTimeoutMs: ms, leaseMs, heartbeatMs };
}
