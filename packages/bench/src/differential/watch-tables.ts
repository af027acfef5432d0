import { ZkAddWatchMode, ZkOp, ZkWatcherType } from "@quorate/zookeeper";
import type { NormalItem } from "./normalise.js";
import type { RequestStep } from "./steps.js";

const OK = 0;
const NO_NODE = -101;
const NO_WATCHER = -121;
const MARSHALLING = -5;

type Mode = "once" | "persistent" | "recursive";
type Kind = "data" | "child";

/** Types of events. */
const DELETED = 2;
const DATA_CHANGED = 3;
const CHILDREN_CHANGED = 4;
const CREATED = 1;

/** What makes watches fire: an event's type and path, and the tables in which it is looked up. */
export interface Trigger {
  readonly type: number;
  readonly path: string;
  readonly kinds: readonly Kind[];
}

export const trigger = {
  created: (path: string): Trigger => ({ type: CREATED, path, kinds: ["data"] }),
  deleted: (path: string): Trigger => ({ type: DELETED, path, kinds: ["data", "child"] }),
  dataChanged: (path: string): Trigger => ({ type: DATA_CHANGED, path, kinds: ["data"] }),
  childrenChanged: (path: string): Trigger => ({ type: CHILDREN_CHANGED, path, kinds: ["child"] }),
};

/**
 * How watches of several modes on one path are kept. In 3.8 a table has one mode for a connection
 * and a path, the last one asked for, and takes away or finds whatever is there. Since 3.9.0
 * (ZOOKEEPER-4466, 4471, 4472) modes stand side by side, found and removed by their own types.
 */
export type WatchRules = "3.8" | "3.9";

interface Watcher {
  readonly server: number;
  readonly tables: Readonly<Record<Kind, Map<string, Set<Mode>>>>;
}

/**
 * The watches of one side, as its answers and the rules of its version say: what it must tell, and
 * how it must answer who asks for a watch. Not modelled is who may read.
 */
export class WatchTables {
  readonly #rules: WatchRules;
  readonly #watchers = new Map<number, Watcher>();

  constructor(rules: WatchRules) {
    this.#rules = rules;
  }

  open(connection: number, server: number): void {
    this.#watchers.set(connection, { server, tables: { data: new Map(), child: new Map() } });
  }

  close(connection: number): void {
    this.#watchers.delete(connection);
  }

  /** Carries out what makes watches fire. Returns how often each connection is told what. */
  fire(triggers: readonly Trigger[]): ReadonlyMap<string, number> {
    const told = new Map<string, number>();
    for (const one of triggers) {
      for (const [connection, { tables }] of this.#watchers) {
        const fired = one.kinds.filter((kind) => takeFiring(tables[kind], one));
        const key = eventKey(connection, one.type, one.path);
        if (fired.length > 0) told.set(key, (told.get(key) ?? 0) + 1);
      }
    }
    return told;
  }

