import { QuorateError } from "@quorate/protocol";
import { parseJson, TextError } from "./json-text.js";
import { mergeLocated, type Located, type LocatedObject } from "./located.js";
import { unknownKey } from "./nearest.js";

type Kind = "text" | "number" | "flag" | "json";

/** Environment variables and the settings they give. */
const ENVIRONMENT: Readonly<Record<string, readonly [path: readonly string[], kind: Kind]>> = {
  QUORATE_NODE_ID: [["nodeId"], "number"],
  QUORATE_ROLE: [["role"], "text"],
  QUORATE_CLUSTER: [["cluster"], "text"],
  QUORATE_HOST: [["host"], "json"],
  QUORATE_PEERS: [["peers"], "json"],
  QUORATE_UPSTREAMS: [["upstreams"], "json"],
  QUORATE_DATA_DIR: [["dataDir"], "text"],
  QUORATE_SECRET: [["secret"], "text"],
  QUORATE_SECRET_FILE: [["secretFile"], "text"],
  QUORATE_TIMINGS: [["timings"], "json"],
  QUORATE_CHECKPOINT_BYTES: [["checkpointBytes"], "number"],
  QUORATE_TRUST_EMPTY: [["trustEmpty"], "flag"],
  QUORATE_ALLOWED_ORIGINS: [["allowedOrigins"], "json"],
  QUORATE_ALLOWED_HOSTS: [["allowedHosts"], "json"],
  QUORATE_TLS: [["tls"], "json"],
  QUORATE_ZOOKEEPER: [["zookeeper"], "json"],
  QUORATE_LOG_LEVEL: [["log", "level"], "text"],
  QUORATE_LOG_FORMAT: [["log", "format"], "text"],
};

export const ENVIRONMENT_NAMES = Object.keys(ENVIRONMENT);

/** Variables of that prefix which other commands read or set. */
const FOREIGN = new Set(["QUORATE_SERVER", "QUORATE_TERM"]);

/** Kubernetes sets them in every container beside a Service that is named quorate. */
const OF_A_SERVICE = /^QUORATE_(?:SERVICE_HOST|SERVICE_PORT(?:_.+)?|PORT(?:_\d+_(?:TCP|UDP).*)?)$/;

/** @throws ERR_CONFIG_UNKNOWN_KEY, ERR_CONFIG_VALUE. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): LocatedObject {
  let settings: LocatedObject = {
    kind: "object",
    fields: new Map(),
    origin: { kind: "environment", name: "the environment" },
  };
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith("QUORATE_") || FOREIGN.has(name) || text === undefined) continue;
    if (OF_A_SERVICE.test(name)) continue;
    const entry = Object.hasOwn(ENVIRONMENT, name) ? ENVIRONMENT[name] : undefined;
    if (entry === undefined) throw unknownKey(name, ENVIRONMENT_NAMES, "environment variable");
    const [path, kind] = entry;
    settings = mergeLocated(settings, nest(path, convert(name, text, kind)));
  }
  return settings;
}

function nest(path: readonly string[], value: Located): LocatedObject {
  const [head = "", ...rest] = path;
  const inner = rest.length === 0 ? value : nest(rest, value);
  return { kind: "object", fields: new Map([[head, inner]]), origin: value.origin };
}

function convert(name: string, text: string, kind: Kind): Located {
  const origin = { kind: "environment", name } as const;
  const fail = (wanted: string): QuorateError =>
    new QuorateError("ERR_CONFIG_VALUE", `${name} must be ${wanted}`, { details: { key: name } });
  switch (kind) {
    case "text":
      return { kind: "scalar", value: text, origin };
    case "number": {
      if (!/^\d{1,15}$/.test(text)) throw fail("a whole number");
      return { kind: "scalar", value: Number(text), origin };
    }
    case "flag":
      if (text === "true" || text === "1") return { kind: "scalar", value: true, origin };
      if (text === "false" || text === "0") return { kind: "scalar", value: false, origin };
      throw fail("true or false");
    case "json":
      try {
        return parseJson(text, () => origin);
      } catch (error) {
        if (!(error instanceof TextError)) throw error;
        throw fail(`JSON (${error.message})`);
      }
  }
}
