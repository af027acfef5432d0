import { ZkOp, type MultiResult } from "@quorate/zookeeper";
import type { Decoded } from "./decode.js";

const writes: ReadonlySet<number> = new Set<number>([
  ZkOp.create,
  ZkOp.create2,
  ZkOp.createContainer,
  ZkOp.createTtl,
  ZkOp.delete,
  ZkOp.setData,
  ZkOp.setAcl,
  ZkOp.closeSession,
]);

/**
 * Ranks of the zxids that changed something: those of writes that succeeded, and those that a Stat
 * shows. Both sides have the same ones in the same order, whatever else drew a zxid in between.
 */
export class ZxidRanks {
  readonly #start: bigint;
  readonly #sorted: readonly bigint[];

  constructor(start: bigint, decoded: readonly (readonly Decoded[])[]) {
    this.#start = start;
    const found = new Set<bigint>();
    for (const items of decoded) for (const item of items) collect(item, found);
    this.#sorted = [...found]
      .filter((zxid) => zxid > start)
      .sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  }

  isOld(zxid: bigint): boolean {
    return zxid <= this.#start;
  }

  /** Of a zxid that stands for a change. */
  of(zxid: bigint): string {
    if (zxid <= 0n) return String(zxid);
    if (this.isOld(zxid)) return "old";
    const at = this.#countUpTo(zxid);
    return this.#sorted[at - 1] === zxid ? `#${at}` : `after #${at}`;
  }

  /** Of one that says how far a server is: the newest change at or below it. */
  before(zxid: bigint): string {
    if (zxid <= 0n) return String(zxid);
    const at = this.#countUpTo(zxid);
    return at === 0 ? "old" : `#${at}`;
  }

  #countUpTo(zxid: bigint): number {
    let [from, to] = [0, this.#sorted.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((this.#sorted[middle] ?? zxid) <= zxid) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}

function collect(item: Decoded, found: Set<bigint>): void {
  if (item.kind !== "reply" || item.err !== 0) return;
  if (item.type !== null && (writes.has(item.type) || isChangingMulti(item))) found.add(item.zxid);
  collectStats(item.body, found);
}

function isChangingMulti({ type, body }: Decoded & { kind: "reply" }): boolean {
  if (type !== ZkOp.multi || !Array.isArray(body)) return false;
  const results = body as readonly MultiResult[];
  return results.every((result) => result.type !== ZkOp.error);
}

function collectStats(value: unknown, found: Set<bigint>): void {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return;
  if ("czxid" in value) {
    const { czxid, mzxid, pzxid } = value as Record<string, bigint>;
    for (const zxid of [czxid, mzxid, pzxid]) if (zxid !== undefined) found.add(zxid);
    return;
  }
  for (const field of Object.values(value)) collectStats(field, found);
}
