import { createInterface } from "node:readline";
import type { ClientSession, CreateSettings, NodeEvent, WatchKind } from "@quorate/client";
import { formatTxnid, QuorateError } from "@quorate/protocol";
import { formatAclEntry, parseAcl } from "./acl-text.js";
import {
  printJson,
  withClient,
  type ClientArgs,
  type ReadArgs,
  type VersionArgs,
} from "./client-commands.js";
import type { Io } from "./io.js";
import { parseOperation } from "./operations.js";
import { usageError } from "./report.js";
import { parseVersion } from "./strict-arguments.js";

/** Lines that are read from standard input: as many as a multi may have operations. */
const OPERATIONS_MAX = 10_000;

export const WATCH_KINDS = ["data", "children", "persistent", "recursive"] as const;

export async function getAcl(args: ReadArgs, io: Io): Promise<void> {
  const { acl, stat } = await withClient(args, io, (client) => client.getAcl(args.path, args));
  const entries = acl.map(formatAclEntry);
  if (args.json) printJson(io, { path: args.path, acl: entries, aversion: stat.aversion });
  else io.out(entries.map((entry) => `${entry}\n`).join(""));
}

export async function setAcl(
  args: ClientArgs & VersionArgs & { readonly path: string; readonly acl: string },
  io: Io,
): Promise<void> {
  const acl = parseAcl(args.acl);
  const version = parseVersion(args.ifVersion);
  const { stat, txnid } = await withClient(args, io, (client) =>
    client.setAcl(args.path, acl, version === undefined ? {} : { version }),
  );
  if (args.json) {
    printJson(io, { path: args.path, txnid: formatTxnid(txnid), aversion: stat.aversion });
  } else {
    io.out(`aversion ${stat.aversion}\n`);
  }
}

export async function multi(
  args: ClientArgs & { readonly operations: readonly string[]; readonly stdin: boolean },
  io: Io,
): Promise<void> {
  if (args.stdin === args.operations.length > 0) {
    throw usageError("give operations or --stdin, one of the two");
  }
  const lines = args.stdin ? await linesOf(io) : args.operations;
  const operations = lines.map(parseOperation);
  const { results, txnid } = await withClient(args, io, (client) => client.multi(operations));
  const printed = results.map((result) => ({
    kind: result.kind,
    ...("path" in result ? { path: result.path } : {}),
    ...("stat" in result ? { version: result.stat.version } : {}),
  }));
  if (args.json) {
    printJson(io, { txnid: formatTxnid(txnid), results: printed });
    return;
  }
  for (const { kind, path, version } of printed) {
    const now = kind === "set" ? `version ${version}` : undefined;
    io.out(`${[kind, path, now].filter((word) => word !== undefined).join(" ")}\n`);
  }
}

async function linesOf(io: Io): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const line of createInterface({ input: io.stdin })) {
    if (line.trim() === "") continue;
    lines.push(line);
    if (lines.length > OPERATIONS_MAX) {
      throw new QuorateError(
        "ERR_ARG_TOO_LARGE",
        `a multi has at most ${OPERATIONS_MAX} operations`,
      );
    }
  }
  return lines;
}

/** Prints the events of one watch: until it has told once, or until Ctrl-C. */
export async function watchNode(
  args: ClientArgs & { readonly path: string; readonly kind: string },
  io: Io,
): Promise<void> {
  const kind = kindOf(args.kind);
  await withClient(args, io, async (client) => {
    const events = client.watch(args.path, { kind, timeoutMs: args.timeout });
    const stopListening = io.onStopSignal(() => void events.return?.());
    try {
      for await (const event of events) printEvent(io, event, args.json);
    } finally {
      stopListening();
    }
  });
}

export function kindOf(text: string): WatchKind {
  const known = WATCH_KINDS.find((one) => one === text);
  if (known === undefined) throw usageError(`a kind is one of ${WATCH_KINDS.join(", ")}`);
  return known === "recursive" ? "persistentRecursive" : known;
}

function printEvent(io: Io, { kind, path, txnid }: NodeEvent, json: boolean): void {
  if (json) printJson(io, { kind, path, txnid: formatTxnid(txnid) });
  else io.out(`${formatTxnid(txnid)}  ${kind.padEnd(15)} ${path}\n`);
}

export interface HoldArgs extends ClientArgs {
  readonly sessionTimeout: number;
}

/** Opens a session and holds it until Ctrl-C; tells each state it comes to. */
export async function holdSession(args: HoldArgs, io: Io): Promise<void> {
  await withSession(args, io, async (session) => {
    const id = session.id.toString(16);
    if (args.json) printJson(io, { session: id, timeoutMs: session.timeoutMs });
    else io.out(`session 0x${id}, timeout ${session.timeoutMs} ms\n`);
    await untilStopped(session, io, (state) => {
      if (args.json) printJson(io, { state });
      else io.out(`${state}\n`);
    });
  });
}

/** Creates an ephemeral node and holds its session until Ctrl-C. */
export async function createEphemeral(
  args: HoldArgs & { readonly path: string },
  node: { readonly data: Uint8Array; readonly settings: CreateSettings },
  io: Io,
): Promise<void> {
  await withSession(args, io, async (session) => {
    const { path, txnid } = await session.create(args.path, node.data, node.settings);
    if (args.json) printJson(io, { path, txnid: formatTxnid(txnid) });
    else io.out(`${path}\n`);
    await untilStopped(session, io, (state) => io.err(`quorate: the session is ${state}\n`));
  });
}

async function withSession(
  args: HoldArgs,
  io: Io,
  run: (session: ClientSession) => Promise<void>,
): Promise<void> {
  await withClient(args, io, async (client) => {
    const session = await client.session({ timeoutMs: args.sessionTimeout, openMs: args.timeout });
    try {
      await run(session);
    } finally {
      await session.close();
    }
  });
}

/** @throws ERR_SESSION_EXPIRED when it is lost. */
async function untilStopped(
  session: ClientSession,
  io: Io,
  tell: (state: string) => void,
): Promise<void> {
  const states = session.states();
  const stopListening = io.onStopSignal(() => void states.return?.());
  try {
    for await (const state of states) {
      tell(state);
      if (state === "lost")
        throw new QuorateError("ERR_SESSION_EXPIRED", "the session has expired");
    }
  } finally {
    stopListening();
  }
}
