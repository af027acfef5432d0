import {
  createClient,
  eventDocument,
  parseTxnid,
  type EventDocument,
  type OperationDocument,
} from "@quorate/client";
import { printJson, type ClientArgs } from "./client-commands.js";
import type { Io } from "./io.js";

export interface WatchArgs extends ClientArgs {
  readonly prefix: string | undefined;
  readonly from: string | undefined;
}

/** Characters of data on a line for people. With --json all of it is printed. */
const DATA_CHARS_MAX = 100;

/** Prints what is committed as it is, until it is told to stop or the stream ends with an error. */
export async function watch(args: WatchArgs, io: Io): Promise<void> {
  const from = args.from === undefined ? undefined : parseTxnid(args.from);
  const client = createClient({ servers: args.server, timeoutMs: args.timeout });
  const events = client.subscribe({
    ...(args.prefix === undefined ? {} : { prefix: args.prefix }),
    ...(from === undefined ? {} : { from }),
  });
  const stopListening = io.onStopSignal(() => void events.return?.());
  try {
    for await (const event of events) {
      const document = eventDocument(event);
      if (args.json) printJson(io, document);
      else io.out(linesOf(document));
    }
  } finally {
    stopListening();
    client.close();
  }
}

function linesOf({ txnid, operations }: EventDocument): string {
  return operations.map((operation) => `${txnid}  ${lineOf(operation)}\n`).join("");
}

function lineOf(operation: OperationDocument): string {
  const { kind, version } = operation;
  // A path may hold anything but control characters; a broadcast's key may hold those, too.
  const path = kind === "broadcast" ? JSON.stringify(operation.path) : operation.path;
  const parts = [kind.padEnd(9), path];
  if (version !== undefined) parts.push(`v${version}`);
  const { data, encoding } = operation;
  if (data !== undefined && data !== "") {
    parts.push(encoding === "utf8" ? quoted(data) : `(${base64Bytes(data)} bytes)`);
  }
  return parts.join(" ");
}

function quoted(text: string): string {
  if (text.length <= DATA_CHARS_MAX) return JSON.stringify(text);
  return `${JSON.stringify(text.slice(0, DATA_CHARS_MAX))}... (${text.length} characters)`;
}

function base64Bytes(text: string): number {
  return Math.floor((text.replace(/=+$/, "").length * 3) / 4);
}