  /** The error code that a request for a watch is answered with. */
  answer({ connection, type, value }: RequestStep): number {
    const { path, type: wanted } = value as { readonly path: string | null; readonly type: number };
    const isNew =
      wanted === ZkWatcherType.persistent || wanted === ZkWatcherType.persistentRecursive;
    if (isNew && this.#rules === "3.8") return MARSHALLING;
    if (!wantedModes.has(wanted)) return MARSHALLING;
    if (path === null) return NO_WATCHER;
    const isCheck = type === ZkOp.checkWatches;
    // It cuts the path at its slashes, and falls over one that has none.
    if (isCheck && this.#rules === "3.8" && path !== "" && !path.includes("/")) return MARSHALLING;
    if (this.owns(connection, path, wanted)) return OK;
    return isCheck && this.#rules === "3.8" && this.#isWatchedBeside(connection, path, wanted)
      ? OK
      : NO_WATCHER;
  }

  /** True when the connection itself has a watch of that type there. */
  owns(connection: number, path: string, wanted: number): boolean {
    const tables = this.#watchers.get(connection)?.tables;
    if (tables === undefined) return false;
    return kindsOf(wanted).some(
      (kind) => this.#matching(tables[kind].get(path), wanted).length > 0,
    );
  }

  /** True when it has one there that stays. */
  staysAt(connection: number, path: string): boolean {
    const { data, child } = this.#watchers.get(connection)?.tables ?? {};
    const isLasting = (modes: ReadonlySet<Mode> | undefined): boolean =>
      modes?.has("persistent") === true || modes?.has("recursive") === true;
    return isLasting(data?.get(path)) || isLasting(child?.get(path));
  }

  /** Takes in a request and this side's answer, with the events that came with it. */
  note(
    { connection, type, value }: RequestStep,
    err: unknown,
    events: readonly NormalItem[],
  ): void {
    const { path, watch, mode } = (value ?? {}) as Record<string, unknown>;
    const isSet = watch === true && typeof path === "string";
    switch (type) {
      case ZkOp.exists:
        if (isSet && (err === OK || err === NO_NODE)) this.#add(connection, "data", path, "once");
        return;
      case ZkOp.getData:
        if (isSet && err === OK) this.#add(connection, "data", path, "once");
        return;
      case ZkOp.getChildren:
      case ZkOp.getChildren2:
        if (isSet && err === OK) this.#add(connection, "child", path, "once");
        return;
      case ZkOp.addWatch:
        if (typeof path !== "string" || err !== OK) return;
        this.#addLasting(connection, path, mode === ZkAddWatchMode.persistentRecursive);
        return;
      case ZkOp.removeWatches:
        if (typeof path === "string" && err === OK) {
          this.#remove(connection, path, (value as { type: number }).type);
        }
        return;
      case ZkOp.setWatches:
      case ZkOp.setWatches2:
        if (err === OK) this.#noteLists(connection, value as Lists, events);
        return;
      default:
    }
  }

  #noteLists(connection: number, lists: Lists, events: readonly NormalItem[]): void {
    const told = new Set(
      events.map(({ fields }) => `${String(fields.type)} ${String(fields.path)}`),
    );
    const isMissed = (path: string, ...types: number[]): boolean =>
      types.some((type) => told.has(`${type} ${path}`));
    for (const path of lists.dataWatches ?? []) {
      if (isMissed(path, DATA_CHANGED, DELETED)) continue;
      this.#add(connection, "data", path, "once");
    }
    for (const path of lists.existWatches ?? []) {
      if (!isMissed(path, CREATED)) this.#add(connection, "data", path, "once");
    }
    for (const path of lists.childWatches ?? []) {
      if (isMissed(path, CHILDREN_CHANGED, DELETED)) continue;
      this.#add(connection, "child", path, "once");
    }
    for (const path of lists.persistentWatches ?? []) this.#addLasting(connection, path, false);
    for (const path of lists.persistentRecursiveWatches ?? []) {
      this.#addLasting(connection, path, true);
    }
  }

  #addLasting(connection: number, path: string, isRecursive: boolean): void {
    const mode = isRecursive ? "recursive" : "persistent";
    this.#add(connection, "data", path, mode);
    if (!isRecursive || this.#rules === "3.8") this.#add(connection, "child", path, mode);
  }

  #add(connection: number, kind: Kind, path: string, mode: Mode): void {
    const table = this.#watchers.get(connection)?.tables[kind];
    const others = this.#rules === "3.8" ? [] : (table?.get(path) ?? []);
    table?.set(path, new Set([...others, mode]));
  }

  #remove(connection: number, path: string, wanted: number): void {
    const tables = this.#watchers.get(connection)?.tables;
    for (const kind of kindsOf(wanted)) {
      const modes = tables?.[kind].get(path);
      for (const mode of this.#matching(modes, wanted)) modes?.delete(mode);
      if (modes?.size === 0) tables?.[kind].delete(path);
    }
  }

  #matching(modes: ReadonlySet<Mode> | undefined, wanted: number): readonly Mode[] {
    const all = [...(modes ?? [])];
    if (this.#rules === "3.8") return all;
    const only = wantedModes.get(wanted);
    return only === null ? all : all.filter((mode) => mode === only);
  }

  /** Looks at all connections of the same server. */
  #isWatchedBeside(connection: number, path: string, wanted: number): boolean {
    const server = this.#watchers.get(connection)?.server;
    return [...this.#watchers.values()].some(
      (other) =>
        other.server === server && kindsOf(wanted).some((kind) => other.tables[kind].has(path)),
    );
  }
}

type Lists = Readonly<Record<string, readonly string[] | null>>;

export function eventKey(connection: number, type: number, path: string): string {
  return `${connection} ${type} ${path}`;
}

/** By type of watcher; null for any. */
const wantedModes: ReadonlyMap<number, Mode | null> = new Map<number, Mode | null>([
  [ZkWatcherType.children, "once"],
  [ZkWatcherType.data, "once"],
  [ZkWatcherType.any, null],
  [ZkWatcherType.persistent, "persistent"],
  [ZkWatcherType.persistentRecursive, "recursive"],
]);

function kindsOf(wanted: number): readonly Kind[] {
  if (wanted === ZkWatcherType.children) return ["child"];
  return wanted === ZkWatcherType.data ? ["data"] : ["data", "child"];
}

/** True when one of the table's watches fires; one that fires once is gone then. */
function takeFiring(table: Map<string, Set<Mode>>, { type, path }: Trigger): boolean {
  const isToldRecursive = type !== CHILDREN_CHANGED;
  const modes = table.get(path);
  const isHere = [...(modes ?? [])].some((mode) => mode !== "recursive" || isToldRecursive);
  modes?.delete("once");
  if (modes?.size === 0) table.delete(path);
  if (isHere || !isToldRecursive) return isHere;
  return [...table].some(([above, its]) => {
    const prefix = above === "/" ? "/" : `${above}/`;
    // It is above no node: neither side takes it for the root.
    if (above === "") return false;
    return its.has("recursive") && path !== above && path.startsWith(prefix);
  });
}
