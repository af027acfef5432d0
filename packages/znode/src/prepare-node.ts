import { assert, type PrepareContext, type Prepared } from "@quorate/protocol";
import {
  ACL_BYTES_MAX,
  aclBytes,
  decodeAcl,
  encodeAcl,
  Perms,
  resolveAcl,
  spellAcl,
  type AclEntry,
} from "./acl.js";
import { readersIn, STORED_OPEN_ACL, type StoredAcl } from "./acl-table.js";
import {
  CONTAINER_OWNER,
  CreateMode,
  isCreateMode,
  isEphemeral,
  isSequential,
  isTtl,
  NO_OWNER,
  ownerKind,
  sequenceSuffix,
  TTL_MS_MAX,
  ttlOfOwner,
  ttlOwner,
} from "./create-mode.js";
import type { Ask, Judge } from "./judge.js";
import { EPHEMERAL_BYTES_MAX, NAMED_PATH_BYTES_MAX, ZNODE_DATA_BYTES_MAX } from "./limits.js";
import { ZnodeOp } from "./op.js";
import { NodeRecord, type NodeView } from "./overlay.js";
import { BUILT_IN_PATHS, checkPath, CONFIG_PATH, parentPathOf, pathBytes } from "./paths.js";
import { isQuotaData, isStatsPath, quotaOwner, statsOf } from "./quota.js";
import {
  badVersion,
  invalidAcl,
  noAuth,
  nodeExists,
  noNode,
  noSession,
  refuse,
  reserved,
  tooLarge,
  unreadable,
  type Refusal,
} from "./refusals.js";
import {
  ANY_VERSION,
  CREATE_HEADER_BYTES,
  DELETE_BYTES,
  SET_ACL_HEADER_BYTES,
  SET_HEADER_BYTES,
} from "./requests.js";
import { int32At, msAt } from "./stat.js";
import {
  CLOSE_SESSION_PATH_BYTES,
  encodeAclTransaction,
  encodeCreateTransaction,
  encodeDeleteTransaction,
  encodeSetTransaction,
} from "./transactions.js";

const builtIns: ReadonlySet<string> = new Set(BUILT_IN_PATHS);
const NO_BYTES = new Uint8Array(0);

/** What a create asks for besides its path and data. */
interface Wanted {
  readonly mode: number;
  readonly owner: bigint;
  readonly acl: StoredAcl;
  readonly dataAt: number;
}

/** The order of the checks is ZooKeeper's: it decides which refusal comes when several apply. */
export function prepareCreate(judge: Judge, ask: Ask): Prepared {
  const { asker, content, context } = ask;
  const wanted = readWanted(judge, ask);
  if ("code" in wanted) return wanted;
  const { acl, dataAt, mode, owner } = wanted;
  const parentPath = parentPathOf(ask.path);
  const parent = judge.newest(parentPath);
  if (parent === undefined) return noNode(parentPath);
  if (!asker.may(Perms.create, parent.acl)) return noAuth(parentPath);
  const suffix = isSequential(mode) ? sequenceSuffix(parent.creates) : "";
  const path = suffix === "" ? ask.path : `${ask.path}${suffix}`;
  const problem = checkPath(path);
  if (problem !== null) return refuse(problem.code, problem.message);
  if (judge.newest(path) !== undefined) return nodeExists(path);
  if (parent.owner !== NO_OWNER && ownerKind(parent.owner) === "session") {
    const message = `${parentPath} is ephemeral and has no children`;
    return refuse("ERR_ZNODE_NO_CHILDREN_FOR_EPHEMERALS", message);
  }
  const bytes = content.length - dataAt;
  if (bytes + acl.bytes.length > ZNODE_DATA_BYTES_MAX) return tooLarge();
  const refusal = judge.overQuota(path, 1, bytes) ?? addEphemeral(judge, path, wanted, ask);
  if (refusal !== null) return refusal;
  const creates = (parent.creates + 1) | 0;
  judge.overlay.putParent(parentPath, parent, context.txnid, { creates, childrenAdded: 1 });
  const record = new NodeRecord(path, context.txnid);
  record.owner = owner;
  record.acl = acl;
  record.dataLength = bytes;
  record.mtime = context.wallTimeMs;
  if (isQuotaData(path)) record.data = content.slice(dataAt);
  judge.overlay.put(record);
  if (isStatsPath(path)) {
    const size = judge.sizeBelow(quotaOwner(path));
    judge.putStats(path, record, statsOf(size.count, size.bytes), context);
  }
  judge.charge(path, 1, bytes, context);
  const decided = { counter: creates, timeMs: context.wallTimeMs, request: content, dataAt };
  const packed = encodeCreateTransaction(judge.slab, decided, owner, acl.bytes);
  return { ok: true, op: ZnodeOp.create, key: path, content: packed };
}

