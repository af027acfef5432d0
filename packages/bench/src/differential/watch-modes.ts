import { ZkAddWatchMode, ZkOp } from "@quorate/zookeeper";
import type { RequestStep } from "./steps.js";

const OK = 0;
const NO_NODE = -101;

type Mode = "once" | "persistent" | "recursive";

/**
 * Which modes of watch each connection ever asked for on each path. ZooKeeper 3.8 keeps one mode
 * for a connection and a path: the last one that was asked for.
 */
export class WatchModes {
  readonly #modes = new Map<number, Map<string, Set<Mode>>>();

  /** Takes in a request and the left side's answer. */
  note({ connection, type, value }: RequestStep, err: unknown): void {
    const { path, watch, mode } = (value ?? {}) as Record<string, unknown>;
    const isThere = err === OK;
    switch (type) {
      case ZkOp.exists:
        if (watch === true && (isThere || err === NO_NODE)) this.#add(connection, path, "once");
        return;
      case ZkOp.getData:
      case ZkOp.getChildren:
      case ZkOp.getChildren2:
        if (watch === true && isThere) this.#add(connection, path, "once");
        return;
      case ZkOp.addWatch:
        if (isThere) {
          const isRecursive = mode === ZkAddWatchMode.persistentRecursive;
          this.#add(connection, path, isRecursive ? "recursive" : "persistent");
        }
        return;
      case ZkOp.setWatches:
      case ZkOp.setWatches2:
        if (isThere) this.#noteLists(connection, value as Record<string, readonly string[]>);
        return;
      default:
    }
  }

  /** True when a watch that stays was asked for there. */
  isPersistent(connection: number, path: string): boolean {
    const modes = this.#modes.get(connection)?.get(path);
    return modes !== undefined && (modes.has("persistent") || modes.has("recursive"));
  }

  /** True when any connection ever watched that path, or everything below one above it. */
  isWatchedByAny(path: string): boolean {
    return [...this.#modes.values()].some((byPath) =>
      [...byPath].some(([watched, modes]) => {
        const isBelow = path.startsWith(watched === "/" ? "/" : `${watched}/`);
        return watched === path || (isBelow && modes.has("recursive"));
      }),
    );
  }

  /** From now on the two sides keep different halves of that connection's watch. */
  disturb(connection: number, path: string): void {
    this.#add(connection, path, "once");
    this.#add(connection, path, "persistent");
  }

  /** True when what that connection is told of a path depends on how modes are kept. */
  isMixed(connection: number, path: string): boolean {
    for (const [watched, modes] of this.#modes.get(connection) ?? []) {
      if (modes.size < 2) continue;
      const isBelow = path.startsWith(watched === "/" ? "/" : `${watched}/`);
      if (watched === path || isBelow || watched.startsWith(`${path}/`)) return true;
    }
    return false;
  }

  #noteLists(connection: number, lists: Record<string, readonly string[]>): void {
    for (const [name, paths] of Object.entries(lists)) {
      if (!Array.isArray(paths)) continue;
      const mode =
        name === "persistentWatches"
          ? "persistent"
          : name === "persistentRecursiveWatches"
            ? "recursive"
            : "once";
      for (const path of paths as readonly string[]) this.#add(connection, path, mode);
    }
  }

  #add(connection: number, path: unknown, mode: Mode): void {
    if (typeof path !== "string") return;
    const byPath = this.#modes.get(connection) ?? new Map<string, Set<Mode>>();
    this.#modes.set(connection, byPath);
    byPath.set(path, (byPath.get(path) ?? new Set<Mode>()).add(mode));
  }
}
