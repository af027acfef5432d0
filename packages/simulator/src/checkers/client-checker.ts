import { formatTxnid, type Txnid } from "@quorate/protocol";
import type { History, HistoryItem } from "../workload/history.js";
import { byKey, checkKey } from "./linearizability.js";
import type { CommitChecker } from "./commit-checker.js";
import type { Violations } from "./violations.js";

/** Judges what clients saw, at the end of a run. Holds Invariant 8. */
export function checkHistory(
  history: History,
  commits: CommitChecker,
  violations: Violations,
): { readonly undecided: number } {
  let undecided = 0;
  for (const [key, items] of byKey(history.items)) {
    const verdict = checkKey(items);
    if (verdict === "undecided") undecided += 1;
    violations.expect(
      verdict !== "violated",
      "linearizable",
      () => `the history of ${key} is not linearizable:\n${describe(items)}`,
    );
  }
  checkAcknowledged(history, commits, violations);
  checkReads(history, violations);
  return { undecided };
}

/** Invariant 5, seen from outside: acknowledged writes are committed, and in real-time order. */
function checkAcknowledged(history: History, commits: CommitChecker, violations: Violations): void {
  const seen = new Set<Txnid>();
  const writes: { at: number; isEnd: boolean; txnid: Txnid }[] = [];
  for (const item of history.items) {
    if (item.answer?.result !== "done") continue;
    const { txnid } = item.answer;
    violations.expect(
      commits.isCommitted(txnid),
      "acknowledgedIsCommitted",
      () => `${formatTxnid(txnid)} was acknowledged and is not committed`,
    );
    violations.expect(
      !seen.has(txnid),
      "exactlyOnce",
      () => `${formatTxnid(txnid)} answered two requests`,
    );
    seen.add(txnid);
    writes.push({ at: item.invokedAt, isEnd: false, txnid });
    writes.push({ at: item.returnedAt, isEnd: true, txnid });
  }
  writes.sort((a, b) => a.at - b.at);
  let highest = 0n as Txnid;
  const floor = new Map<Txnid, Txnid>();
  for (const { isEnd, txnid } of writes) {
    if (!isEnd) {
      floor.set(txnid, highest);
      continue;
    }
    const below = floor.get(txnid) ?? highest;
    violations.expect(
      txnid > below,
      "realTimeOrder",
      () => `${formatTxnid(txnid)} was asked for after ${formatTxnid(below)} was acknowledged`,
    );
    if (txnid > highest) highest = txnid;
  }
}

/** Only what was written, never back in time wherever the client asks, and one's own writes. */
function checkReads(history: History, violations: Violations): void {
  const writable = new Map<string, Set<string>>();
  for (const { key, operation, outcome } of history.items) {
    if ((operation.type !== "create" && operation.type !== "set") || outcome === "fail") continue;
    const values = writable.get(key) ?? new Set();
    values.add(operation.value);
    writable.set(key, values);
  }
  const floors = new Map<string, bigint>();
  // In the order of answers: one client has one request under way at a time.
  const items = [...history.items].sort((a, b) => a.returnedAt - b.returnedAt);
  for (const item of items) {
    const place = `${item.client}/${item.key}`;
    if (item.outcome !== "ok" || item.answer === null) continue;
    const { answer } = item;
    if (answer.result === "done") floors.set(place, answer.txnid);
    if (answer.result !== "value") continue;
    violations.expect(
      writable.get(item.key)?.has(answer.value) === true,
      "noDirtyRead",
      () => `client ${item.client} read ${answer.value} of ${item.key}, which nobody wrote`,
    );
    const floor = floors.get(place) ?? 0n;
    violations.expect(
      answer.mzxid >= floor,
      "monotonicReads",
      () =>
        `client ${item.client} at n${item.node} read ${item.key} as of ` +
        `${formatTxnid(answer.mzxid as Txnid)} after ${formatTxnid(floor as Txnid)}`,
    );
    if (answer.mzxid > floor) floors.set(place, answer.mzxid);
  }
}

function describe(items: readonly HistoryItem[]): string {
  return items
    .map((item) => {
      const { type } = item.operation;
      const value = "value" in item.operation ? item.operation.value : "";
      const answer = item.answer === null ? item.error : JSON.stringify(item.answer, bigintAsText);
      const end = Number.isFinite(item.returnedAt) ? item.returnedAt : "-";
      const who = `c${item.client} n${item.node}`;
      return `  ${item.invokedAt}..${end} ${who} ${type} ${value} ${item.outcome} ${answer}`;
    })
    .join("\n");
}

function bigintAsText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? formatTxnid(value as Txnid) : value;
}