function readWanted(judge: Judge, ask: Ask): Wanted | Refusal {
  const { path, content, at, asker } = ask;
  const dataFrom = at + CREATE_HEADER_BYTES;
  if (content.length < dataFrom) return unreadable();
  const dataAt = dataFrom + (((content[at + 9] ?? 0) << 8) | (content[at + 10] ?? 0));
  if (content.length < dataAt) return unreadable();
  const mode = content[at] ?? 0;
  if (!isCreateMode(mode)) return refuse("ERR_ZNODE_BAD_ARGUMENTS", `there is no mode ${mode}`);
  const owner = ownerOf(mode, msAt(content, at + 1), asker.session);
  if (typeof owner !== "bigint") return owner;
  if (isMissing(judge, asker.session)) return noSession();
  // Nothing else of the path is looked at before the parent is: a sequential one may end in "/".
  if (!path.includes("/") || path.includes("\0")) {
    return refuse("ERR_ARG_PATH", "a path starts with / and holds no U+0000");
  }
  const acl = dataAt === dataFrom ? STORED_OPEN_ACL : aclOf(ask, dataFrom, dataAt, encodeAcl);
  return "code" in acl ? acl : { mode, owner, acl, dataAt };
}

/** The ephemeral owner that the mode gives a node. */
function ownerOf(mode: number, ttlMs: number, session: bigint | null): bigint | Refusal {
  if (isTtl(mode) ? ttlMs < 1 || ttlMs > TTL_MS_MAX : ttlMs !== 0) {
    return refuse("ERR_ZNODE_BAD_ARGUMENTS", `mode ${mode} has no time to live of ${ttlMs} ms`);
  }
  if (mode === CreateMode.persistent) return NO_OWNER;
  if (isTtl(mode)) return ttlOwner(ttlMs);
  if (mode === CreateMode.container) return CONTAINER_OWNER;
  if (!isEphemeral(mode)) return NO_OWNER;
  return session ?? refuse("ERR_ZNODE_BAD_ARGUMENTS", "an ephemeral node needs a session");
}

/** The ACL in these bytes of the request, as it is to be stored. */
function aclOf(
  { content, asker }: Ask,
  from: number,
  to: number,
  encode: (entries: readonly AclEntry[]) => Uint8Array,
): StoredAcl | Refusal {
  const entries = decodeAcl(content.subarray(from, to));
  if (entries === null) return unreadable();
  const resolved = resolveAcl(entries, asker.identities);
  if (typeof resolved === "string") return invalidAcl();
  // What the caller's identities make of `auth` may be longer than what was asked for.
  if (aclBytes(resolved) > ACL_BYTES_MAX) return tooLarge();
  const bytes = encode(resolved);
  return bytes.length === 0 ? STORED_OPEN_ACL : { entries: resolved, bytes };
}

/** Counts an ephemeral node for its session, unless it has too many. */
function addEphemeral(
  judge: Judge,
  path: string,
  { mode }: Wanted,
  { asker: { session }, context }: Ask,
): Refusal | null {
  if (session === null || !isEphemeral(mode)) return null;
  const own = pathBytes(path);
  if (own > NAMED_PATH_BYTES_MAX) {
    const message = `the path of an ephemeral node has at most ${NAMED_PATH_BYTES_MAX} bytes`;
    return refuse("ERR_ARG_TOO_LARGE", message);
  }
  const bytes = judge.ephemeralBytes(session) + CLOSE_SESSION_PATH_BYTES + own;
  if (bytes > EPHEMERAL_BYTES_MAX) {
    const message = "the session's ephemeral nodes have too long paths together";
    return refuse("ERR_ZNODE_TOO_MANY_EPHEMERALS", message);
  }
  judge.putEphemeralBytes(session, bytes, context);
  return null;
}

