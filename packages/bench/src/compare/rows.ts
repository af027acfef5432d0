import type { KeyChoice, Workload } from "@quorate/load";

/** Rows that belong together; a name of one may stand for all of them on the command line. */
export const rowSets = [
  "table",
  "sizes",
  "trees",
  "keys",
  "open",
  "watches",
  "replicas",
  "recovery",
  "overload",
] as const;
export type RowSet = (typeof rowSets)[number];

interface RowBase {
  readonly id: string;
  readonly set: RowSet;
  readonly title: string;
  /** Shown in the table of the report, in this order. */
  readonly headline: readonly MetricKey[];
}

/** A load, closed or open, on an ensemble that serves other rows too. */
export interface LoadRow extends RowBase {
  readonly kind: "load";
  readonly workload: Workload;
  readonly connections: number;
  readonly outstanding: number;
  readonly valueBytes: number;
  readonly keys: number;
  readonly keyChoice: KeyChoice;
  /** Of an open loop, as a share of what a closed one did just before; null for a closed loop. */
  readonly rateShare: number | null;
  /** To which servers clients connect. */
  readonly at: "voters" | "a follower" | "watchers";
  /** Null: as many as the command line says. */
  readonly voters: number | null;
  readonly watchers: number;
}

/** A measurement that needs an ensemble of its own. */
export interface OwnRow extends RowBase {
  readonly kind: "kill-leader" | "cold-start" | "memory" | "watches" | "recovery" | "overload";
  /** Watches, or writes before the restart. */
  readonly count: number;
  readonly voters: number | null;
}

export type Row = LoadRow | OwnRow;

export interface Metric {
  readonly title: string;
  readonly unit: string;
  /** Without a ratio when it is neither: to refuse may be right. */
  readonly better: "higher" | "lower" | "neither";
}

export const metrics = {
  ops: { title: "requests/s", unit: "/s", better: "higher" },
  p50: { title: "p50", unit: "ms", better: "lower" },
  p99: { title: "p99", unit: "ms", better: "lower" },
  p999: { title: "p99.9", unit: "ms", better: "lower" },
  max: { title: "max", unit: "ms", better: "lower" },
  cpuServers: { title: "CPU, all servers", unit: "us/op", better: "lower" },
  cpuLeader: { title: "CPU, leader", unit: "us/op", better: "lower" },
  cpuFollower: { title: "CPU, a follower", unit: "us/op", better: "lower" },
  cpuWatcher: { title: "CPU, a watcher", unit: "us/op", better: "lower" },
  cpuLoad: { title: "CPU, the load", unit: "us/op", better: "lower" },
  others: { title: "CPU of others", unit: "%", better: "lower" },
  syncsLeader: { title: "syncs, leader", unit: "/op", better: "lower" },
  rssLeader: { title: "resident, leader", unit: "MiB", better: "lower" },
  rssFollower: { title: "resident, a follower", unit: "MiB", better: "lower" },
  gap: { title: "gap in acknowledged writes", unit: "ms", better: "lower" },
  start: { title: "to the first write", unit: "ms", better: "lower" },
  idle: { title: "resident, idle, a server", unit: "MiB", better: "lower" },
  loaded: { title: "resident, loaded, a server", unit: "MiB", better: "lower" },
  notified: { title: "until all were notified", unit: "ms", better: "lower" },
  beside: { title: "p99 of a few writes beside it", unit: "ms", better: "lower" },
  shed: { title: "refused", unit: "/s", better: "neither" },
  recovered: { title: "until it is as before", unit: "ms", better: "lower" },
  peak: { title: "resident, peak of a server", unit: "MiB", better: "lower" },
} as const satisfies Record<string, Metric>;
export type MetricKey = keyof typeof metrics;

const KIB = 1024;

type LoadWish = Partial<Omit<LoadRow, "kind" | "id">> & { readonly workload: Workload };

function load(id: string, set: RowSet, title: string, shape: string, wish: LoadWish): LoadRow {
  const [connections = 1, outstanding = 1] = shape.split("x").map(Number);
  return {
    kind: "load",
    id,
    set,
    title: `${title}, ${shape}`,
    headline: ["ops", "p50", "p99"],
    connections,
    outstanding,
    valueBytes: KIB,
    keys: 1000,
    keyChoice: "in-turn",
    rateShare: null,
    at: "voters",
    voters: null,
    watchers: 0,
    ...wish,
  };
}

function own(
  kind: OwnRow["kind"],
  wish: Omit<OwnRow, "kind" | "count" | "voters"> & Partial<OwnRow>,
) {
  return { kind, count: 0, voters: null, ...wish } as const;
}

