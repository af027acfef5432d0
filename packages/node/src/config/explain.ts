import { formatAddress } from "./address.js";
import { configOf, type NodeConfig } from "./config.js";
import { readLayers, type ConfigSources } from "./layers.js";
import { valueAt, type Located, type LocatedObject, type Origin } from "./located.js";
import type { Member } from "./members.js";
import { SECRET_KEY } from "../log/redact.js";

/** One setting: as it is in force, and where it comes from. */
export interface ExplainedSetting {
  /** As in the configuration file, with dots between levels. */
  readonly key: string;
  readonly value: string | number | boolean | null | readonly string[];
  readonly origin: Origin;
}

export interface ExplainedConfig {
  readonly config: NodeConfig;
  readonly settings: readonly ExplainedSetting[];
}

const DEFAULT: Origin = { kind: "default" };

/** As `loadConfig`, with the origin of every value and a masked secret; throws the same. */
export function explainConfig(sources: ConfigSources): ExplainedConfig {
  const layers = readLayers(sources);
  const config = configOf(layers);
  const rows = [...rowsOf(config, layers.settings)];
  const settings = rows.map(([key, value, path]) => ({
    key,
    value,
    origin: valueAt(layers.settings, path ?? key.split("."))?.origin ?? DEFAULT,
  }));
  return { config, settings };
}

/**
 * What the sources give, merged and not checked, without defaults: for whoever looks for the
 * mistake that `explainConfig` throws. @throws what cannot be read at all, as `explainConfig` does.
 */
export function explainGiven(sources: ConfigSources): readonly ExplainedSetting[] {
  return [...givenAt(readLayers(sources).settings, [])];
}

function* givenAt(located: Located, path: readonly string[]): Generator<ExplainedSetting> {
  if (located.kind === "scalar") {
    // Also what is not known: it may be a secret whose key is mistyped.
    const isSecret = path.some((step) => SECRET_KEY.test(step) && step !== "secretFile");
    const { value, origin } = located;
    yield { key: path.join("."), value: isSecret ? "[redacted]" : value, origin };
    return;
  }
  const inner = located.kind === "object" ? located.fields : located.items.entries();
  for (const [step, field] of inner) yield* givenAt(field, [...path, String(step)]);
}

/** A key, its value, and the path of what it was taken from if that is another. */
type Row = readonly [
  key: string,
  value: ExplainedSetting["value"],
  path?: readonly string[] | undefined,
];

function* rowsOf(config: NodeConfig, settings: LocatedObject): Generator<Row> {
  const ids = listedIds(settings);
  const own = ids.indexOf(config.nodeId);
  const fromList = (key: string): string[] | undefined =>
    own === -1 ? undefined : ["peers", String(own), key];
  yield ["nodeId", config.nodeId];
  yield ["role", config.role, fromList("role")];
  yield ["cluster", config.cluster];
  yield ["dataDir", config.dataDir];
  const isHostGiven = valueAt(settings, ["host"]) !== undefined;
  for (const [key, value] of addressesOf(config.host)) {
    yield [`host.${key}`, value, isHostGiven ? undefined : fromList(key)];
  }
  for (const [index, id] of ids.entries()) {
    const member = config.members.find((candidate) => candidate.id === id);
    if (member === undefined) continue;
    yield [`peers.${index}.id`, id];
    yield [`peers.${index}.role`, member.role];
    for (const [key, value] of addressesOf(member)) yield [`peers.${index}.${key}`, value];
  }
  yield ["upstreams", config.upstreams.map(String)];
  const isFile = valueAt(settings, ["secretFile"]) !== undefined;
  yield [
    "secret",
    config.secret === null ? null : "[redacted]",
    isFile ? ["secretFile"] : undefined,
  ];
  for (const [key, value] of Object.entries(config.timings))
    yield [`timings.${key}`, Number(value)];
  yield ["checkpointBytes", config.checkpointBytes];
  yield ["trustEmpty", config.trustEmpty];
  yield ["allowedOrigins", config.allowedOrigins];
  yield ["allowedHosts", config.allowedHosts];
  yield* zookeeperRows(config, settings);
  yield* tlsRows(config, settings);
  yield ["log.level", config.log.level];
  yield ["log.format", config.log.format];
}

function* zookeeperRows({ zookeeper }: NodeConfig, settings: LocatedObject): Generator<Row> {
  const { saslPasswords, ...rest } = zookeeper;
  for (const [key, value] of Object.entries(rest)) {
    const isSecret = SECRET_KEY.test(key) && value !== null;
    yield [`zookeeper.${key}`, isSecret ? "[redacted]" : value];
  }
  const file = ["zookeeper", "saslPasswordsFile"];
  yield [
    "zookeeper.saslPasswords",
    saslPasswords === null ? null : "[redacted]",
    valueAt(settings, file) === undefined ? undefined : file,
  ];
}

function* tlsRows({ tls }: NodeConfig, settings: LocatedObject): Generator<Row> {
  if (tls === null) {
    yield ["tls", null];
    return;
  }
  const { address, ...rest } = tls;
  yield ["tls.addr", formatAddress(address)];
  for (const [key, value] of Object.entries(rest)) {
    const isSecret = SECRET_KEY.test(key) && value !== null;
    const isFile = valueAt(settings, ["tls", `${key}File`]) !== undefined;
    yield [
      `tls.${key}`,
      isSecret ? "[redacted]" : value,
      isFile ? ["tls", `${key}File`] : undefined,
    ];
  }
}

function listedIds(settings: LocatedObject): number[] {
  const peers = valueAt(settings, ["peers"]);
  if (peers?.kind !== "list") return [];
  return peers.items.map((item) => {
    const id = valueAt(item, ["id"]);
    return id?.kind === "scalar" ? Number(id.value) : 0;
  });
}

function addressesOf(member: Member): readonly (readonly [key: string, value: string])[] {
  return [
    ["electionAddr", formatAddress(member.election)],
    ["messageAddr", formatAddress(member.message)],
    ["requestAddr", formatAddress(member.request)],
  ];
}
