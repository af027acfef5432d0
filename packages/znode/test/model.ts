import fc from "fast-check";
import { encodeCreate, encodeDelete, encodeSet, ZnodeOp } from "../src/index.js";

/** One request, as a plain value. */
export interface Ask {
  readonly op: number;
  readonly path: string;
  readonly data: Uint8Array;
  readonly version: number;
}

export function contentOf(ask: Ask): Uint8Array {
  if (ask.op === ZnodeOp.create) return encodeCreate(ask);
  if (ask.op === ZnodeOp.set) return encodeSet(ask);
  if (ask.op === ZnodeOp.delete) return encodeDelete(ask);
  return ask.data;
}

const names = fc.constantFrom("a", "a", "a", "ü", "ü", "zookeeper");
const path = fc.array(names, { minLength: 0, maxLength: 2 }).map((parts) => `/${parts.join("/")}`);

/** Few names and versions, so that requests meet; creates lead, so that trees grow. */
export const asks: fc.Arbitrary<Ask> = fc.record({
  op: fc.constantFrom<number>(
    ZnodeOp.create,
    ZnodeOp.create,
    ZnodeOp.create,
    ZnodeOp.set,
    ZnodeOp.set,
    ZnodeOp.delete,
    ZnodeOp.delete,
    ZnodeOp.broadcast,
  ),
  path,
  data: fc.uint8Array({ maxLength: 9 }),
  version: fc.constantFrom(-1, -1, -1, 0, 1, 2),
});

export interface ModelNode {
  data: Uint8Array;
  czxid: bigint;
  mzxid: bigint;
  pzxid: bigint;
  ctime: number;
  mtime: number;
  version: number;
  /** Creates and deletes of children, counted one by one, unlike in the machine. */
  cversion: number;
}

const BUILT_INS = ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"];

/** The rules once more, as naively as possible: a map of paths, searched whole. */
export class Model {
  readonly nodes = new Map<string, ModelNode>();

  constructor() {
    for (const builtIn of BUILT_INS) {
      // As in ZooKeeper, built-in children lower the count that is shown.
      this.nodes.set(builtIn, newNode(new Uint8Array(0), 0n, 0));
    }
    this.#at("/").cversion = -1;
    this.#at("/zookeeper").cversion = -2;
  }

  childrenOf(path: string): string[] {
    const prefix = path === "/" ? "/" : `${path}/`;
    const below = [...this.nodes.keys()].filter((key) => key !== "/" && key.startsWith(prefix));
    return below
      .map((key) => key.slice(prefix.length))
      .filter((name) => !name.includes("/"))
      .sort();
  }

  /** Null when done, else the code of the refusal. */
  run(ask: Ask, txnid: bigint, timeMs: number): string | null {
    if (ask.op === ZnodeOp.broadcast) return null;
    if (ask.op === ZnodeOp.create) return this.#create(ask, txnid, timeMs);
    const isConfig = ask.path === "/zookeeper/config";
    if (ask.op === ZnodeOp.delete && BUILT_INS.includes(ask.path)) return "ERR_ZNODE_BAD_ARGUMENTS";
    if (ask.op === ZnodeOp.set && isConfig) return "ERR_ZNODE_BAD_ARGUMENTS";
    const node = this.nodes.get(ask.path);
    if (node === undefined) return "ERR_ZNODE_NO_NODE";
    const isAny = ask.version === -1;
    if (!isAny && ask.version !== node.version) return "ERR_ZNODE_BAD_VERSION";
    if (ask.op === ZnodeOp.set) {
      node.data = ask.data;
      node.mzxid = txnid;
      node.mtime = timeMs;
      node.version += 1;
      return null;
    }
    if (this.childrenOf(ask.path).length > 0) return "ERR_ZNODE_NOT_EMPTY";
    this.nodes.delete(ask.path);
    this.#childChanged(ask.path, txnid);
    return null;
  }

  #create(ask: Ask, txnid: bigint, timeMs: number): string | null {
    if (ask.path === "/") return "ERR_ZNODE_NODE_EXISTS";
    const parent = parentOf(ask.path);
    if (!this.nodes.has(parent)) return "ERR_ZNODE_NO_NODE";
    if (this.nodes.has(ask.path)) return "ERR_ZNODE_NODE_EXISTS";
    this.#childChanged(ask.path, txnid);
    this.nodes.set(ask.path, newNode(ask.data, txnid, timeMs));
    return null;
  }

  #childChanged(path: string, txnid: bigint): void {
    const parent = this.#at(parentOf(path));
    parent.pzxid = txnid;
    parent.cversion += 1;
  }

  #at(path: string): ModelNode {
    const node = this.nodes.get(path);
    if (node === undefined) throw new Error(`the model lacks ${path}`);
    return node;
  }
}

function newNode(data: Uint8Array, txnid: bigint, timeMs: number): ModelNode {
  return {
    data,
    czxid: txnid,
    mzxid: txnid,
    pzxid: txnid,
    ctime: timeMs,
    mtime: timeMs,
    version: 0,
    cversion: 0,
  };
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}