/** What can be measured, in the order in which it is reported. */
export const rows: readonly Row[] = [
  load("set-1x1", "table", "set 1 KiB", "1x1", { workload: "set", at: "a follower" }),
  load("set-10x1", "table", "set 1 KiB", "10x1", { workload: "set" }),
  load("set-30x10", "table", "set 1 KiB", "30x10", { workload: "set" }),
  load("set-10x100", "table", "set 100 B", "10x100", { workload: "set", valueBytes: 100 }),
  load("create-delete", "table", "create-delete 100 B", "30x10", {
    workload: "create-delete",
    valueBytes: 100,
  }),
  load("get-1x1", "table", "get 1 KiB", "1x1", { workload: "get", at: "a follower" }),
  load("get-30x10", "table", "get 1 KiB", "30x10", { workload: "get" }),
  load("mixed-30x10", "table", "mixed 90/10 1 KiB", "30x10", { workload: "mixed" }),
  own("kill-leader", {
    id: "kill-leader",
    set: "table",
    title: "kill -9 of the leader",
    headline: ["gap"],
  }),
  own("cold-start", {
    id: "cold-start",
    set: "table",
    title: "cold start",
    headline: ["start"],
  }),
  own("memory", { id: "memory", set: "table", title: "memory", headline: ["idle", "loaded"] }),
  own("watches", {
    id: "watches-1000",
    set: "table",
    title: "1,000 watches on one node",
    headline: ["notified"],
    count: 1000,
  }),
  ...[100, 10 * KIB, 100 * KIB].flatMap((valueBytes) => {
    const size = valueBytes < KIB ? `${valueBytes}b` : `${valueBytes / KIB}k`;
    const name = valueBytes < KIB ? `${valueBytes} B` : `${valueBytes / KIB} KiB`;
    const wish = { valueBytes, keys: 100 };
    return [
      load(`set-${size}`, "sizes", `set ${name}`, "10x4", { workload: "set", ...wish }),
      load(`get-${size}`, "sizes", `get ${name}`, "10x4", { workload: "get", ...wish }),
    ];
  }),
  ...[1000, 100_000, 1_000_000].flatMap((keys) => {
    const name = keys < 1_000_000 ? `${keys / 1000}k` : "1m";
    const wish = { keys, valueBytes: 100, keyChoice: "uniform" as const };
    const title = (what: string): string => `${what} 100 B, ${keys.toLocaleString("en")} nodes`;
    return [
      load(`set-tree-${name}`, "trees", title("set"), "30x10", { workload: "set", ...wish }),
      load(`get-tree-${name}`, "trees", title("get"), "30x10", { workload: "get", ...wish }),
    ];
  }),
  ...(["uniform", "zipfian"] as const).flatMap((keyChoice) => [
    load(`set-${keyChoice}`, "keys", `set 1 KiB, ${keyChoice} of 10,000`, "30x10", {
      workload: "set",
      keyChoice,
      keys: 10_000,
    }),
    load(`mixed-${keyChoice}`, "keys", `mixed 1 KiB, ${keyChoice} of 10,000`, "30x10", {
      workload: "mixed",
      keyChoice,
      keys: 10_000,
    }),
  ]),
  ...([0.25, 0.5, 0.75] as const).flatMap((rateShare) => {
    const wish = { rateShare, headline: ["p50", "p99", "p999", "ops"] as const };
    const share = `${rateShare * 100} % of the most`;
    return [
      load(`open-set-${rateShare * 100}`, "open", `set 1 KiB, open loop at ${share}`, "30x100", {
        workload: "set",
        ...wish,
      }),
      load(`open-mixed-${rateShare * 100}`, "open", `mixed, open loop at ${share}`, "30x100", {
        workload: "mixed",
        ...wish,
      }),
    ];
  }),
  ...[10, 100, 5000].map((count) =>
    own("watches", {
      id: `watches-${count}`,
      set: "watches",
      title: `${count.toLocaleString("en")} watches on one node`,
      headline: ["notified"],
      count,
    }),
  ),
  ...([1, 10] as const).map((watchers) =>
    load(`set-watchers-${watchers}`, "replicas", `set 1 KiB, ${watchers} watchers`, "30x10", {
      workload: "set",
      watchers,
    }),
  ),
  load("get-watchers-2", "replicas", "get 1 KiB at 2 watchers", "30x10", {
    workload: "get",
    watchers: 2,
    at: "watchers",
  }),
  load("set-5-nodes", "replicas", "set 1 KiB, 5 nodes", "30x10", { workload: "set", voters: 5 }),
  load("get-5-nodes", "replicas", "get 1 KiB, 5 nodes", "30x10", { workload: "get", voters: 5 }),
  ...[10_000, 100_000, 500_000].map((count) =>
    own("recovery", {
      id: `recovery-${count / 1000}k`,
      set: "recovery",
      title: `kill -9 of all behind ${count.toLocaleString("en")} writes, start`,
      headline: ["start"],
      count,
    }),
  ),
  own("overload", {
    id: "overload",
    set: "overload",
    title: "open loop at three times the most",
    headline: ["ops", "shed", "p99", "beside", "recovered", "peak"],
  }),
];

/** Rows by their ids, or by the names of sets; `all` is all. @throws for what there is not. */
export function rowsNamed(names: readonly string[]): readonly Row[] {
  const unknown = names.filter(
    (name) => name !== "all" && !rows.some(({ id, set }) => id === name || set === name),
  );
  if (unknown.length > 0) throw new Error(`no row or set ${unknown.join(", ")}: see --list`);
  return rows.filter(
    ({ id, set }) => names.includes("all") || names.includes(id) || names.includes(set),
  );
}
