import {
  CONTENT_BYTES_MAX,
  epochOf,
  MULTI_OPERATIONS_MAX,
  type PrepareContext,
  type Prepared,
} from "@quorate/protocol";
import { decodeAcl } from "./acl.js";
import { STORED_OPEN_ACL, type StoredAcl } from "./acl-table.js";
import { NO_OWNER, ownerKind } from "./create-mode.js";
import { encodeImportTransaction, readImport, type ImportedNode } from "./import-format.js";
import type { Ask, Judge } from "./judge.js";
import { ZNODE_DATA_BYTES_MAX } from "./limits.js";
import { ZnodeOp } from "./op.js";
import { NodeRecord } from "./overlay.js";
import { checkPath, parentPathOf, QUOTA_PATH, ROOT } from "./paths.js";
import { isQuotaData, isStatsPath, quotaOwner, statsOf } from "./quota.js";
import { noNode, refuse, reserved, tooLarge, unreadable, type Refusal } from "./refusals.js";
import { int32At, msAt, viewOf } from "./stat.js";
import type { Znode } from "./znode.js";
import {
  ACL_BYTES_MASK,
  FORMAT_WORD,
  HEADER_AVERSION,
  HEADER_BYTES,
  HEADER_CREATES,
  HEADER_CTIME,
  HEADER_CZXID,
  HEADER_MTIME,
  HEADER_MZXID,
  HEADER_OWNER,
  HEADER_PZXID,
  HEADER_VERSION,
} from "./node-header.js";

/** What JavaScript's Date can say. */
const TIME_MS_MAX = 8.64e15;

/** What a row says, as far as it is judged. */
interface Imported {
  readonly row: Uint8Array;
  readonly acl: StoredAcl;
  readonly data: Uint8Array;
  readonly owner: bigint;
}

/**
 * Nodes of another ensemble, with all that it knew of them. Overwrites nothing: a node that is
 * there already must be the very same, so that an import may be sent again from its beginning.
 * The root may be as every tree begins; then nothing was ever created here, and nothing is mixed.
 *
 * Their zxids lie below this term's: what is written from now on is newer than all that was.
 */
export function prepareImport(judge: Judge, { content, at, asker, context }: Ask): Prepared {
  if (!asker.identities.some(({ scheme }) => scheme === "super")) {
    return refuse("ERR_ZNODE_NO_AUTH", "only the ensemble's operator imports nodes");
  }
  const nodes = readImport(content, at);
  if (nodes === null) return unreadable();
  if (nodes.length > MULTI_OPERATIONS_MAX) {
    return refuse("ERR_ARG_TOO_LARGE", `one import has at most ${MULTI_OPERATIONS_MAX} nodes`);
  }
  const added: ImportedNode[] = [];
  judge.overlay.begin();
  const refusal = addAll(judge, nodes, context, added);
  if (refusal !== null) {
    judge.overlay.rollBack();
    return refusal;
  }
  const packed = encodeImportTransaction(added);
  if (packed.length > CONTENT_BYTES_MAX) {
    judge.overlay.rollBack();
    return tooLarge();
  }
  judge.overlay.keep();
  return { ok: true, op: ZnodeOp.importNodes, key: "", content: packed };
}

function addAll(
  judge: Judge,
  nodes: readonly ImportedNode[],
  context: PrepareContext,
  added: ImportedNode[],
): Refusal | null {
  const childrenAdded = new Map<string, number>();
  for (const node of nodes) {
    const { path } = node;
    const read = readImported(node, context);
    if ("code" in read) return read;
    const place = path === ROOT ? rootPlace(judge, read) : placeOf(judge, path, read);
    if (place === "same") continue;
    if (place !== "free") return place;
    added.push(node);
    addRecord(judge, path, read, context);
    if (path === ROOT) continue;
    const parentPath = parentPathOf(path);
    childrenAdded.set(parentPath, (childrenAdded.get(parentPath) ?? 0) + 1);
  }
  for (const [parentPath, count] of childrenAdded) {
    const parent = judge.newest(parentPath);
    if (parent === undefined) return noNode(parentPath);
    const record = NodeRecord.of(parentPath, parent, context.txnid);
    record.childCount += count;
    judge.overlay.put(record);
  }
  return null;
}

