import type { Prepared, PrepareContext, SessionOwner } from "@quorate/protocol";
import type { Asker } from "./asker.js";
import { NodeRecord, Overlay, type NodeView } from "./overlay.js";
import { PartList } from "./part-list.js";
import {
  addToStats,
  limitsPathOf,
  quotaPathOf,
  readQuota,
  statsPathOf,
  type QuotaExcess,
} from "./quota.js";
import { refuse, type Refusal } from "./refusals.js";
import type { Sessions } from "./sessions.js";
import { Slab } from "./slab.js";
import type { SubtreeSize, Tree } from "./tree.js";

/** One operation on a path, alone or in a multi. */
export interface Ask {
  readonly path: string;
  readonly content: Uint8Array;
  /** Where the operation's own content begins. */
  readonly at: number;
  readonly asker: Asker;
  readonly context: PrepareContext;
}

export type Preparation = (judge: Judge, ask: Ask) => Prepared;

export interface JudgeOptions {
  /** How long a container is kept that never had a child. 0: for ever, as in ZooKeeper. */
  readonly unusedContainerMs: number;
  onQuotaExceeded(excess: QuotaExcess): void;
}

/** The newest state: applied, and what is prepared above it. Judges by it and adds to it. */
export class Judge {
  readonly tree: Tree;
  readonly sessions: Sessions;
  readonly overlay = new Overlay();
  readonly slab = new Slab();
  /** Of the multi that is being prepared. */
  readonly parts = new PartList();
  readonly options: JudgeOptions;

  constructor(tree: Tree, sessions: Sessions, options: JudgeOptions) {
    this.tree = tree;
    this.sessions = sessions;
    this.options = options;
  }

  /** The node as it will be once everything prepared is applied. */
  newest(path: string): NodeView | undefined {
    const record = this.overlay.get(path);
    if (record === undefined) return this.tree.get(path);
    return record.exists ? record : undefined;
  }

  isOpen(session: bigint): boolean {
    return this.overlay.session(session)?.isOpen ?? this.sessions.get(session) !== undefined;
  }

  /** The node that a session writes through in the newest state; 0 when nobody knows it. */
  ownerOf(session: bigint): SessionOwner {
    return this.overlay.session(session)?.owner ?? this.sessions.get(session)?.owner ?? 0;
  }

  /** Invariant 8: what a session asks for through a node that it has left has no place any more. */
  isElsewhere(session: bigint, { origin }: PrepareContext): boolean {
    const owner = this.ownerOf(session);
    return origin !== undefined && owner !== 0 && owner !== origin && this.isOpen(session);
  }

  /** The bytes of its ephemerals will be these; it is open. */
  putEphemeralBytes(id: bigint, ephemeralBytes: number, { txnid }: PrepareContext): void {
    const owner = this.ownerOf(id);
    this.overlay.putSession({ id, isOpen: true, owner, ephemeralBytes, txnid });
  }

  /** Of the newest state; of a session that is open. */
  ephemeralBytes(session: bigint): number {
    const prepared = this.overlay.session(session);
    return prepared?.ephemeralBytes ?? this.sessions.get(session)?.ephemeralBytes ?? 0;
  }

  /** Paths of the ephemerals that a session has in the newest state, sorted. */
  ephemeralsOf(session: bigint): readonly string[] {
    const paths: string[] = [];
    for (const path of this.sessions.get(session)?.ephemerals ?? []) {
      if (this.overlay.get(path) === undefined) paths.push(path);
    }
    const pending = this.overlay.ephemeralsOf(session);
    if (pending !== undefined) paths.push(...pending);
    return paths.sort();
  }

  /** Data of a node that belongs to the quotas, in the newest state. */
  quotaData(path: string): Uint8Array | null {
    const record = this.overlay.get(path);
    if (record !== undefined) {
      if (!record.exists) return null;
      if (record.data !== null) return record.data;
    }
    return this.tree.get(path)?.data ?? null;
  }

  /** Whose quota counts for the path; null when nobody's does. */
  quotaOf(path: string): string | null {
    if (!this.overlay.touchesLimits) {
      if (!this.tree.hasQuotas) return null;
      return quotaPathOf(path, (at) => this.tree.hasLimits(at));
    }
    return quotaPathOf(path, (at) => this.newest(limitsPathOf(at)) !== undefined);
  }

  /** ZooKeeper's checkQuota, of what a write adds. Null when it may. */
  overQuota(path: string, count: number, bytes: number): Refusal | null {
    const quota = this.quotaOf(path);
    if (quota === null) return null;
    const limitsData = this.quotaData(limitsPathOf(quota));
    const statsData = this.quotaData(statsPathOf(quota));
    if (limitsData === null || statsData === null) return null;
    const limits = readQuota(limitsData);
    const stats = readQuota(statsData);
    const isOver =
      (count !== 0 &&
        this.#exceeds(quota, "count", stats.count + count, limits.count, limits.countHardLimit)) ||
      (bytes !== 0 &&
        this.#exceeds(quota, "bytes", stats.bytes + bytes, limits.bytes, limits.byteHardLimit));
    return isOver ? refuse("ERR_ZNODE_QUOTA_EXCEEDED", `the quota of ${quota} is exceeded`) : null;
  }

  /** What applying does to the stats of the quota that counts for the path. */
  charge(path: string, count: number, bytes: number, context: PrepareContext): void {
    const quota = this.quotaOf(path);
    if (quota === null) return;
    const stats = statsPathOf(quota);
    const node = this.newest(stats);
    const data = this.quotaData(stats);
    if (node === undefined || data === null) return;
    this.putStats(stats, node, addToStats(data, count, bytes), context);
  }

  /** Nodes and bytes at a path and below it in the newest state. */
  sizeBelow(path: string): SubtreeSize {
    let count = 0;
    let bytes = 0;
    for (const node of this.tree.subtree(path)) {
      if (this.overlay.get(node.path) !== undefined) continue;
      count += 1;
      bytes += node.dataLength;
    }
    for (const record of this.overlay.nodes()) {
      const isWithin = record.path === path || record.path.startsWith(`${path}/`);
      if (!isWithin || !record.exists) continue;
      count += 1;
      bytes += record.dataLength;
    }
    return { count, bytes };
  }

  putStats(path: string, node: NodeView, data: Uint8Array, { txnid }: PrepareContext): void {
    const record = NodeRecord.of(path, node, txnid);
    record.dataLength = data.length;
    record.data = data;
    this.overlay.put(record);
  }

  /** An enforced limit takes the place of the other. Only it refuses. */
  #exceeds(
    path: string,
    kind: QuotaExcess["kind"],
    value: number,
    soft: number,
    hard: number,
  ): boolean {
    const isHard = hard > -1;
    const limit = isHard ? hard : soft;
    if (limit < 0 || value <= limit) return false;
    this.options.onQuotaExceeded({ path, kind, limit, value, isHard });
    return isHard;
  }
}
