import { parentPathOf, QUOTA_PATH, ROOT } from "./paths.js";

/**
 * Quotas, as ZooKeeper keeps them: `/zookeeper/quota<path>/zookeeper_limits` says how much the
 * subtree of a path may hold and `zookeeper_stats` beside it how much it holds. One counts for a
 * write: the nearest at the path or above it. The root has none.
 */
const LIMITS = "zookeeper_limits";
const STATS = "zookeeper_stats";
const PREFIX = `${QUOTA_PATH}/`;

export interface QuotaNumbers {
  /** -1 where there is none. */
  readonly count: number;
  readonly bytes: number;
  readonly countHardLimit: number;
  readonly byteHardLimit: number;
}

/** A write went, or would have gone, beyond a limit. */
export interface QuotaExcess {
  /** Whose quota it is. */
  readonly path: string;
  readonly kind: "count" | "bytes";
  readonly limit: number;
  readonly value: number;
  /** An enforced one: the write was refused. */
  readonly isHard: boolean;
}

export function limitsPathOf(path: string): string {
  return `${QUOTA_PATH}${path}/${LIMITS}`;
}

export function statsPathOf(path: string): string {
  return `${QUOTA_PATH}${path}/${STATS}`;
}

/** Whether the node is a part of the quotas, so that its data says something. */
export function isQuotaData(path: string): boolean {
  return path.startsWith(PREFIX) && (isLimitsPath(path) || isStatsPath(path));
}

export function isLimitsPath(path: string): boolean {
  return path.startsWith(PREFIX) && path.endsWith(`/${LIMITS}`) && quotaOwner(path) !== "";
}

export function isStatsPath(path: string): boolean {
  return path.startsWith(PREFIX) && path.endsWith(`/${STATS}`) && quotaOwner(path) !== "";
}

/** Of a limits or stats node: the path whose quota it is. Empty for a quota on the root. */
export function quotaOwner(path: string): string {
  return parentPathOf(path).slice(QUOTA_PATH.length);
}

/** The nearest path at or above this one that has limits; null when none has. */
export function quotaPathOf(path: string, hasLimits: (path: string) => boolean): string | null {
  for (let at = path; at !== ROOT; at = parentPathOf(at)) if (hasLimits(at)) return at;
  return null;
}

const text = new TextDecoder();
const encoder = new TextEncoder();
const PAIRS = /[,;]+/;

/**
 * `count=5,bytes=-1=;byteHardLimit=10`. What is no number is absent; ZooKeeper's server ends there.
 */
function pairsOf(data: Uint8Array): Map<string, number> {
  const pairs = new Map<string, number>();
  for (const pair of text.decode(data).split(PAIRS)) {
    const [name = "", value = ""] = pair.split("=");
    if (name !== "" && /^[+-]?[0-9]{1,19}$/.test(value)) pairs.set(name, Number(value));
  }
  return pairs;
}

export function readQuota(data: Uint8Array): QuotaNumbers {
  const pairs = pairsOf(data);
  return {
    count: pairs.get("count") ?? -1,
    bytes: pairs.get("bytes") ?? -1,
    countHardLimit: pairs.get("countHardLimit") ?? -1,
    byteHardLimit: pairs.get("byteHardLimit") ?? -1,
  };
}

/** New data for a stats node; names of no meaning stay, as in ZooKeeper. */
export function addToStats(data: Uint8Array, count: number, bytes: number): Uint8Array {
  const pairs = pairsOf(data);
  const sum = (name: string, by: number): number => (pairs.get(name) ?? -1) + by;
  const counted = [sum("count", count), sum("bytes", bytes)] as const;
  return writeStats(pairs, ...counted);
}

export function statsOf(count: number, bytes: number): Uint8Array {
  return writeStats(new Map(), count, bytes);
}

/** ZooKeeper's text: what is neither count nor bytes follows a stray `=`, sorted. */
function writeStats(pairs: Map<string, number>, count: number, bytes: number): Uint8Array {
  const others = [...pairs]
    .filter(([name]) => name !== "count" && name !== "bytes")
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `;${name}=${value}`);
  const end = others.length === 0 ? "" : `=${others.join("")}`;
  return encoder.encode(`count=${count},bytes=${bytes}${end}`);
}
