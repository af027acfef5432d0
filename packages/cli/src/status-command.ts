import { fetchStatus, type ServerStatus } from "@quorate/client";
import { errorCodeOf } from "@quorate/protocol";
import { ExitCode } from "./exit-codes.js";
import { printJson, type ClientArgs } from "./client-commands.js";
import type { Io } from "./io.js";

/** One row of `status --json`. Scripts rely on it: keys are only ever added. */
export type StatusRow =
  | {
      readonly id: number;
      readonly role: ServerStatus["role"];
      readonly epoch: number;
      readonly lastLogged: string;
      readonly lastCommitted: string;
      readonly digest: string;
      readonly digestAt: string;
      /** Voters without which a new ensemble is not founded. */
      readonly waitingFor: readonly number[];
    }
  | {
      /** Null when no other node knows whose address this is. */
      readonly id: number | null;
      readonly role: "unreachable";
      readonly server: string;
      readonly reason: string;
    };

interface Asked {
  readonly server: string;
  readonly status: ServerStatus | null;
  readonly reason: string;
}

/** Asks the given servers, and through them all others of their ensemble. */
export async function gatherStatus(
  servers: readonly string[],
  timeoutMs: number,
): Promise<StatusRow[]> {
  const first = await Promise.all(servers.map((server) => ask(server, timeoutMs)));
  const ids = new Map<string, number>();
  const answeredIds = new Set<number>();
  for (const { status } of first) {
    if (status === null) continue;
    answeredIds.add(status.id);
    for (const { id, requestAddr } of status.nodes) ids.set(requestAddr, id);
  }
  const others = [...ids].filter(
    ([server, id]) => !servers.includes(server) && !answeredIds.has(id),
  );
  const second = await Promise.all(others.map(([server]) => ask(server, timeoutMs)));
  const rows = new Map<number | string, StatusRow>();
  for (const asked of [...first, ...second]) {
    const id = asked.status?.id ?? ids.get(asked.server) ?? null;
    const known = rows.get(id ?? asked.server);
    // One node may be given by two names, one of them wrong.
    if (known !== undefined && known.role !== "unreachable") continue;
    rows.set(id ?? asked.server, rowOf(asked, id));
  }
  return [...rows.values()].sort((a, b) => (a.id ?? 255) - (b.id ?? 255));
}

export async function statusCommand(args: ClientArgs, io: Io): Promise<ExitCode> {
  const nodes = await gatherStatus(args.server, args.timeout);
  if (args.json) printJson(io, { nodes });
  else io.out(tableOf(nodes) + waitsOf(nodes));
  const isAnyReachable = nodes.some((node) => node.role !== "unreachable");
  return isAnyReachable ? ExitCode.done : ExitCode.unreachable;
}

async function ask(server: string, timeoutMs: number): Promise<Asked> {
  try {
    return { server, status: await fetchStatus(server, { timeoutMs }), reason: "" };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { server, status: null, reason: `${errorCodeOf(error) ?? "ERR"}: ${message}` };
  }
}

function rowOf({ server, status, reason }: Asked, id: number | null): StatusRow {
  if (status === null) return { id, role: "unreachable", server, reason };
  const { id: own, role, epoch, lastLogged, lastCommitted, digest, digestAt } = status;
  const waitingFor = status.waitingFor ?? [];
  return { id: own, role, epoch, lastLogged, lastCommitted, digest, digestAt, waitingFor };
}

/** One line for each node that cannot found the ensemble yet. */
function waitsOf(nodes: readonly StatusRow[]): string {
  const lines = nodes.map((node) => {
    if (node.role === "unreachable" || node.waitingFor.length === 0) return "";
    return `node ${node.id} waits for ${node.waitingFor.join(", ")} to found the ensemble\n`;
  });
  return lines.join("");
}

const COLUMNS = ["id", "role", "epoch", "lastLogged", "lastCommitted", "digest", "digestAt"];

function tableOf(nodes: readonly StatusRow[]): string {
  const rows = nodes.map((node) =>
    node.role === "unreachable"
      ? [String(node.id ?? "?"), node.role, node.reason]
      : [
          String(node.id),
          node.role,
          String(node.epoch),
          node.lastLogged,
          node.lastCommitted,
          node.digest,
          node.digestAt,
        ],
  );
  const reachable = rows.filter((row) => row.length === COLUMNS.length);
  const widths = COLUMNS.map((column, i) =>
    Math.max(column.length, ...(i < 2 ? rows : reachable).map((row) => row[i]?.length ?? 0)),
  );
  const lines = [COLUMNS, ...rows].map((row) =>
    row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join("  "),
  );
  return `${lines.join("\n")}\n`;
}
