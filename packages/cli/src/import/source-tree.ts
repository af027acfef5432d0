import { errorCodeOf, type Txnid } from "@quorate/protocol";
import {
  createsOf,
  encodeImportedNode,
  ownerKind,
  ZNODE_DATA_BYTES_MAX,
  type AclEntry,
  type Stat,
} from "@quorate/znode";
import { ZkError } from "@quorate/zookeeper";
import { CHUNK_OVERHEAD_BYTES, READ_AGAIN_MAX, READS_IN_FLIGHT_MAX } from "./limits.js";
import type { Owners } from "./owners.js";
import type { Piece, Spool } from "./spool.js";
import { ZkRefusal } from "./zk-link.js";
import type { ZkSource } from "./zk-source.js";

/** A node as it was read last. */
export interface SourceNode {
  readonly stat: Stat;
  /** Names of all its children, ephemerals included. */
  readonly children: readonly string[];
  /** Packed as an import takes it. */
  readonly piece: Piece;
}

/** Why a node, with all below it, is not copied. Ephemerals belong to sessions that stay behind. */
export type LeftOut = "ephemeral" | "unreadable" | "masked" | "tooLarge" | "reserved";

type Seen = SourceNode | { readonly leftOut: LeftOut; readonly czxid: Txnid };

interface Read {
  readonly data: Uint8Array;
  readonly acl: readonly AclEntry[];
  readonly stat: Stat;
  readonly children: readonly string[];
}

const QUOTA_PATH = "/zookeeper/quota";
/** What ZooKeeper shows of a digest to whom it does not trust with it. */
const MASKED = /:x$/;

/**
 * The source's tree, read over and over until a pass finds nothing changed. Each node then was the
 * same when it was read and when that pass came by, so it was so when the pass began: what was read
 * is the tree of one moment, though nothing stood still for it.
 */
export class SourceTree {
  readonly #source: ZkSource;
  readonly #spool: Spool;
  readonly #owners: Owners | null;
  /** Parents before their children, since these are found there. */
  readonly #seen = new Map<string, Seen>();
  #changed = 0;
  #bytes = 0;
  #nodeCount = 0;

  constructor(source: ZkSource, spool: Spool, owners: Owners | null) {
    this.#source = source;
    this.#spool = spool;
    this.#owners = owners;
  }

  /** Whether it is known which nodes are containers or have a time to live. */
  get knowsOwners(): boolean {
    return this.#owners !== null;
  }

  /** Nodes to copy that are known so far. */
  get nodeCount(): number {
    return this.#nodeCount;
  }

  /** Not even the root was found, nor left out. */
  get isEmpty(): boolean {
    return this.#seen.size === 0;
  }

  /** Bytes of their data. */
  get bytes(): number {
    return this.#bytes;
  }