export function prepareSet(judge: Judge, ask: Ask): Prepared {
  const { path, content, at, asker, context } = ask;
  const dataAt = at + SET_HEADER_BYTES;
  if (content.length < dataAt) return unreadable();
  if (isMissing(judge, asker.session)) return noSession();
  const node = judge.newest(path);
  if (node === undefined) return absent(path);
  if (!asker.may(Perms.write, node.acl)) return noAuth(path);
  const bytes = content.length - dataAt;
  if (bytes + node.acl.bytes.length > ZNODE_DATA_BYTES_MAX) return tooLarge();
  const difference = bytes - node.dataLength;
  const refusal = judge.overQuota(path, 0, difference);
  if (refusal !== null) return refusal;
  const expected = int32At(content, at);
  if (!isVersion(node.version, expected)) return badVersion(path, expected, node.version);
  const version = (node.version + 1) | 0;
  const record = NodeRecord.of(path, node, context.txnid);
  record.version = version;
  record.dataLength = bytes;
  record.mtime = context.wallTimeMs;
  if (isQuotaData(path)) record.data = content.slice(dataAt);
  judge.overlay.put(record);
  judge.charge(path, 0, difference, context);
  const decided = { counter: version, timeMs: context.wallTimeMs, request: content, dataAt };
  const packed = encodeSetTransaction(judge.slab, decided, readersIn(node.acl));
  return { ok: true, op: ZnodeOp.set, key: path, content: packed };
}

export function prepareDelete(judge: Judge, ask: Ask): Prepared {
  const { path, content, at, asker, context } = ask;
  if (content.length !== at + DELETE_BYTES) return unreadable();
  if (isMissing(judge, asker.session)) return noSession();
  if (builtIns.has(path)) return reserved(path);
  const parentPath = parentPathOf(path);
  const parent = judge.newest(parentPath);
  if (parent === undefined) return noNode(parentPath);
  if (!asker.may(Perms.delete, parent.acl)) return noAuth(parentPath);
  const node = judge.newest(path);
  if (node === undefined) return noNode(path);
  const expected = int32At(content, at);
  if (!isVersion(node.version, expected)) return badVersion(path, expected, node.version);
  if (node.childCount > 0) return notEmpty(path);
  judge.overlay.putParent(parentPath, parent, context.txnid, {
    creates: parent.creates,
    childrenAdded: -1,
  });
  return deleted(judge, ask, node);
}

/** The leader's own request: what it was made for is judged once more. */
export function prepareDeleteExpired(judge: Judge, ask: Ask): Prepared {
  const { path, context } = ask;
  if (builtIns.has(path)) return reserved(path);
  const node = judge.newest(path);
  if (node === undefined) return noNode(path);
  if (node.childCount > 0) return notEmpty(path);
  if (!isExpired(node, context.wallTimeMs, judge.options.unusedContainerMs)) {
    return refuse("ERR_ZNODE_BAD_VERSION", `${path} has not expired`);
  }
  const parentPath = parentPathOf(path);
  const parent = judge.newest(parentPath);
  assert(parent !== undefined, "a node has a parent", { path });
  judge.overlay.putParent(parentPath, parent, context.txnid, {
    creates: parent.creates,
    childrenAdded: -1,
  });
  return deleted(judge, ask, node);
}

/**
 * Whether a node without children may go: a container that children have left (or, when that is
 * bounded, that waited too long for its first), a node that nobody has set for its time to live.
 */
