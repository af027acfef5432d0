import { createClient, printableData, type QuorateClient } from "@quorate/client";
import { formatTxnid, QuorateError } from "@quorate/protocol";
import type { Io } from "./io.js";
import { createSettingsOf, type CreateFlags } from "./operations.js";
import { prove, proofsOf } from "./proofs.js";
import { usageError } from "./report.js";
import { parseVersion } from "./strict-arguments.js";

export interface ClientArgs {
  readonly server: readonly string[];
  readonly timeout: number;
  readonly json: boolean;
  /** Of identities to prove; see proofs.ts. */
  readonly authFile?: string | undefined;
}

export interface DataArgs extends ClientArgs {
  readonly path: string;
  readonly data: string | undefined;
  readonly stdin: boolean;
}

export interface ReadArgs extends ClientArgs {
  readonly path: string;
  readonly linearizable: boolean;
}

export interface VersionArgs {
  readonly ifVersion: string | undefined;
}

/** Bytes that are read from standard input, the limit of the data itself and one more. */
const STDIN_BYTES_MAX = 2 ** 20;

type Stat = NonNullable<Awaited<ReturnType<QuorateClient["exists"]>>>;

export async function withClient<T>(
  args: ClientArgs,
  io: Io,
  run: (client: QuorateClient) => Promise<T>,
): Promise<T> {
  const proofs = proofsOf(args.authFile, io.env);
  const client = createClient({ servers: args.server, timeoutMs: args.timeout });
  try {
    await prove(client, proofs);
    return await run(client);
  } finally {
    client.close();
  }
}

export async function create(
  args: DataArgs & CreateFlags & { readonly sessionTimeout: number },
  io: Io,
): Promise<void> {
  const settings = createSettingsOf(args);
  const data = await dataOf(args, io);
  if (args.ephemeral === true) {
    const { createEphemeral } = await import("./contract-commands.js");
    await createEphemeral(args, { data, settings }, io);
    return;
  }
  const result = await withClient(args, io, (client) => client.create(args.path, data, settings));
  if (args.json) printJson(io, { path: result.path, txnid: formatTxnid(result.txnid) });
  else io.out(`${result.path}\n`);
}

export async function get(args: ReadArgs, io: Io): Promise<void> {
  const { data, stat } = await withClient(args, io, (client) => client.get(args.path, args));
  if (!args.json) {
    io.out(data);
    // At a terminal the prompt would stand behind it; anywhere else the data is all there is.
    if (io.isTerminal && data.length > 0 && data.at(-1) !== 0x0a) io.out("\n");
    return;
  }
  printJson(io, { path: args.path, ...printableData(data), stat: printableStat(stat) });
}

export async function set(args: DataArgs & VersionArgs, io: Io): Promise<void> {
  const data = await dataOf(args, io);
  const { stat, txnid } = await withClient(args, io, (client) =>
    client.set(args.path, data, versionOf(args)),
  );
  if (args.json) {
    printJson(io, { path: args.path, txnid: formatTxnid(txnid), version: stat.version });
  } else {
    io.out(`version ${stat.version}\n`);
  }
}

export async function remove(
  args: ClientArgs & VersionArgs & { readonly path: string },
  io: Io,
): Promise<void> {
  const { txnid } = await withClient(args, io, (client) =>
    client.delete(args.path, versionOf(args)),
  );
  if (args.json) printJson(io, { path: args.path, txnid: formatTxnid(txnid) });
}

export async function list(args: ReadArgs, io: Io): Promise<void> {
  const { children } = await withClient(args, io, (client) => client.children(args.path, args));
  if (args.json) printJson(io, { path: args.path, children });
  else io.out(children.map((name) => `${name}\n`).join(""));
}

export async function stat(args: ReadArgs, io: Io): Promise<void> {
  const found = await withClient(args, io, (client) => client.exists(args.path, args));
  if (found === null) throw new QuorateError("ERR_ZNODE_NO_NODE", `${args.path} does not exist`);
  const printable = printableStat(found);
  if (args.json) {
    printJson(io, { path: args.path, stat: printable });
    return;
  }
  const lines = Object.entries(printable).map(([key, value]) => `${key.padEnd(15)}${value}\n`);
  io.out(lines.join(""));
}

export function printJson(io: Io, value: unknown): void {
  io.out(`${JSON.stringify(value)}\n`);
}

function versionOf({ ifVersion }: VersionArgs): { version?: number } {
  const version = parseVersion(ifVersion);
  return version === undefined ? {} : { version };
}

export function printableStat(found: Stat): Record<string, string | number> {
  return {
    czxid: formatTxnid(found.czxid),
    mzxid: formatTxnid(found.mzxid),
    pzxid: formatTxnid(found.pzxid),
    ctime: new Date(found.ctime).toISOString(),
    mtime: new Date(found.mtime).toISOString(),
    version: found.version,
    cversion: found.cversion,
    aversion: found.aversion,
    ephemeralOwner: found.ephemeralOwner.toString(16),
    dataLength: found.dataLength,
    numChildren: found.numChildren,
  };
}

async function dataOf(args: DataArgs, io: Io): Promise<Uint8Array> {
  if (!args.stdin) return new TextEncoder().encode(args.data ?? "");
  if (args.data !== undefined) throw usageError("give the data or --stdin, not both");
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of io.stdin as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > STDIN_BYTES_MAX) {
      throw new QuorateError("ERR_ARG_TOO_LARGE", "standard input is longer than a node's data");
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
