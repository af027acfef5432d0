import { withEnsemble, type BenchContext } from "./measure/bench-context.js";
import { measureLoadRow, prepareRows } from "./measure/load-row.js";
import {
  measureColdStarts,
  measureKills,
  measureMemory,
  measureRecovery,
  measureWatches,
} from "./measure/own-row.js";
import { measureOverload } from "./measure/overload-row.js";
import type { BenchEnsemble, Contender } from "./contenders/contender.js";
import type { Measured, Measurement } from "./measurement.js";
import type { LoadRow, OwnRow, Row } from "./rows.js";

export interface RunPlan {
  readonly contenders: readonly Contender[];
  readonly rows: readonly Row[];
  readonly rounds: number;
}

export type ContextOf = (contender: Contender, row: Row | null) => BenchContext;

export interface RunEvents {
  onStep(done: number, total: number, text: string): void;
  onMeasured(measurement: Measurement): void;
}

/** Rows that one ensemble serves one after the other, or a row that needs its own. */
type Group =
  | { readonly kind: "shared"; readonly rows: readonly LoadRow[] }
  | { readonly kind: "own"; readonly row: OwnRow };

/**
 * A round is all rows of the first contender, then all of the second, and so on: whatever the
 * machine does for a while, it does to all of them. No servers run beside those that are measured.
 */
export async function runAll(
  plan: RunPlan,
  contextOf: ContextOf,
  events: RunEvents,
  isGrouped: boolean,
): Promise<void> {
  const groups = groupsOf(plan.rows, isGrouped);
  const total = plan.rounds * plan.contenders.length * plan.rows.length;
  let done = 0;
  for (let round = 1; round <= plan.rounds; round += 1) {
    for (const contender of plan.contenders) {
      const take = (row: Row, measured: Measured): void => {
        done += 1;
        events.onMeasured({ row: row.id, contender: contender.name, round, ...measured });
      };
      const tell = (row: Row): void =>
        events.onStep(done, total, `round ${round}, ${contender.name}: ${row.title}`);
      for (const group of groups) {
        if (group.kind === "own") {
          tell(group.row);
          take(group.row, await measureOwn(contextOf(contender, group.row), group.row));
        } else {
          await measureShared(contextOf(contender, group.rows[0] ?? null), group.rows, tell, take);
        }
      }
    }
  }
}

async function measureShared(
  context: BenchContext,
  rows: readonly LoadRow[],
  tell: (row: Row) => void,
  take: (row: Row, measured: Measured) => void,
): Promise<void> {
  const [first] = rows;
  if (first === undefined) return;
  if (first.watchers > 0 && !context.contender.canHaveWatchers) {
    const notes = ["it has no replicas without a vote"];
    for (const row of rows) take(row, { values: {}, errors: {}, notes });
    return;
  }
  tell(first);
  const wish = { voters: first.voters ?? context.voters, watchers: first.watchers };
  await withEnsemble(context, wish, async (ensemble) => {
    await startAll(ensemble);
    await prepareRows(context, ensemble, rows);
    for (const row of rows) {
      tell(row);
      take(row, await measureLoadRow(context, ensemble, row));
    }
    await ensemble.stop();
  });
}

async function startAll(ensemble: BenchEnsemble): Promise<void> {
  ensemble.start();
  await ensemble.untilReady();
}

async function measureOwn(context: BenchContext, row: OwnRow): Promise<Measured> {
  const { contender } = context;
  if (contender.protocol === "etcd" && row.kind === "watches") {
    return { values: {}, errors: {}, notes: ["not measured"] };
  }
  const { kind } = row;
  if (kind === "cold-start") return measureColdStarts(context, row);
  const wish = { voters: row.voters ?? context.voters, watchers: 0 };
  return withEnsemble(context, wish, async (ensemble) => {
    await startAll(ensemble);
    const measured = await measureStarted(context, ensemble, { ...row, kind });
    await ensemble.stop();
    return measured;
  });
}

function measureStarted(
  context: BenchContext,
  ensemble: BenchEnsemble,
  row: OwnRow & { readonly kind: Exclude<OwnRow["kind"], "cold-start"> },
): Promise<Measured> {
  switch (row.kind) {
    case "memory":
      return measureMemory(context, ensemble);
    case "kill-leader":
      return measureKills(context, ensemble);
    case "watches":
      return measureWatches(context, ensemble, row);
    case "recovery":
      return measureRecovery(context, ensemble, row);
    case "overload":
      return measureOverload(context, ensemble);
  }
}

/** A row of its own ensemble wherever a profile must be of that row alone. */
function groupsOf(rows: readonly Row[], isGrouped: boolean): Group[] {
  const groups: Group[] = [];
  const shared = new Map<string, LoadRow[]>();
  for (const row of rows) {
    if (row.kind !== "load") {
      groups.push({ kind: "own", row });
      continue;
    }
    // A large tree makes every server larger: rows of other trees are not measured beside it.
    const isLarge = row.keys > SMALL_TREE;
    const tree = isLarge ? row.keys : 0;
    const key = isGrouped ? `${row.voters}/${row.watchers}/${tree}` : row.id;
    const found = shared.get(key);
    if (found !== undefined) {
      found.push(row);
      continue;
    }
    const list = [row];
    shared.set(key, list);
    groups.push({ kind: "shared", rows: list });
  }
  return groups;
}

const SMALL_TREE = 10_000;
