import fc from "fast-check";
import { expect, test } from "vitest";
import type { NodeChangeKind } from "@quorate/protocol";
import { WatchTable, type WatchRequest, type WatchType } from "../src/index.js";

const STANDARD = 1;
const PERSISTENT = 2;
const RECURSIVE = 4;

/** ZooKeeper 3.9.5's WatchManager, written down as literally as another language allows. */
class Manager {
  readonly #flags = new Map<string, Map<number, number>>();

  add(path: string, watcher: number, flag: number): void {
    const watchers = this.#flags.get(path) ?? new Map<number, number>();
    watchers.set(watcher, (watchers.get(watcher) ?? 0) | flag);
    this.#flags.set(path, watchers);
  }

  has(path: string, watcher: number, flag: number): boolean {
    return ((this.#flags.get(path)?.get(watcher) ?? 0) & flag) !== 0;
  }

  remove(path: string, watcher: number, flag: number): boolean {
    if (!this.has(path, watcher, flag)) return false;
    const left = (this.#flags.get(path)?.get(watcher) ?? 0) & ~flag;
    if (left === 0) this.#flags.get(path)?.delete(watcher);
    else this.#flags.get(path)?.set(watcher, left);
    return true;
  }

  removeAll(watcher: number): void {
    for (const watchers of this.#flags.values()) watchers.delete(watcher);
  }

  trigger(path: string): Set<number> {
    const told = new Set<number>();
    for (const watcher of [...(this.#flags.get(path)?.keys() ?? [])]) {
      told.add(watcher);
      this.remove(path, watcher, STANDARD);
    }
    for (let above = path; above !== "/";) {
      above = above.slice(0, Math.max(1, above.lastIndexOf("/")));
      for (const [watcher, flags] of this.#flags.get(above) ?? []) {
        if ((flags & RECURSIVE) !== 0) told.add(watcher);
      }
    }
    return told;
  }
}

/** ZooKeeper's DataTree, as far as watches go. */
class Model {
  readonly #data = new Manager();
  readonly #child = new Manager();

  add(path: string, watcher: number, request: WatchRequest): void {
    if (request === "data") this.#data.add(path, watcher, STANDARD);
    if (request === "child") this.#child.add(path, watcher, STANDARD);
    if (request === "persistent") {
      this.#data.add(path, watcher, PERSISTENT);
      this.#child.add(path, watcher, PERSISTENT);
    }
    if (request === "persistentRecursive") this.#data.add(path, watcher, RECURSIVE);
  }

  remove(path: string, watcher: number, type: WatchType): boolean {
    const all = STANDARD | PERSISTENT | RECURSIVE;
    switch (type) {
      case "children":
        return this.#child.remove(path, watcher, STANDARD);
      case "data":
        return this.#data.remove(path, watcher, STANDARD);
      case "persistentRecursive":
        return this.#data.remove(path, watcher, RECURSIVE);
      default: {
        const flags = type === "any" ? all : PERSISTENT;
        const ofChild = this.#child.remove(path, watcher, flags);
        return this.#data.remove(path, watcher, flags) || ofChild;
      }
    }
  }

  removeAll(watcher: number): void {
    this.#data.removeAll(watcher);
    this.#child.removeAll(watcher);
  }

  trigger(kind: NodeChangeKind, path: string): Set<number> {
    if (kind === "childrenChanged") return this.#child.trigger(path);
    const told = this.#data.trigger(path);
    if (kind === "deleted") for (const w of this.#child.trigger(path)) told.add(w);
    return told;
  }
}

const path = fc.constantFrom("/", "/a", "/b", "/a/b", "/a/c", "/a/b/c");
const watcher = fc.nat(4);
const request = fc.constantFrom<WatchRequest>("data", "child", "persistent", "persistentRecursive");
const type = fc.constantFrom<WatchType>(
  "children",
  "data",
  "any",
  "persistent",
  "persistentRecursive",
);
const change = fc.constantFrom<NodeChangeKind>(
  "created",
  "deleted",
  "dataChanged",
  "childrenChanged",
);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constant("add" as const), path, watcher, request) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("remove" as const), path, watcher, type) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("gone" as const), watcher) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("trigger" as const), change, path) },
);

test("adds, removals and changes in any order fire what ZooKeeper's own tables fire", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const table = new WatchTable();
      const model = new Model();
      for (const todo of steps) {
        switch (todo[0]) {
          case "add":
            table.add(todo[1], todo[2], todo[3]);
            model.add(todo[1], todo[2], todo[3]);
            break;
          case "remove":
            expect(table.contains(todo[1], todo[2], todo[3])).toBe(
              model.remove(todo[1], todo[2], todo[3]),
            );
            table.remove(todo[1], todo[2], todo[3]);
            break;
          case "gone":
            table.removeAll(todo[1]);
            model.removeAll(todo[1]);
            break;
          case "trigger": {
            const told: number[] = [];
            table.trigger(todo[1], todo[2], (who) => told.push(who));
            const expected = [...model.trigger(todo[1], todo[2])];
            expect(told.sort()).toEqual(expected.sort());
          }
        }
        const byPath = [...table.byPath()];
        expect(table.dataSummary()).toEqual({
          watchers: [...table.byWatcher()].length,
          paths: byPath.length,
          total: byPath.reduce((sum, [, watchers]) => sum + watchers.length, 0),
        });
      }
    }),
    { numRuns: 2000 },
  );
});
