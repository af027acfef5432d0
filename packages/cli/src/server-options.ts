import { parseArgs } from "node:util";
import type { ConfigSources } from "@quorate/node";
import { usageError } from "./report.js";

interface ServerOption {
  readonly type: "string" | "boolean";
  /** What stands for the value in the help. */
  readonly argument?: string;
  readonly describe: string;
  readonly choices?: readonly string[];
}

/** What decides a node's configuration on the command line: `server` and `config` share it. */
export const SERVER_OPTIONS = {
  config: { type: "string", argument: "FILE", describe: "JSON; see docs/configuration.md" },
  "zoo-cfg": {
    type: "string",
    argument: "FILE",
    describe: "ZooKeeper's, with myid in its dataDir",
  },
  "node-id": { type: "string", argument: "N", describe: "1..254" },
  role: {
    type: "string",
    argument: "ROLE",
    describe: "voter or watcher, of a node that the list does not name",
    choices: ["voter", "watcher"],
  },
  upstreams: {
    type: "string",
    argument: "IDS",
    describe: "of a watcher: whom to follow in place of the leader, as 5,4",
  },
  "data-dir": { type: "string", argument: "DIR", describe: "holds nothing but this node's store" },
  cluster: { type: "string", argument: "NAME", describe: "nodes of another name are refused" },
  "secret-file": { type: "string", argument: "FILE", describe: "the secret that all nodes share" },
  "log-level": {
    type: "string",
    argument: "LEVEL",
    describe: "error, warn, info or debug",
    choices: ["error", "warn", "info", "debug"],
  },
  "log-format": {
    type: "string",
    argument: "FORMAT",
    describe: "auto, human or json",
    choices: ["auto", "human", "json"],
  },
  "trust-empty": {
    type: "boolean",
    describe: "counts an empty data directory as a voter; dangerous",
  },
} as const satisfies Readonly<Record<string, ServerOption>>;

type OptionName = keyof typeof SERVER_OPTIONS;
export type ServerValues = { readonly [Name in OptionName]?: string | boolean | undefined };

export function serverOptionsHelp(): string {
  const lines = Object.entries<ServerOption>(SERVER_OPTIONS).map(
    ([name, { argument, describe }]) => {
      const flag = argument === undefined ? `--${name}` : `--${name} ${argument}`;
      return `  ${flag.padEnd(22)} ${describe}`;
    },
  );
  return [...lines, "  --help"].join("\n");
}

/** @throws on an unknown or incomplete option, or one that is given twice. */
export function parseServerArgs(
  args: readonly string[],
): ServerValues & { readonly help?: boolean | undefined } {
  const known = Object.entries<ServerOption>(SERVER_OPTIONS);
  const options = Object.fromEntries(known.map(([name, { type }]) => [name, { type }]));
  const { values, tokens } = parseArgs({
    args: [...args],
    allowPositionals: false,
    tokens: true,
    options: { ...options, help: { type: "boolean", short: "h" } },
  });
  const names = tokens.flatMap((token) => (token.kind === "option" ? [token.name] : []));
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw usageError(`--${twice} is given twice`);
  return values;
}

export function configSources(
  values: ServerValues,
  env: Readonly<Record<string, string | undefined>>,
): ConfigSources {
  const text = (name: OptionName): string | undefined => {
    const value = values[name];
    return typeof value === "string" ? value : undefined;
  };
  const nodeId = text("node-id");
  const file = text("config");
  const zooCfg = text("zoo-cfg");
  const flags = {
    // What is no number is refused as it was written.
    nodeId: nodeId !== undefined && /^\d{1,15}$/.test(nodeId) ? Number(nodeId) : nodeId,
    role: text("role"),
    upstreams: text("upstreams")
      ?.split(",")
      .map((id) => (/^\d{1,15}$/.test(id) ? Number(id) : id)),
    dataDir: text("data-dir"),
    cluster: text("cluster"),
    secretFile: text("secret-file"),
    trustEmpty: values["trust-empty"],
    log: { level: text("log-level"), format: text("log-format") },
  };
  return {
    flags,
    env,
    ...(file === undefined ? {} : { file }),
    ...(zooCfg === undefined ? {} : { zooCfg }),
  };
}
