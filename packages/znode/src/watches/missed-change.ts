import type { NodeChangeKind } from "@quorate/protocol";
import type { WatchRequest } from "./watch-table.js";

/** One-shot watches as a client sets them again; `exist`: of data, where there was no node. */
export type OneShotWatch = "data" | "exist" | "child";

const MZXID_AT = 8;
const PZXID_AT = 60;

/**
 * What a client missed that had a one-shot watch and has seen everything up to `seen`; null when
 * nothing, and then the watch is armed again. `stat` is the encoded Stat of the node as it is, null
 * when there is none (ZooKeeper's setWatches).
 */
export function missedChange(
  watch: OneShotWatch,
  stat: Uint8Array | null,
  seen: bigint,
): NodeChangeKind | null {
  if (watch === "exist") return stat === null ? null : "created";
  if (stat === null) return "deleted";
  const isChild = watch === "child";
  if (txnidAt(stat, isChild ? PZXID_AT : MZXID_AT) <= seen) return null;
  return isChild ? "childrenChanged" : "dataChanged";
}

/** How it is armed again. */
export function armedAgain(
  watch: OneShotWatch | "persistent" | "persistentRecursive",
): WatchRequest {
  return watch === "exist" ? "data" : watch;
}

/** Signed, as ZooKeeper compares them. */
function txnidAt(stat: Uint8Array, at: number): bigint {
  return new DataView(stat.buffer, stat.byteOffset + at, 8).getBigInt64(0);
}
