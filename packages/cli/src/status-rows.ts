import { fetchStatus, type ServerStatus } from "@quorate/client";
import { counterOf, epochOf, errorCodeOf, maxTxnid, parseTxnid } from "@quorate/protocol";
import { TXNID_ZERO, type Txnid } from "@quorate/protocol";

/** One row of `status --json`. Scripts rely on it: keys are only ever added. */
export type StatusRow = ReachableRow | UnreachableRow;

export interface ReachableRow extends Pick<
  ServerStatus,
  "id" | "role" | "epoch" | "lastLogged" | "lastCommitted" | "lastApplied"
> {
  /**
   * Entries that some node here knows to be committed and this one has not applied. Null when they
   * are of different epochs, in which txnids count anew.
   */
  readonly lag: number | null;
  readonly digest: string;
  readonly digestAt: string;
  readonly standing: string;
  readonly ready: boolean;
  /** Voters without which a new ensemble is not founded. */
  readonly waitingFor: readonly number[];
  /** Null when nothing was committed of late, or the node does not tell. */
  readonly logCommitMs: NonNullable<ServerStatus["logCommitMs"]> | null;
  readonly loopDelayMs: NonNullable<ServerStatus["loopDelayMs"]> | null;
}

export interface UnreachableRow {
  /** Null when no other node knows whose address this is. */
  readonly id: number | null;
  readonly role: "unreachable";
  readonly server: string;
  readonly reason: string;
}

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
  const all = [...first, ...second];
  const committed = all.map(({ status }) => committedOf(status)).reduce(maxTxnid, TXNID_ZERO);
  const rows = new Map<number | string, StatusRow>();
  for (const asked of all) {
    const id = asked.status?.id ?? ids.get(asked.server) ?? null;
    const known = rows.get(id ?? asked.server);
    // One node may be given by two names, one of them wrong.
    if (known !== undefined && known.role !== "unreachable") continue;
    rows.set(id ?? asked.server, rowOf(asked, id, committed));
  }
  return [...rows.values()].sort((a, b) => (a.id ?? 255) - (b.id ?? 255));
}

async function ask(server: string, timeoutMs: number): Promise<Asked> {
  try {
    return { server, status: await fetchStatus(server, { timeoutMs }), reason: "" };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { server, status: null, reason: `${errorCodeOf(error) ?? "ERR"}: ${message}` };
  }
}

function committedOf(status: ServerStatus | null): Txnid {
  return status === null ? TXNID_ZERO : parseTxnid(status.lastCommitted);
}

function rowOf({ server, status, reason }: Asked, id: number | null, committed: Txnid): StatusRow {
  if (status === null) return { id, role: "unreachable", server, reason };
  const { role, epoch, lastLogged, lastCommitted, lastApplied, digest, digestAt } = status;
  return {
    ...{ id: status.id, role, epoch, lastLogged, lastCommitted, lastApplied },
    lag: lagOf(parseTxnid(lastApplied), committed),
    ...{ digest, digestAt, standing: status.standing, ready: status.ready },
    waitingFor: status.waitingFor ?? [],
    logCommitMs: status.logCommitMs ?? null,
    loopDelayMs: status.loopDelayMs ?? null,
  };
}

function lagOf(applied: Txnid, committed: Txnid): number | null {
  if (applied >= committed) return 0;
  return epochOf(applied) === epochOf(committed) ? counterOf(committed) - counterOf(applied) : null;
}
