import {
  assert,
  isSamePassword,
  SESSION_PASSWORD_BYTES,
  type PrepareContext,
  type Prepared,
} from "@quorate/protocol";
import { readersIn } from "./acl-table.js";
import { ownerKind } from "./create-mode.js";
import type { Judge } from "./judge.js";
import { EPHEMERAL_BYTES_MAX, SESSIONS_MAX } from "./limits.js";
import { ZnodeOp } from "./op.js";
import { NodeRecord } from "./overlay.js";
import { parentPathOf, pathBytes } from "./paths.js";
import { removeNode } from "./prepare-node.js";
import { movedSession, noSession, refuse, unreadable } from "./refusals.js";
import { CLOSE_SESSION_BYTES, CREATE_SESSION_BYTES, decodeResumeSession } from "./requests.js";
import { int32At, viewOf } from "./stat.js";
import {
  CLOSE_SESSION_ACL_BYTES,
  CLOSE_SESSION_PATH_BYTES,
  encodeCloseTransaction,
  encodeMoveTransaction,
  encodeSessionTransaction,
} from "./transactions.js";

const NO_PASSWORD = new Uint8Array(SESSION_PASSWORD_BYTES);

export function prepareCreateSession(
  judge: Judge,
  content: Uint8Array,
  { txnid, origin }: PrepareContext,
): Prepared {
  if (content.length !== CREATE_SESSION_BYTES) return unreadable();
  const id = viewOf(content).getBigUint64(0);
  // It owns nodes under this number, which must not read as a container's or a time to live's.
  if (ownerKind(id) !== "session") {
    return refuse("ERR_ZNODE_BAD_ARGUMENTS", "no session has this id");
  }
  if (int32At(content, 8) <= 0) {
    return refuse("ERR_ZNODE_BAD_ARGUMENTS", "a session has a timeout above 0");
  }
  if (judge.isOpen(id)) {
    return refuse("ERR_SESSION_EXISTS", "there is a session with this id");
  }
  if (judge.sessions.count >= SESSIONS_MAX) {
    return refuse("ERR_SERVER_BUSY", `there are ${SESSIONS_MAX} sessions`);
  }
  const owner = origin ?? 0;
  judge.overlay.putSession({ id, isOpen: true, owner, ephemeralBytes: 0, txnid });
  const packed = encodeSessionTransaction(judge.slab, content, owner);
  return { ok: true, op: ZnodeOp.createSession, key: "", content: packed };
}

/**
 * Its client has come to the node that asks, and wants this timeout. The password goes no further
 * than here. Also where the
 * session is at that node already: a change of it may be on its way.
 */
export function prepareResumeSession(
  judge: Judge,
  content: Uint8Array,
  { txnid, origin }: PrepareContext,
): Prepared {
  const asked = decodeResumeSession(content);
  if (asked === null) return unreadable();
  const { id, timeoutMs, password } = asked;
  if (timeoutMs < 0) return refuse("ERR_ZNODE_BAD_ARGUMENTS", "a timeout is not below 0");
  // Also where there is none, so that the time tells nothing of which ids there are.
  const known = judge.sessions.get(id)?.password ?? NO_PASSWORD;
  const isRight = isSamePassword(known, password);
  // One that is not applied yet nobody can have heard of.
  if (!isRight || judge.sessions.get(id) === undefined || !judge.isOpen(id)) return noSession();
  const owner = origin ?? 0;
  const ephemeralBytes = judge.ephemeralBytes(id);
  judge.overlay.putSession({ id, isOpen: true, owner, ephemeralBytes, txnid });
  const packed = encodeMoveTransaction(judge.slab, { id, owner, timeoutMs });
  return { ok: true, op: ZnodeOp.moveSession, key: "", content: packed };
}

/**
 * Asked for by a client, or by the leader when the session's time is over. The transaction names
 * the ephemerals, so that those who follow the log know what it deletes.
 *
 * Deviation from ZooKeeper: they go in the order of their paths. There it is the order of a Java
 * HashSet, which nobody can rely on.
 */
export function prepareCloseSession(
  judge: Judge,
  content: Uint8Array,
  context: PrepareContext,
): Prepared {
  if (content.length !== CLOSE_SESSION_BYTES) return unreadable();
  const id = viewOf(content).getBigUint64(0);
  if (!judge.isOpen(id)) return noSession();
  if (judge.isElsewhere(id, context)) return movedSession();
  const { txnid } = context;
  const paths = judge.ephemeralsOf(id);
  const childrenLost = new Map<string, number>();
  let bytes = 0;
  const acls: Uint8Array[] = [];
  for (const path of paths) {
    const node = judge.newest(path);
    assert(node?.owner === id, "a session's ephemerals are there", { path });
    const parentPath = parentPathOf(path);
    childrenLost.set(parentPath, (childrenLost.get(parentPath) ?? 0) + 1);
    removeNode(judge, path, node, context);
    bytes += CLOSE_SESSION_PATH_BYTES + pathBytes(path);
    acls.push(readersIn(node.acl));
  }
  for (const [parentPath, lost] of childrenLost) {
    const parent = judge.newest(parentPath);
    assert(parent !== undefined, "a node has a parent", { parentPath });
    const record = NodeRecord.of(parentPath, parent, txnid);
    record.childCount -= lost;
    judge.overlay.put(record);
  }
  judge.overlay.putSession({ id, isOpen: false, owner: 0, ephemeralBytes: 0, txnid });
  const packed = packClose(judge, { id, paths, acls }, bytes);
  return { ok: true, op: ZnodeOp.closeSession, key: "", content: packed };
}

/** With who may read what goes, as far as a transaction has room for that: a session must end. */
function packClose(
  judge: Judge,
  { id, paths, acls }: { id: bigint; paths: readonly string[]; acls: readonly Uint8Array[] },
  pathsBytes: number,
): Uint8Array {
  const aclBytes = acls.reduce((sum, acl) => sum + acl.length, 0);
  if (aclBytes === 0) return encodeCloseTransaction(judge.slab, { id, paths, acls }, pathsBytes);
  const bytes = pathsBytes + aclBytes + acls.length * CLOSE_SESSION_ACL_BYTES;
  if (bytes > EPHEMERAL_BYTES_MAX) {
    return encodeCloseTransaction(judge.slab, { id, paths, acls: null }, pathsBytes);
  }
  return encodeCloseTransaction(judge.slab, { id, paths, acls }, bytes);
}