  *nodes(): Generator<readonly [string, SourceNode], undefined> {
    for (const [path, seen] of this.#seen) if ("piece" in seen) yield [path, seen];
  }

  get(path: string): SourceNode | undefined {
    const seen = this.#seen.get(path);
    return seen !== undefined && "piece" in seen ? seen : undefined;
  }

  packed({ piece }: SourceNode): Promise<Uint8Array> {
    return this.#spool.read(piece);
  }

  leftOut(why: LeftOut): readonly string[] {
    const paths: string[] = [];
    for (const [path, seen] of this.#seen) {
      if ("leftOut" in seen && seen.leftOut === why) paths.push(path);
    }
    return paths.sort();
  }

  /** One pass over the tree. Gives how many nodes it found changed since the one before. */
  async pass(): Promise<number> {
    this.#changed = 0;
    await this.#visitAll(["/"]);
    return this.#changed;
  }

  /** A bounded number at a time; whoever is visited may add to what waits. */
  #visitAll(waiting: string[]): Promise<void> {
    return new Promise((resolve, reject) => {
      let active = 0;
      let hasFailed = false;
      const fill = (): void => {
        while (active < READS_IN_FLIGHT_MAX) {
          const path = waiting.pop();
          if (path === undefined) break;
          active += 1;
          this.#visit(path, waiting).then(
            () => {
              active -= 1;
              if (!hasFailed) fill();
            },
            (error: unknown) => {
              hasFailed = true;
              reject(error instanceof Error ? error : new Error(String(error)));
            },
          );
        }
        if (active === 0) resolve();
      };
      fill();
    });
  }

  async #visit(path: string, waiting: string[]): Promise<void> {
    const before = this.#seen.get(path);
    let children: readonly string[];
    try {
      children = await this.#childrenAfter(path, before);
    } catch (error) {
      if (!(error instanceof ZkRefusal)) throw error;
      if (error.err === ZkError.noAuth) this.#leaveOut(path, "unreadable", before);
      else if (error.err === ZkError.noNode) this.#forget(path);
      else throw error;
      return;
    }
    for (const name of children) waiting.push(path === "/" ? `/${name}` : `${path}/${name}`);
  }

  /** Reads the node if it is new or another, and gives its children. */
  async #childrenAfter(path: string, before: Seen | undefined): Promise<readonly string[]> {
    if (path === "/zookeeper" || path === QUOTA_PATH) return this.#reservedChildren(path);
    if (before !== undefined) {
      const stat = await this.#source.exists(path);
      const isSame =
        "piece" in before ? isSameStat(before.stat, stat) : before.czxid === stat.czxid;
      if (isSame) return "piece" in before ? before.children : [];
    }
    const read = await this.#read(path);
    this.#changed += 1;
    const why = leftOutOf(read);
    if (why !== null) {
      this.#leaveOut(path, why, before, read.stat.czxid);
      return [];
    }
    await this.#keep(path, read, before);
    return read.children;
  }

  /** Of what the service keeps for itself only the quotas are an operator's. */
  async #reservedChildren(path: string): Promise<readonly string[]> {
    if (!this.#source.isWhole) {
      this.#leaveOut(path, "reserved", this.#seen.get(path));
      return [];
    }
    if (path === "/zookeeper") return ["quota"];
    return (await this.#source.children(path)).children;
  }

  /** A node's parts, which are asked for one by one, of one and the same state of it. */
  async #read(path: string): Promise<Read> {
    for (let attempt = 1; ; attempt += 1) {
      const [{ data, stat }, { acl, stat: aclStat }] = await Promise.all([
        this.#source.data(path),
        this.#source.acl(path),
      ]);
      const isLeaf = stat.numChildren === 0 || ownerOf(stat) === "session";
      const listed = isLeaf ? { children: [], stat } : await this.#source.children(path);
      const isWhole = isSameStat(stat, aclStat) && isSameStat(stat, listed.stat);
      // What still does not fit together the next pass will find changed.
      if (!isWhole && attempt <= READ_AGAIN_MAX) continue;
      return { data, acl, stat, children: listed.children };
    }
  }

  async #keep(path: string, read: Read, before: Seen | undefined): Promise<void> {
    const { data, acl, stat, children } = read;
    let packed: Uint8Array;
    try {
      packed = encodeImportedNode({
        path,
        data,
        acl,
        czxid: stat.czxid,
        mzxid: stat.mzxid,
        pzxid: stat.pzxid,
        ctime: stat.ctime,
        mtime: stat.mtime,
        version: stat.version,
        creates: createsOf(stat),
        aversion: stat.aversion,
        owner: this.#ownerAt(path, stat),
      });
    } catch (error) {
      if (errorCodeOf(error) !== "ERR_ARG_TOO_LARGE") throw error;
      this.#leaveOut(path, "tooLarge", before, stat.czxid);
      return;
    }
    if (packed.length > ZNODE_DATA_BYTES_MAX - CHUNK_OVERHEAD_BYTES) {
      this.#leaveOut(path, "tooLarge", before, stat.czxid);
      return;
    }
    const piece = await this.#spool.append(packed);
    if (before !== undefined && "piece" in before) {
      this.#uncount(before);
      const left = new Set(before.children);
      for (const name of children) left.delete(name);
      for (const name of left) this.#forget(path === "/" ? `/${name}` : `${path}/${name}`);
    }
    this.#nodeCount += 1;
    this.#bytes += data.length;
    this.#seen.set(path, { stat, children, piece });
  }

  #ownerAt(path: string, { czxid, ephemeralOwner }: Stat): bigint {
    const known = this.#owners?.of(this.#source.pathOf(path), czxid);
    return known ?? BigInt.asUintN(64, ephemeralOwner);
  }

  #leaveOut(path: string, leftOut: LeftOut, before: Seen | undefined, czxid?: Txnid): void {
    if (before !== undefined && "leftOut" in before && before.leftOut === leftOut) {
      if (czxid === undefined || before.czxid === czxid) return;
    }
    if (before !== undefined) this.#forget(path);
    this.#seen.set(path, { leftOut, czxid: czxid ?? (0n as Txnid) });
  }

  /** It is gone, and all that was below it. */
  #forget(path: string): void {
    this.#changed += 1;
    const waiting = [path];
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      const seen = this.#seen.get(at);
      this.#seen.delete(at);
      if (seen === undefined || !("piece" in seen)) continue;
      this.#uncount(seen);
      for (const name of seen.children) waiting.push(at === "/" ? `/${name}` : `${at}/${name}`);
    }
  }

  #uncount({ stat }: SourceNode): void {
    this.#nodeCount -= 1;
    this.#bytes -= stat.dataLength;
  }
}

export function ownerOf({ ephemeralOwner }: Stat): ReturnType<typeof ownerKind> {
  return ownerKind(BigInt.asUintN(64, ephemeralOwner));
}

function leftOutOf({ acl, data, stat }: Read): LeftOut | null {
  if (ownerOf(stat) === "session") return "ephemeral";
  if (acl.some(({ scheme, id }) => scheme === "digest" && MASKED.test(id))) return "masked";
  return data.length > ZNODE_DATA_BYTES_MAX ? "tooLarge" : null;
}

function isSameStat(one: Stat, other: Stat): boolean {
  return (
    one.czxid === other.czxid &&
    one.mzxid === other.mzxid &&
    one.pzxid === other.pzxid &&
    one.version === other.version &&
    one.cversion === other.cversion &&
    one.aversion === other.aversion &&
    one.numChildren === other.numChildren
  );
}
