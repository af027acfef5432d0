import {
  assert,
  CONTENT_BYTES_MAX,
  InvariantError,
  isCustomOpCode,
  isKeyTooLong,
  type ErrorCode,
  type LogEntryMsg,
  type PrepareContext,
  type Prepared,
  type ReadResult,
  type StateChanges,
  type StateMachine,
  type StateRow,
} from "@quorate/protocol";
import { AnswerWriter } from "./answer-writer.js";
import { ZNODE_DATA_BYTES_MAX } from "./limits.js";
import { ZnodeOp } from "./op.js";
import { Overlay, type NodeView } from "./overlay.js";
import { BUILT_IN_PATHS, checkPath, CONFIG_PATH, parentPathOf, ROOT } from "./paths.js";
import { ANY_VERSION, CREATE_HEADER_BYTES, DELETE_BYTES, SET_HEADER_BYTES } from "./requests.js";
import { Slab } from "./slab.js";
import { int32At } from "./stat.js";
import {
  checkDeleteTransaction,
  decodeWrite,
  encodeDeleteTransaction,
  encodeWrite,
} from "./transactions.js";
import { Tree } from "./tree.js";
import { NO_DATA } from "./znode.js";

interface Refusal {
  readonly ok: false;
  readonly code: ErrorCode;
  readonly message: string;
}

const LONE_SURROGATE = /\p{Surrogate}/u;
const builtIns: ReadonlySet<string> = new Set(BUILT_IN_PATHS);

/** ZooKeeper's tree as a replicated state machine. Deterministic; no ambient input. */
export class ZnodeMachine implements StateMachine {
  readonly #tree = new Tree();
  readonly #overlay = new Overlay();
  readonly #transactions = new Slab();
  readonly #answers = new AnswerWriter();

  /** Nodes in the applied tree, the four that every tree has included. */
  get nodeCount(): number {
    return this.#tree.size;
  }

  /** Paths with changes that are prepared and not applied. */
  get preparedPathCount(): number {
    return this.#overlay.size;
  }

  prepare(op: number, key: string, content: Uint8Array, context: PrepareContext): Prepared {
    if (op === ZnodeOp.broadcast) return prepareBroadcast(key, content);
    const problem = checkPath(key);
    if (problem !== null) return refuse(problem.code, problem.message);
    switch (op) {
      case ZnodeOp.create:
        return this.#prepareCreate(key, content, context);
      case ZnodeOp.set:
        return this.#prepareSet(key, content, context);
      case ZnodeOp.delete:
        return this.#prepareDelete(key, content, context);
      default:
        return refuse("ERR_ZNODE_UNIMPLEMENTED", `operation ${op} is not a write`);
    }
  }

  discardPrepared(): void {
    this.#overlay.clear();
  }

  apply(entry: LogEntryMsg): Uint8Array {
    switch (entry.op) {
      case ZnodeOp.create: {
        assertPath(entry);
        const node = this.#tree.create(entry.key, entry.txnid, decodeWrite(entry.content));
        this.#release(entry, true);
        return this.#answers.created(node);
      }
      case ZnodeOp.set: {
        const node = this.#tree.set(entry.key, entry.txnid, decodeWrite(entry.content));
        this.#release(entry, false);
        return this.#answers.stat(node);
      }
      case ZnodeOp.delete:
        assertPath(entry);
        checkDeleteTransaction(entry.content);
        this.#tree.delete(entry.key, entry.txnid);
        this.#release(entry, true);
        return NO_DATA;
      case ZnodeOp.broadcast:
        return NO_DATA;
      default:
        throw unknownOperation(entry.op);
    }
  }

