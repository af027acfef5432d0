import { encodeCaller, OpCode, QuorateError, type Service } from "@quorate/protocol";
import { armedAgain, missedChange, type OneShotWatch, type WatchRequest } from "@quorate/znode";
import { ZkOp } from "../jute/op-codes.js";
import type { JuteReader } from "../jute/reader.js";
import { SetWatches, SetWatches2 } from "../jute/records.js";
import { eventTypeOf } from "./events.js";

export interface SetWatchesTarget {
  readonly service: Service;
  /** An event that the client missed, before the reply. */
  tell(eventType: number, path: string): void;
  addWatch(path: string, request: WatchRequest): void;
  /** Closes the connection: its client shall come again. */
  drop(reason: string): void;
}

type List = OneShotWatch | "persistent" | "persistentRecursive";

/** Watches that are set again look at the tree as it is, whoever may read it: as there. */
const ROOT_CALLER = encodeCaller({ session: null, identities: [{ scheme: "super", id: "" }] });

/**
 * The watches of a client that has connected again: what it missed since `relativeZxid` it is told,
 * the rest is armed. Each path is looked at and armed in one step, so it may be done in pieces.
 */
export class SetWatchesRun {
  readonly #target: SetWatchesTarget;
  readonly #relativeZxid: bigint;
  readonly #lists: readonly (readonly [List, readonly (string | null)[]])[];
  #list = 0;
  #at = 0;

  /** @throws ERR_PROTOCOL_DECODE; a null list cannot be gone through, as there. */
  constructor(op: number, reader: JuteReader, target: SetWatchesTarget) {
    const later = op === ZkOp.setWatches2 ? SetWatches2.read(reader) : null;
    const request = later ?? SetWatches.read(reader);
    this.#target = target;
    this.#relativeZxid = request.relativeZxid;
    this.#lists = [
      ["data", listOf(request.dataWatches)],
      ["exist", listOf(request.existWatches)],
      ["child", listOf(request.childWatches)],
      ["persistent", later === null ? [] : listOf(later.persistentWatches)],
      ["persistentRecursive", later === null ? [] : listOf(later.persistentRecursiveWatches)],
    ];
  }

  /** Goes through at most so many paths; true when all are done, or the connection was dropped. */
  step(pathsMax: number): boolean {
    for (let left = pathsMax; this.#list < this.#lists.length;) {
      const [kind, paths] = this.#lists[this.#list] ?? (["data", []] as const);
      if (this.#at >= paths.length) {
        this.#list += 1;
        this.#at = 0;
        continue;
      }
      if (left === 0) return false;
      left -= 1;
      const path = paths[this.#at];
      this.#at += 1;
      if (path !== null && path !== undefined && !this.#set(kind, path)) return true;
    }
    return true;
  }

  /** False: the connection was dropped. */
  #set(kind: List, path: string): boolean {
    const target = this.#target;
    if (kind === "persistent" || kind === "persistentRecursive") {
      target.addWatch(path, kind);
      return true;
    }
    const result = target.service.readNow(OpCode.exists, path === "" ? "/" : path, ROOT_CALLER);
    if (!result.ok && result.code === "ERR_SERVER_NOT_READY") {
      // Invariant 9: a state that is being loaded says nothing of whether there is a node.
      target.drop("its watches are set while the state is loaded");
      return false;
    }
    const stat = result.ok ? result.content : null;
    const missed = missedChange(kind, stat, this.#relativeZxid);
    if (missed === null) target.addWatch(path, armedAgain(kind));
    else target.tell(eventTypeOf(missed), path);
    return true;
  }
}

function listOf(paths: readonly (string | null)[] | null): readonly (string | null)[] {
  if (paths === null) throw new QuorateError("ERR_PROTOCOL_DECODE", "unreadable packet: no list");
  return paths;
}
