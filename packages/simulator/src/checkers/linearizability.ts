import type { HistoryItem } from "../workload/history.js";

/** The state of one key, as text so that it can be part of a memo key. Empty: no such node. */
interface KeyState {
  readonly exists: boolean;
  readonly value: string;
  readonly version: number;
}

const ABSENT: KeyState = { exists: false, value: "", version: 0 };
const STEPS_MAX = 2_000_000;

export type Linearizability = "linearizable" | "violated" | "undecided";

/** Next states that this operation may lead to when it takes effect now; empty: impossible. */
function step(state: KeyState, item: HistoryItem): KeyState | null {
  const { operation, answer } = item;
  const next = effect(state, item);
  if (answer === null) return next.state;
  if (operation.type === "get") {
    if (answer.result === "noNode") return state.exists ? null : state;
    const isSame =
      answer.result === "value" &&
      state.exists &&
      answer.value === state.value &&
      answer.version === state.version;
    return isSame ? state : null;
  }
  if (answer.result !== next.result) return null;
  const isVersionRight =
    answer.result !== "done" ||
    operation.type === "delete" ||
    answer.version === next.state.version;
  return isVersionRight ? next.state : null;
}

function effect(
  state: KeyState,
  { operation }: HistoryItem,
): { readonly state: KeyState; readonly result: string } {
  switch (operation.type) {
    case "get":
      return { state, result: "value" };
    case "create":
      if (state.exists) return { state, result: "nodeExists" };
      return { state: { exists: true, value: operation.value, version: 0 }, result: "done" };
    case "set":
    case "delete": {
      if (!state.exists) return { state, result: "noNode" };
      if (operation.version >= 0 && operation.version !== state.version) {
        return { state, result: "badVersion" };
      }
      if (operation.type === "delete") return { state: ABSENT, result: "done" };
      const version = state.version + 1;
      return { state: { exists: true, value: operation.value, version }, result: "done" };
    }
  }
}

interface Frame {
  readonly item: number;
  readonly state: KeyState;
}

/**
 * Wing and Gong's search, with Lowe's memo, over the history of one key. Unknown operations have
 * no end: they may take effect at any time after their invocation, or never.
 */
export function checkKey(history: readonly HistoryItem[]): Linearizability {
  const items = [...history].sort((a, b) => a.invokedAt - b.invokedAt);
  const isRequired = items.map((item) => item.outcome === "ok");
  let requiredLeft = isRequired.filter(Boolean).length;
  const done = new Uint8Array(items.length);
  const memo = new Set<string>();
  const stack: Frame[] = [];
  let state = ABSENT;
  let from = 0;
  let steps = 0;
  // Everything before `low` has taken effect: it need not be looked at.
  const lowest = (): number => {
    let low = 0;
    while (low < items.length && done[low] === 1) low += 1;
    return low;
  };
  while (requiredLeft > 0) {
    steps += 1;
    if (steps > STEPS_MAX) return "undecided";
    const low = lowest();
    const chosen = choose(items, done, { state, from: Math.max(from, low), low }, memo);
    if (chosen !== null) {
      stack.push({ item: chosen.item, state });
      done[chosen.item] = 1;
      if (isRequired[chosen.item] === true) requiredLeft -= 1;
      state = chosen.state;
      from = 0;
      continue;
    }
    const last = stack.pop();
    if (last === undefined) return "violated";
    done[last.item] = 0;
    if (isRequired[last.item] === true) requiredLeft += 1;
    state = last.state;
    from = last.item + 1;
  }
  return "linearizable";
}

function choose(
  items: readonly HistoryItem[],
  done: Uint8Array,
  at: { readonly state: KeyState; readonly from: number; readonly low: number },
  memo: Set<string>,
): { readonly item: number; readonly state: KeyState } | null {
  // An operation may be next if no other, not yet done, returned before it was invoked.
  let earliestReturn = Number.POSITIVE_INFINITY;
  for (let i = at.low; i < items.length; i += 1) {
    const item = items[i] as HistoryItem;
    if (item.invokedAt > earliestReturn) break;
    if (done[i] === 1) continue;
    if (i >= at.from) {
      const next = step(at.state, item);
      if (next !== null && isFresh(items, done, i, next, at.low, memo)) {
        return { item: i, state: next };
      }
    }
    if (item.returnedAt < earliestReturn) earliestReturn = item.returnedAt;
  }
  return null;
}

function isFresh(
  items: readonly HistoryItem[],
  done: Uint8Array,
  chosen: number,
  next: KeyState,
  low: number,
  memo: Set<string>,
): boolean {
  done[chosen] = 1;
  let high = items.length - 1;
  while (high > low && done[high] === 0) high -= 1;
  let key = `${low}:${next.exists ? 1 : 0}:${next.version}:${next.value}:`;
  for (let i = low; i <= high; i += 1) key += done[i] === 1 ? "1" : "0";
  done[chosen] = 0;
  if (memo.has(key)) return false;
  memo.add(key);
  return true;
}

/** The history of each key apart; keys in order. Local reads promise less and are left out. */
export function byKey(history: readonly HistoryItem[]): [string, HistoryItem[]][] {
  const keys = new Map<string, HistoryItem[]>();
  for (const item of history) {
    const { operation } = item;
    if (item.outcome === "fail") continue;
    if (operation.type === "get" && (!operation.isLinearizable || item.outcome !== "ok")) continue;
    const list = keys.get(item.key) ?? [];
    list.push(item);
    keys.set(item.key, list);
  }
  return [...keys.entries()].sort((a, b) => (a[0] < b[0] ? -1 : 1));
}
