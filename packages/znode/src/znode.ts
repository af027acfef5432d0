import { TXNID_ZERO, type Txnid } from "@quorate/protocol";
import { STORED_OPEN_ACL, type StoredAcl } from "./acl-table.js";
import { NO_OWNER } from "./create-mode.js";
import { setMs } from "./stat.js";

export const NO_DATA = new Uint8Array(0);

/**
 * One node of the tree. Children are a linked list through the nodes themselves: a set per parent
 * and a name per child would cost more than all other fields together.
 */
export class Znode {
  readonly path: string;
  readonly parent: Znode | null;
  firstChild: Znode | null = null;
  nextSibling: Znode | null = null;
  previousSibling: Znode | null = null;

  /** Memory of the node's own: a set may write into it, so nobody keeps a view. */
  data: Uint8Array = NO_DATA;
  czxid: Txnid = TXNID_ZERO;
  mzxid: Txnid = TXNID_ZERO;
  pzxid: Txnid = TXNID_ZERO;
  ctime = 0;
  mtime = 0;
  version = 0;
  /** Creates under this node so far: ZooKeeper keeps this and shows `2 x creates - children`. */
  creates = 0;
  childCount = 0;
  aversion = 0;
  /** As ZooKeeper's, u64: a session, a container, a time to live, or nobody. */
  owner: bigint = NO_OWNER;
  acl: StoredAcl = STORED_OPEN_ACL;

  /** Whether the two halves below are the node's part of the digest. */
  isHashed = false;
  hashHigh = 0;
  hashLow = 0;
  /** The generation of changes in which the node was last marked as changed. */
  changedIn = 0;
  /** The image that has dealt with the node, or that began before the node did. */
  imagedBy = 0;

  constructor(path: string, parent: Znode | null) {
    this.path = path;
    this.parent = parent;
  }

  get rowKey(): string {
    return this.path;
  }

  get dataLength(): number {
    return this.data.length;
  }

  adopt(child: Znode): void {
    child.nextSibling = this.firstChild;
    if (this.firstChild !== null) this.firstChild.previousSibling = child;
    this.firstChild = child;
    this.childCount += 1;
  }

  disown(child: Znode): void {
    if (child.previousSibling === null) this.firstChild = child.nextSibling;
    else child.previousSibling.nextSibling = child.nextSibling;
    if (child.nextSibling !== null) child.nextSibling.previousSibling = child.previousSibling;
    this.childCount -= 1;
  }
}

/** Writes the node's Stat as STAT_BYTES of zeroed memory. */
export function writeStat(node: Znode, view: DataView, at: number): void {
  view.setBigUint64(at, node.czxid);
  view.setBigUint64(at + 8, node.mzxid);
  setMs(view, at + 16, node.ctime);
  setMs(view, at + 24, node.mtime);
  view.setInt32(at + 32, node.version);
  view.setInt32(at + 36, Math.imul(node.creates, 2) - node.childCount);
  view.setInt32(at + 40, node.aversion);
  if (node.owner !== NO_OWNER) view.setBigUint64(at + 44, node.owner);
  view.setInt32(at + 52, node.data.length);
  view.setInt32(at + 56, node.childCount);
  view.setBigUint64(at + 60, node.pzxid);
}
