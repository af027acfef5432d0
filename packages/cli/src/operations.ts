import { op, type CreateSettings, type MultiOp } from "@quorate/client";
import { parseAcl } from "./acl-text.js";
import { usageError } from "./report.js";
import { wordsOf } from "./words.js";

export interface CreateFlags {
  readonly ephemeral?: boolean;
  readonly sequential?: boolean;
  readonly container?: boolean;
  readonly ttl?: number | undefined;
  readonly acl?: string | undefined;
}

const FLAGS = ["--ephemeral", "--sequential", "--container"] as const;

/** @throws ERR_ARG_VALUE for flags that exclude each other. */
export function createSettingsOf(flags: CreateFlags): CreateSettings {
  const acl = flags.acl === undefined ? {} : { acl: parseAcl(flags.acl) };
  const { ephemeral = false, sequential = false, container = false, ttl } = flags;
  const kinds = [ephemeral, container, ttl !== undefined].filter(Boolean).length;
  if (kinds > 1 || (container && sequential)) {
    throw usageError(
      "--ephemeral, --container and --ttl exclude each other; --container also --sequential",
    );
  }
  if (ttl !== undefined) return { mode: sequential ? "ttlSequential" : "ttl", ttlMs: ttl, ...acl };
  if (container) return { mode: "container", ...acl };
  if (ephemeral) return { mode: sequential ? "ephemeralSequential" : "ephemeral", ...acl };
  return sequential ? { mode: "persistentSequential", ...acl } : acl;
}

/** `create [--sequential ...] PATH [DATA]`, from its words. @throws ERR_ARG_VALUE. */
export function parseCreate(words: readonly string[]): {
  readonly path: string;
  readonly data: string | undefined;
  readonly flags: CreateFlags;
} {
  const flags: { -readonly [Key in keyof CreateFlags]: CreateFlags[Key] } = {};
  const rest: string[] = [];
  for (let i = 0; i < words.length; i += 1) {
    const word = words[i] ?? "";
    const isFlag = word.startsWith("--") && rest.length < 2;
    if (!isFlag) rest.push(word);
    else if (FLAGS.some((flag) => flag === word)) {
      flags[word.slice(2) as "ephemeral" | "sequential" | "container"] = true;
    } else if (word === "--ttl" || word === "--acl") {
      const value = words[(i += 1)];
      if (value === undefined) throw usageError(`${word} needs a value`);
      if (word === "--acl") flags.acl = value;
      else flags.ttl = integerOf("--ttl", value);
    } else throw usageError(`unknown option ${word}`);
  }
  const [path, data, ...others] = rest;
  if (path === undefined || others.length > 0) throw usageError("create PATH [DATA]");
  return { path, data, flags };
}

/** `check PATH [VERSION]`, `set PATH DATA [VERSION]` and so on, or the same in JSON. */
export function parseOperation(text: string): MultiOp {
  return text.trimStart().startsWith("{") ? fromJson(text) : fromWords(wordsOf(text));
}

function fromWords([verb, ...words]: readonly string[]): MultiOp {
  if (verb === "create") {
    const { path, data, flags } = parseCreate(words);
    return op.create(path, bytesOf(data ?? ""), createSettingsOf(flags));
  }
  const [path, second, third] = words;
  const max = verb === "set" ? 3 : 2;
  if (path === undefined || words.length > max) throw usageError(FORMS);
  if (verb === "set" && second !== undefined) {
    return op.set(path, bytesOf(second), optionalInteger(third));
  }
  if (verb === "delete") return op.delete(path, optionalInteger(second));
  if (verb === "check") return op.check(path, optionalInteger(second));
  throw usageError(FORMS);
}

export const FORMS =
  "an operation is `create [--sequential] PATH [DATA]`, `set PATH DATA [VERSION]`, " +
  "`delete PATH [VERSION]` or `check PATH [VERSION]`, or the same in JSON";

function fromJson(text: string): MultiOp {
  const given = objectOf(text);
  const known = ["kind", "path", "data", "encoding", "version", "mode", "ttlMs", "acl"];
  const stray = Object.keys(given).find((key) => !known.includes(key));
  if (stray !== undefined) throw usageError(`unknown key ${JSON.stringify(stray)}`);
  const { kind, path, version } = given;
  if (typeof path !== "string") throw usageError("path is a text");
  if (version !== undefined && typeof version !== "number") throw usageError("version is a number");
  if (kind === "create") return op.create(path, dataOf(given), createOf(given));
  if (kind === "set") return op.set(path, dataOf(given), version);
  if (kind === "delete") return op.delete(path, version);
  if (kind === "check") return op.check(path, version);
  throw usageError("kind is create, set, delete or check");
}

function createOf({ mode, ttlMs, acl }: Readonly<Record<string, unknown>>): CreateSettings {
  if (acl !== undefined && typeof acl !== "string") throw usageError("acl is a text");
  if (ttlMs !== undefined && typeof ttlMs !== "number") throw usageError("ttlMs is a number");
  if (mode !== undefined && typeof mode !== "string") throw usageError("mode is a text");
  return {
    // Whether there is such a mode is for the client to say.
    ...(mode === undefined ? {} : { mode: mode as NonNullable<CreateSettings["mode"]> }),
    ...(ttlMs === undefined ? {} : { ttlMs }),
    ...(acl === undefined ? {} : { acl: parseAcl(acl) }),
  };
}

function dataOf({ data = "", encoding = "utf8" }: Readonly<Record<string, unknown>>): Uint8Array {
  if (typeof data !== "string") throw usageError("data is a text");
  if (encoding === "base64") return Buffer.from(data, "base64");
  if (encoding !== "utf8") throw usageError("encoding is utf8 or base64");
  return bytesOf(data);
}

function objectOf(text: string): Readonly<Record<string, unknown>> {
  const refused = usageError(`no object in JSON: ${JSON.stringify(text.slice(0, 100))}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refused;
  }
  if (typeof value !== "object" || value === null) throw refused;
  return value as Record<string, unknown>;
}

function optionalInteger(text: string | undefined): number | undefined {
  return text === undefined ? undefined : integerOf("a version", text);
}

export function integerOf(what: string, text: string): number {
  if (!/^-?\d{1,15}$/.test(text))
    throw usageError(`${what} is an integer, not ${JSON.stringify(text)}`);
  return Number(text);
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
