import { readFileSync } from "node:fs";
import { QuorateError } from "@quorate/protocol";
import { nearestOf } from "./nearest.js";

/** A tree of settings as one source gives it, not yet checked. */
export type RawSettings = Readonly<Record<string, unknown>>;

const CONFIG_FILE_BYTES_MAX = 1024 * 1024;

type Kind = "text" | "number" | "flag" | "json";

/** Environment variables and the settings they give. */
const ENVIRONMENT: Readonly<Record<string, readonly [path: readonly string[], kind: Kind]>> = {
  QUORATE_NODE_ID: [["nodeId"], "number"],
  QUORATE_ROLE: [["role"], "text"],
  QUORATE_CLUSTER: [["cluster"], "text"],
  QUORATE_HOST: [["host"], "json"],
  QUORATE_PEERS: [["peers"], "json"],
  QUORATE_DATA_DIR: [["dataDir"], "text"],
  QUORATE_SECRET: [["secret"], "text"],
  QUORATE_SECRET_FILE: [["secretFile"], "text"],
  QUORATE_TIMINGS: [["timings"], "json"],
  QUORATE_CHECKPOINT_BYTES: [["checkpointBytes"], "number"],
  QUORATE_TRUST_EMPTY: [["trustEmpty"], "flag"],
  QUORATE_ALLOWED_ORIGINS: [["allowedOrigins"], "json"],
  QUORATE_ALLOWED_HOSTS: [["allowedHosts"], "json"],
  QUORATE_LOG_LEVEL: [["log", "level"], "text"],
  QUORATE_LOG_FORMAT: [["log", "format"], "text"],
};

export const ENVIRONMENT_NAMES = Object.keys(ENVIRONMENT);

/** Variables of that prefix which other commands read. */
const FOREIGN = new Set(["QUORATE_SERVER"]);

/** @throws ERR_CONFIG_FILE when it cannot be read or is not a JSON object. */
export function readConfigFile(path: string): RawSettings {
  const fail = (why: string, cause?: unknown): QuorateError =>
    new QuorateError("ERR_CONFIG_FILE", `cannot read the configuration file ${path}: ${why}`, {
      cause,
    });
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw fail(error instanceof Error ? error.message : String(error), error);
  }
  if (text.length > CONFIG_FILE_BYTES_MAX) throw fail("it is larger than 1 MiB");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // The parser's message quotes the text, which may hold the secret.
    throw fail(`it is not JSON${positionIn(error)}`);
  }
  if (!isSettings(value)) throw fail("it is not a JSON object");
  return value;
}

/** @throws ERR_CONFIG_UNKNOWN_KEY, ERR_CONFIG_VALUE. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): RawSettings {
  let settings: RawSettings = {};
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith("QUORATE_") || FOREIGN.has(name) || text === undefined) continue;
    const entry = ENVIRONMENT[name];
    if (entry === undefined) throw unknownKey(name, ENVIRONMENT_NAMES, "environment variable");
    const [path, kind] = entry;
    settings = mergeSettings(settings, nest(path, convert(name, text, kind)));
  }
  return settings;
}

/** Later settings win; objects are merged key by key, lists are replaced. */
export function mergeSettings(under: RawSettings, over: RawSettings): RawSettings {
  const merged: Record<string, unknown> = { ...under };
  for (const [key, value] of Object.entries(over)) {
    if (value === undefined) continue;
    const below = merged[key];
    merged[key] = isSettings(below) && isSettings(value) ? mergeSettings(below, value) : value;
  }
  return merged;
}

export function unknownKey(key: string, known: readonly string[], what: string): QuorateError {
  const nearest = nearestOf(key, known);
  const hint = nearest === undefined ? "" : `; did you mean "${nearest}"?`;
  return new QuorateError("ERR_CONFIG_UNKNOWN_KEY", `unknown ${what} "${key}"${hint}`, {
    details: { key, ...(nearest === undefined ? {} : { nearest }) },
  });
}

function nest(path: readonly string[], value: unknown): RawSettings {
  const [head = "", ...rest] = path;
  return { [head]: rest.length === 0 ? value : nest(rest, value) };
}

function convert(name: string, text: string, kind: Kind): unknown {
  const fail = (wanted: string): QuorateError =>
    new QuorateError("ERR_CONFIG_VALUE", `${name} must be ${wanted}`);
  switch (kind) {
    case "text":
      return text;
    case "number": {
      if (!/^\d{1,15}$/.test(text)) throw fail("a whole number");
      return Number(text);
    }
    case "flag":
      if (text === "true" || text === "1") return true;
      if (text === "false" || text === "0") return false;
      throw fail("true or false");
    case "json":
      try {
        return JSON.parse(text) as unknown;
      } catch (error) {
        throw fail(`JSON${positionIn(error)}`);
      }
  }
}

function positionIn(error: unknown): string {
  const match = /position \d+(?: \(line \d+ column \d+\))?/.exec(
    error instanceof Error ? error.message : "",
  );
  return match === null ? "" : ` (at ${match[0]})`;
}

function isSettings(value: unknown): value is RawSettings {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
