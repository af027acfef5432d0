import { Access } from "./access.js";
import { knownDifferences, type KnownDifference } from "./known-differences.js";
import { normalise, type NormalItem, type NormalTrace } from "./normalise.js";
import { digestOf, type Step } from "./steps.js";
import type { Trace } from "./trace.js";

/** One place where the two sides do not say the same; null where a side says nothing. */
export interface Difference {
  readonly at: number;
  readonly step: Step;
  readonly connection: number;
  readonly left: NormalItem | null;
  readonly right: NormalItem | null;
}

export interface Comparison {
  readonly steps: number;
  /** Packets and ends of connections that were held against each other. */
  readonly compared: number;
  readonly known: ReadonlyMap<string, number>;
  /**
   * What the table does not explain. After the first one the two sides may be in different states,
   * so the others may follow from it.
   */
  readonly unknown: readonly Difference[];
}

/** @throws when the traces are of different sequences. */
export function compareTraces(
  left: Trace,
  right: Trace,
  table: readonly KnownDifference[] = knownDifferences,
): Comparison {
  if (digestOf(left.steps) !== digestOf(right.steps)) {
    throw new Error(`seed ${left.seed} and seed ${right.seed} are different sequences`);
  }
  return compareNormal(left.steps, normalise(left), normalise(right), table);
}

export function compareNormal(
  steps: readonly Step[],
  left: NormalTrace,
  right: NormalTrace,
  table: readonly KnownDifference[],
): Comparison {
  const access = new Access();
  const known = new Map<string, number>();
  const unknown: Difference[] = [];
  let compared = 0;
  for (const [at, step] of steps.entries()) {
    const [ours, theirs] = [left[at] ?? [], right[at] ?? []];
    access.note(step, ours, theirs);
    compared += Math.max(ours.length, theirs.length);
    const open: Difference[] = [];
    for (const [leftItem, rightItem] of pairsOf(ours, theirs)) {
      if (leftItem?.text === rightItem?.text) continue;
      const connection = (leftItem ?? rightItem)?.connection ?? -1;
      open.push({ at, step, connection, left: leftItem, right: rightItem });
    }
    for (const difference of open) {
      const found = table.find((one) => one.explains(difference, access));
      if (found === undefined) unknown.push(difference);
      else known.set(found.name, (known.get(found.name) ?? 0) + 1);
    }
  }
  return { steps: steps.length, compared, known, unknown };
}

/**
 * Those first that differ in more than ranks of zxids. A side that was cut off late in a sequence
 * may show a change that the other one has no Stat of, and then all ranks above it differ, from
 * long before the cut on.
 */
export function tellingFirst(found: readonly Difference[]): readonly Difference[] {
  return [...found.filter(isTelling), ...found.filter((one) => !isTelling(one))];
}

function isTelling({ left, right }: Difference): boolean {
  return withoutRanks(left) !== withoutRanks(right);
}

function withoutRanks(item: NormalItem | null): string {
  return item === null ? "" : item.text.replaceAll(/"(?:after )?#\d+"/g, '"#"');
}

type Pair = readonly [NormalItem | null, NormalItem | null];

/** Pairs what came of one step, connection by connection: one item too many shifts nothing. */
function pairsOf(left: readonly NormalItem[], right: readonly NormalItem[]): readonly Pair[] {
  const connections = new Set([...left, ...right].map(({ connection }) => connection));
  const of = (items: readonly NormalItem[], wanted: number): NormalItem[] =>
    items.filter(({ connection }) => connection === wanted);
  return [...connections].flatMap((one) => aligned(of(left, one), of(right, one)));
}

/** A longest common subsequence; what lies between is paired by kind. */
function aligned(left: readonly NormalItem[], right: readonly NormalItem[]): readonly Pair[] {
  const lengths = commonLengths(left, right);
  const pairs: Pair[] = [];
  let [i, j] = [0, 0];
  let gap: { left: NormalItem[]; right: NormalItem[] } = { left: [], right: [] };
  const flush = (): void => {
    pairs.push(...pairedByKind(gap.left, gap.right));
    gap = { left: [], right: [] };
  };
  while (i < left.length || j < right.length) {
    const [a, b] = [left[i], right[j]];
    if (a !== undefined && b !== undefined && a.text === b.text) {
      flush();
      pairs.push([a, b]);
      i += 1;
      j += 1;
    } else if (b === undefined || (lengths[i + 1]?.[j] ?? 0) >= (lengths[i]?.[j + 1] ?? 0)) {
      if (a !== undefined) gap.left.push(a);
      else if (b !== undefined) gap.right.push(b);
      if (a !== undefined) i += 1;
      else j += 1;
    } else {
      gap.right.push(b);
      j += 1;
    }
  }
  flush();
  return pairs;
}

function commonLengths(left: readonly NormalItem[], right: readonly NormalItem[]): number[][] {
  const lengths = Array.from({ length: left.length + 1 }, () =>
    new Array<number>(right.length + 1).fill(0),
  );
  for (let i = left.length - 1; i >= 0; i -= 1) {
    for (let j = right.length - 1; j >= 0; j -= 1) {
      const isEqual = left[i]?.text === right[j]?.text;
      const [row, below] = [lengths[i] ?? [], lengths[i + 1] ?? []];
      row[j] = isEqual ? (below[j + 1] ?? 0) + 1 : Math.max(below[j] ?? 0, row[j + 1] ?? 0);
    }
  }
  return lengths;
}

function pairedByKind(left: readonly NormalItem[], right: readonly NormalItem[]): Pair[] {
  const rest = [...right];
  const pairs: Pair[] = left.map((item) => {
    const at = rest.findIndex((other) => isSameMatter(item, other));
    return [item, at < 0 ? null : (rest.splice(at, 1)[0] ?? null)];
  });
  return [...pairs, ...rest.map((item): Pair => [null, item])];
}

/** Events of another path or type are other events, not the same one told differently. */
function isSameMatter(a: NormalItem, b: NormalItem): boolean {
  if (a.kind !== b.kind) return false;
  return a.kind !== "event" || (a.fields.path === b.fields.path && a.fields.type === b.fields.type);
}
