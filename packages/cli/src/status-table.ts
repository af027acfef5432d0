import { formatTxnid, maxTxnid, parseTxnid } from "@quorate/protocol";
import type { ReachableRow, StatusRow } from "./status-rows.js";

interface Column {
  readonly title: string;
  cell(row: ReachableRow): string;
}

/** Of one look. */
const PLAIN: readonly Column[] = [
  { title: "epoch", cell: epochText },
  { title: "lastLogged", cell: ({ lastLogged }) => lastLogged },
  { title: "lastCommitted", cell: committedText },
  { title: "digest", cell: ({ digest }) => digest },
  { title: "digestAt", cell: ({ digestAt }) => digestAt },
];

/** Of many looks: what moves. */
const LIVE: readonly Column[] = [
  { title: "epoch", cell: epochText },
  { title: "lastLogged", cell: ({ lastLogged }) => lastLogged },
  { title: "lastCommitted", cell: committedText },
  { title: "lag", cell: lagText },
  { title: "fsync p50/p99 ms", cell: fsyncText },
  { title: "loop max ms", cell: ({ loopDelayMs }) => loopDelayMs?.max.toFixed(1) ?? "-" },
  { title: "state", cell: stateText },
];

export function plainTable(rows: readonly StatusRow[]): string[] {
  return [...tableOf(rows, PLAIN), ...waitLines(rows)];
}

export function liveTable(rows: readonly StatusRow[]): string[] {
  return [...tableOf(rows, LIVE), ...waitLines(rows)];
}

/** For a log: each node in a line of its own that needs no heading. */
export function liveLine(row: StatusRow): string {
  const node = `node ${row.id ?? "?"}`;
  if (row.role === "unreachable") return `${node}  unreachable  ${row.server}  ${row.reason}`;
  return [
    node,
    row.role.padEnd(8),
    `e${epochText(row)}`,
    `logged ${row.lastLogged}`,
    `committed ${committedText(row)}`,
    `lag ${lagText(row)}`,
    `fsync ${fsyncText(row)} ms`,
    `loop ${row.loopDelayMs?.max.toFixed(1) ?? "-"} ms`,
    stateText(row),
  ].join("  ");
}

/** One line for each node that cannot found the ensemble yet. */
function waitLines(rows: readonly StatusRow[]): string[] {
  return rows.flatMap((row) =>
    row.role === "unreachable" || row.waitingFor.length === 0
      ? []
      : [`node ${row.id} waits for ${row.waitingFor.join(", ")} to found the ensemble`],
  );
}

function lagText({ lag }: ReachableRow): string {
  return lag === null ? "an epoch" : String(lag);
}

/** A watcher promises no epoch. */
function epochText({ role, epoch }: ReachableRow): string {
  return role === "watcher" ? "-" : String(epoch);
}

/**
 * Nothing is applied that is not committed. A watcher applies at once and writes lazily: what it
 * has on disk, which its marks are of, may be behind.
 */
function committedText({ lastCommitted, lastApplied }: ReachableRow): string {
  return formatTxnid(maxTxnid(parseTxnid(lastCommitted), parseTxnid(lastApplied)));
}

function fsyncText({ logCommitMs }: ReachableRow): string {
  return logCommitMs === null ? "-" : `${logCommitMs.p50.toFixed(1)}/${logCommitMs.p99.toFixed(1)}`;
}

function stateText({ ready, standing, waitingFor }: ReachableRow): string {
  if (waitingFor.length > 0) return `waits for ${waitingFor.join(", ")}`;
  const serves = ready ? "ready" : "not ready";
  return standing === "member" ? serves : `${serves}, ${standing}`;
}

/** The reason of an unreachable node takes the place of all further columns. */
function tableOf(rows: readonly StatusRow[], columns: readonly Column[]): string[] {
  const titles = ["id", "role", ...columns.map(({ title }) => title)];
  const cells = rows.map((row) =>
    row.role === "unreachable"
      ? [String(row.id ?? "?"), row.role, row.reason]
      : [String(row.id), row.role, ...columns.map(({ cell }) => cell(row))],
  );
  const whole = cells.filter((row) => row.length === titles.length);
  const widths = titles.map((title, i) =>
    Math.max(title.length, ...(i < 2 ? cells : whole).map((row) => row[i]?.length ?? 0)),
  );
  return [titles, ...cells].map((row) =>
    row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join("  "),
  );
}