export function isExpired(
  { owner, creates, mtime }: Pick<NodeView, "owner" | "creates" | "mtime">,
  wallTimeMs: number,
  unusedContainerMs: number,
): boolean {
  const kind = ownerKind(owner);
  if (kind === "ttl") return wallTimeMs - mtime > ttlOfOwner(owner);
  if (kind !== "container") return false;
  return creates !== 0 || (unusedContainerMs > 0 && wallTimeMs - mtime > unusedContainerMs);
}

function deleted(judge: Judge, { path, context }: Ask, node: NodeView): Prepared {
  const { owner } = node;
  if (owner !== NO_OWNER && ownerKind(owner) === "session") {
    const bytes = judge.ephemeralBytes(owner) - CLOSE_SESSION_PATH_BYTES - pathBytes(path);
    judge.putEphemeralBytes(owner, bytes, context);
  }
  removeNode(judge, path, node, context);
  const packed = encodeDeleteTransaction(judge.slab, readersIn(node.acl));
  return { ok: true, op: ZnodeOp.delete, key: path, content: packed };
}

/** The node alone: whoever calls sees to its parent and its session. */
export function removeNode(
  judge: Judge,
  path: string,
  node: NodeView,
  context: PrepareContext,
): void {
  const record = NodeRecord.of(path, node, context.txnid);
  record.exists = false;
  judge.overlay.put(record);
  judge.charge(path, -1, -node.dataLength, context);
}

export function prepareSetAcl(judge: Judge, ask: Ask): Prepared {
  const { path, content, at, asker, context } = ask;
  const aclAt = at + SET_ACL_HEADER_BYTES;
  if (content.length < aclAt) return unreadable();
  const length = ((content[at + 4] ?? 0) << 8) | (content[at + 5] ?? 0);
  if (content.length !== aclAt + length) return unreadable();
  if (isMissing(judge, asker.session)) return noSession();
  const problem = checkPath(path);
  if (problem !== null) return refuse(problem.code, problem.message);
  // That no ACL is the open one holds for all nodes but this.
  const encode = path === CONFIG_PATH ? spellAcl : encodeAcl;
  const acl = aclOf(ask, aclAt, content.length, encode);
  if ("code" in acl) return acl;
  const node = judge.newest(path);
  if (node === undefined) return noNode(path);
  if (!asker.may(Perms.admin, node.acl)) return noAuth(path);
  if (acl.bytes.length + node.dataLength > ZNODE_DATA_BYTES_MAX) return tooLarge();
  const expected = int32At(content, at);
  if (!isVersion(node.aversion, expected)) return badVersion(path, expected, node.aversion);
  const aversion = (node.aversion + 1) | 0;
  const record = NodeRecord.of(path, node, context.txnid);
  record.aversion = aversion;
  record.acl = acl;
  judge.overlay.put(record);
  const packed = encodeAclTransaction(judge.slab, { aversion, acl: acl.bytes });
  return { ok: true, op: ZnodeOp.setAcl, key: path, content: packed };
}

/** Of a multi. Its transaction says nothing: it stands for itself among the others. */
export function prepareCheck(judge: Judge, ask: Ask): Prepared {
  const { path, content, at, asker } = ask;
  if (content.length !== at + DELETE_BYTES) return unreadable();
  if (isMissing(judge, asker.session)) return noSession();
  const node = judge.newest(path);
  if (node === undefined) return absent(path);
  if (!asker.may(Perms.read, node.acl)) return noAuth(path);
  const expected = int32At(content, at);
  if (!isVersion(node.version, expected)) return badVersion(path, expected, node.version);
  return { ok: true, op: ZnodeOp.check, key: path, content: NO_BYTES };
}

/** There is no such node; that there cannot be one is said first, as in ZooKeeper. */
function absent(path: string): Refusal {
  const problem = checkPath(path);
  return problem === null ? noNode(path) : refuse(problem.code, problem.message);
}

function notEmpty(path: string): Refusal {
  return refuse("ERR_ZNODE_NOT_EMPTY", `${path} has children`);
}

function isMissing(judge: Judge, session: bigint | null): boolean {
  return session !== null && !judge.isOpen(session);
}

function isVersion(version: number, expected: number): boolean {
  return expected === ANY_VERSION || expected === version;
}