function readImported({ path, row }: ImportedNode, { txnid }: PrepareContext): Imported | Refusal {
  const problem = checkPath(path);
  if (problem !== null) return refuse(problem.code, problem.message);
  const isReserved = path === "/zookeeper" || path.startsWith("/zookeeper/");
  if (isReserved && !path.startsWith(`${QUOTA_PATH}/`)) return reserved(path);
  if (row.length < HEADER_BYTES) return unreadable();
  const word = int32At(row, 0);
  const dataAt = HEADER_BYTES + (word & ACL_BYTES_MASK);
  if ((word & ~ACL_BYTES_MASK) !== FORMAT_WORD || row.length < dataAt) return unreadable();
  const entries = decodeAcl(row.subarray(HEADER_BYTES, dataAt));
  if (entries === null) return unreadable();
  if (row.length - HEADER_BYTES > ZNODE_DATA_BYTES_MAX) return tooLarge();
  const view = viewOf(row);
  const owner = view.getBigUint64(HEADER_OWNER);
  if (owner !== NO_OWNER && ownerKind(owner) === "session") {
    return refuse("ERR_ZNODE_BAD_ARGUMENTS", `${path} is ephemeral and belongs to its session`);
  }
  const isTime = msAt(row, HEADER_CTIME) <= TIME_MS_MAX && msAt(row, HEADER_MTIME) <= TIME_MS_MAX;
  if (!isTime) return refuse("ERR_ZNODE_BAD_ARGUMENTS", `${path} has an impossible time`);
  for (const field of [HEADER_CZXID, HEADER_MZXID, HEADER_PZXID]) {
    // The high half of a zxid is its epoch.
    if (view.getUint32(field) < epochOf(txnid)) continue;
    const message = `${path} is of an epoch that is not below this ensemble's ${epochOf(txnid)}`;
    return refuse("ERR_ZNODE_IMPORT_EPOCH", message);
  }
  const bytes = row.subarray(HEADER_BYTES, dataAt);
  const acl = bytes.length === 0 ? STORED_OPEN_ACL : { entries, bytes: bytes.slice() };
  return { row, acl, data: row.subarray(dataAt), owner };
}

type Place = "free" | "same" | Refusal;

function rootPlace(judge: Judge, imported: Imported): Place {
  const place = placeOf(judge, ROOT, imported);
  if (place === "same" || judge.overlay.get(ROOT) !== undefined) return place;
  const root = judge.tree.get(ROOT);
  return root !== undefined && isPristine(root) ? "free" : conflict(ROOT);
}

/** Nothing was ever created, set or deleted there. */
function isPristine(root: Znode): boolean {
  const header = root.bytes.subarray(root.headerAt + HEADER_CZXID, root.headerAt + HEADER_BYTES);
  return (
    root.acl === STORED_OPEN_ACL && root.dataLength === 0 && header.every((byte) => byte === 0)
  );
}

function placeOf(judge: Judge, path: string, imported: Imported): Place {
  const applied = judge.tree.get(path);
  const pending = judge.overlay.get(path);
  if (pending !== undefined && (applied === undefined || !isAsApplied(pending, applied))) {
    // It is on its way: whoever asks again learns how it ended.
    return refuse("ERR_SERVER_BUSY", `a change of ${path} is not committed yet`);
  }
  if (applied !== undefined) return isSame(path, applied, imported) ? "same" : conflict(path);
  const parent = judge.newest(parentPathOf(path));
  if (parent === undefined) return noNode(parentPathOf(path));
  if (parent.owner !== NO_OWNER && ownerKind(parent.owner) === "session") return conflict(path);
  return "free";
}

/** Only children of it were imported since. */
function isAsApplied(pending: NodeRecord, applied: Znode): boolean {
  return (
    pending.exists &&
    pending.version === applied.version &&
    pending.creates === applied.creates &&
    pending.aversion === applied.aversion &&
    pending.owner === applied.owner
  );
}

function isSame(path: string, applied: Znode, { row, acl }: Imported): boolean {
  const own = applied.rest;
  // What a quota's stats say follows from the nodes that are here.
  const length = isStatsPath(path) ? HEADER_BYTES + acl.bytes.length : row.length;
  if (!isStatsPath(path) && own.length !== row.length) return false;
  for (let i = 0; i < length; i += 1) if (own[i] !== row[i]) return false;
  return true;
}

function addRecord(judge: Judge, path: string, imported: Imported, context: PrepareContext): void {
  const { row, acl, data, owner } = imported;
  const record = new NodeRecord(path, context.txnid);
  record.version = int32At(row, HEADER_VERSION);
  record.creates = int32At(row, HEADER_CREATES);
  record.aversion = int32At(row, HEADER_AVERSION);
  record.childCount = judge.newest(path)?.childCount ?? 0;
  record.owner = owner;
  record.acl = acl;
  record.dataLength = data.length;
  record.mtime = msAt(row, HEADER_MTIME);
  if (isQuotaData(path)) record.data = data.slice();
  judge.overlay.put(record);
  if (path === ROOT) return;
  if (isStatsPath(path)) {
    const { count, bytes } = judge.sizeBelow(quotaOwner(path));
    judge.putStats(path, record, statsOf(count, bytes), context);
  }
  judge.charge(path, 1, data.length, context);
}

function conflict(path: string): Refusal {
  const what =
    path === ROOT
      ? "this ensemble holds nodes, or another tree was imported into it"
      : `there is another ${path} than the one to import`;
  return refuse("ERR_ZNODE_IMPORT_CONFLICT", what);
}