  read(op: number, key: string, content: Uint8Array): ReadResult {
    const isRead = op === ZnodeOp.get || op === ZnodeOp.exists || op === ZnodeOp.children;
    if (!isRead) return refuse("ERR_ZNODE_UNIMPLEMENTED", `operation ${op} is not a read`);
    if (content.length !== 0) return refuse("ERR_ZNODE_BAD_ARGUMENTS", "a read has no content");
    const problem = checkPath(key);
    if (problem !== null) return refuse(problem.code, problem.message);
    const node = this.#tree.get(key);
    if (node === undefined) return noNode(key);
    if (op === ZnodeOp.exists) return { ok: true, content: this.#answers.stat(node) };
    if (op === ZnodeOp.get) return { ok: true, content: this.#answers.data(node) };
    const list = this.#answers.children(node);
    if (list === null) return refuse("ERR_ARG_TOO_LARGE", "the list of children is too long");
    return { ok: true, content: list };
  }

  digest(): bigint {
    return this.#tree.digest();
  }

  beginChanges(options: { readonly full: boolean }): StateChanges {
    return this.#tree.beginChanges(options.full);
  }

  reset(): void {
    this.#overlay.clear();
    this.#tree.reset();
  }

  restore(rows: readonly StateRow[]): void {
    this.#tree.restore(rows);
  }

  #prepareCreate(path: string, content: Uint8Array, context: PrepareContext): Prepared {
    if (content.length < CREATE_HEADER_BYTES) return unreadable();
    if (content[0] !== 0) {
      return refuse("ERR_ZNODE_UNIMPLEMENTED", `create mode ${content[0]} is not supported`);
    }
    if (content.length - CREATE_HEADER_BYTES > ZNODE_DATA_BYTES_MAX) return tooLarge();
    // As in ZooKeeper: the root has no parent that could be missing, and it is always there.
    if (path === ROOT) return nodeExists(path);
    const parentPath = parentPathOf(path);
    const parent = this.#newest(parentPath);
    if (parent === undefined) return noNode(parentPath);
    if (this.#newest(path) !== undefined) return nodeExists(path);
    if (parentPath === CONFIG_PATH) return reserved(path);
    const creates = (parent.creates + 1) | 0;
    this.#overlay.put(parentPath, {
      exists: true,
      txnid: context.txnid,
      version: parent.version,
      creates,
      childCount: parent.childCount + 1,
    });
    this.#overlay.put(path, {
      exists: true,
      txnid: context.txnid,
      version: 0,
      creates: 0,
      childCount: 0,
    });
    const decided = { counter: creates, timeMs: context.wallTimeMs };
    const packed = encodeWrite(this.#transactions, decided, content, CREATE_HEADER_BYTES);
    return { ok: true, op: ZnodeOp.create, key: path, content: packed };
  }

  #prepareSet(path: string, content: Uint8Array, context: PrepareContext): Prepared {
    if (content.length < SET_HEADER_BYTES) return unreadable();
    if (content.length - SET_HEADER_BYTES > ZNODE_DATA_BYTES_MAX) return tooLarge();
    // Deviation from ZooKeeper: there its ACL protects the configuration (NOAUTH).
    if (path === CONFIG_PATH) return reserved(path);
    const node = this.#newest(path);
    if (node === undefined) return noNode(path);
    const expected = int32At(content, 0);
    if (!isVersion(node, expected)) return badVersion(path, expected, node.version);
    const version = (node.version + 1) | 0;
    this.#overlay.put(path, {
      exists: true,
      txnid: context.txnid,
      version,
      creates: node.creates,
      childCount: node.childCount,
    });
    const decided = { counter: version, timeMs: context.wallTimeMs };
    const packed = encodeWrite(this.#transactions, decided, content, SET_HEADER_BYTES);
    return { ok: true, op: ZnodeOp.set, key: path, content: packed };
  }

  #prepareDelete(path: string, content: Uint8Array, context: PrepareContext): Prepared {
    if (content.length !== DELETE_BYTES) return unreadable();
    if (builtIns.has(path)) return reserved(path);
    const node = this.#newest(path);
    if (node === undefined) return noNode(path);
    const expected = int32At(content, 0);
    if (!isVersion(node, expected)) return badVersion(path, expected, node.version);
    if (node.childCount > 0) return refuse("ERR_ZNODE_NOT_EMPTY", `${path} has children`);
    const parentPath = parentPathOf(path);
    const parent = this.#newest(parentPath);
    assert(parent !== undefined, "a node has a parent", { path });
    const { txnid } = context;
    this.#overlay.put(parentPath, {
      exists: true,
      txnid,
      version: parent.version,
      creates: parent.creates,
      childCount: parent.childCount - 1,
    });
    this.#overlay.put(path, { exists: false, txnid, version: 0, creates: 0, childCount: 0 });
    const packed = encodeDeleteTransaction(this.#transactions);
    return { ok: true, op: ZnodeOp.delete, key: path, content: packed };
  }

  /** The node as it will be once everything prepared is applied. */
  #newest(path: string): NodeView | undefined {
    const record = this.#overlay.get(path);
    if (record === undefined) return this.#tree.get(path);
    return record.exists ? record : undefined;
  }

  #release(entry: LogEntryMsg, isParentTouched: boolean): void {
    if (this.#overlay.size === 0) return;
    this.#overlay.release(entry.key, entry.txnid);
    if (isParentTouched) this.#overlay.release(parentPathOf(entry.key), entry.txnid);
  }
}

function prepareBroadcast(key: string, content: Uint8Array): Prepared {
  // The key names a topic of the host's choosing, hence no path; but it must survive UTF-8.
  if (isKeyTooLong(key)) return refuse("ERR_ARG_TOO_LARGE", "the key is too long");
  if (LONE_SURROGATE.test(key))
    return refuse("ERR_ARG_VALUE", "the key is not well-formed Unicode");
  if (content.length > CONTENT_BYTES_MAX) return tooLarge();
  return { ok: true, op: ZnodeOp.broadcast, key, content };
}

/** Committed entries were judged before; one with a path that no tree can hold is divergence. */
function unknownOperation(op: number): InvariantError {
  const what = isCustomOpCode(op)
    ? `operation ${op} is of a state of the program's own, and this node was not given it ` +
      "(createCustomState); every node needs it, at every start with these data"
    : "a committed operation is known";
  return new InvariantError(what, { op });
}

function assertPath(entry: LogEntryMsg): void {
  const isChild = entry.key.length > 1 && entry.key.startsWith("/");
  assert(isChild, "a transaction names a path below the root", { txnid: entry.txnid });
}

function isVersion(node: NodeView, expected: number): boolean {
  return expected === ANY_VERSION || expected === node.version;
}

function refuse(code: ErrorCode, message: string): Refusal {
  return { ok: false, code, message };
}

function noNode(path: string): Refusal {
  return refuse("ERR_ZNODE_NO_NODE", `there is no node ${path}`);
}

function nodeExists(path: string): Refusal {
  return refuse("ERR_ZNODE_NODE_EXISTS", `there is a node ${path}`);
}

function badVersion(path: string, expected: number, actual: number): Refusal {
  return refuse("ERR_ZNODE_BAD_VERSION", `${path} has version ${actual}, not ${expected}`);
}

function reserved(path: string): Refusal {
  return refuse("ERR_ZNODE_BAD_ARGUMENTS", `${path} is reserved`);
}

function unreadable(): Refusal {
  return refuse("ERR_ZNODE_BAD_ARGUMENTS", "the request's content cannot be read");
}

function tooLarge(): Refusal {
  return refuse("ERR_ARG_TOO_LARGE", `data has at most ${ZNODE_DATA_BYTES_MAX} bytes`);
}
