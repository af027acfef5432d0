import type { Txnid } from "@quorate/protocol";
import { STORED_OPEN_ACL, type AppliedAcl } from "./acl-table.js";
import { NO_OWNER } from "./create-mode.js";
import { isSamePiece, type Page, type Pages } from "./pages.js";
import { getMs, setMs } from "./stat.js";

export const NO_DATA = new Uint8Array(0);

/**
 * The header of a node, big-endian, in its piece of a page as in a checkpoint's row (see row.ts):
 *   u8 format (1) | u8 0 | u16 bytes of the ACL | u64 czxid | u64 mzxid | u64 pzxid | u64 ctime |
 *   u64 mtime | i32 version | i32 creates | i32 aversion | u64 ephemeral owner
 */
export const HEADER_BYTES = 64;
export const FORMAT_WORD = 1 << 24;
export const HEADER_CZXID = 4;
export const HEADER_MZXID = 12;
export const HEADER_PZXID = 20;
export const HEADER_CTIME = 28;
export const HEADER_MTIME = 36;
export const HEADER_VERSION = 44;
export const HEADER_CREATES = 48;
export const HEADER_AVERSION = 52;
export const HEADER_OWNER = 56;
/** Before the header: the node's part of the digest, as two words. */
const HASH_BYTES = 8;
const DATA_AT = HASH_BYTES + HEADER_BYTES;

/**
 * One node of the tree. Children are a linked list through the nodes themselves: a set per parent
 * and a name per child would cost more than all other fields together. What a row holds is kept
 * in a page, and read there; for numbers and bytes in fields of their own take thrice the memory.
 */
export class Znode {
  readonly path: string;
  readonly parent: Znode | null;
  firstChild: Znode | null = null;
  nextSibling: Znode | null = null;
  previousSibling: Znode | null = null;
  childCount = 0;
  dataLength = 0;
  #acl: AppliedAcl = STORED_OPEN_ACL;
  #page: Page;
  #at: number;

  /** Whether hashHigh and hashLow are the node's part of the digest. */
  isHashed = false;
  /** The generation of changes in which the node was last marked as changed. */
  changedIn = 0;
  /** The image that has dealt with the node, or that began before the node did. */
  imagedBy = 0;

  constructor(path: string, parent: Znode | null, dataLength: number, pages: Pages) {
    this.path = path;
    this.parent = parent;
    this.dataLength = dataLength;
    this.#at = pages.allocate(DATA_AT + dataLength);
    this.#page = pages.page;
    this.#page.bytes.fill(0, this.#at, this.#at + DATA_AT);
    this.#page.view.setUint32(this.#at + HASH_BYTES, FORMAT_WORD);
  }

  get rowKey(): string {
    return this.path;
  }

  /** Where the header is; the data follow it. Only until the node changes. */
  get bytes(): Uint8Array {
    return this.#page.bytes;
  }

  get view(): DataView {
    return this.#page.view;
  }

  get headerAt(): number {
    return this.#at + HASH_BYTES;
  }

  /** A view: whoever keeps it copies it. */
  get data(): Uint8Array {
    const from = this.#at + DATA_AT;
    return this.#page.bytes.subarray(from, from + this.dataLength);
  }

  get acl(): AppliedAcl {
    return this.#acl;
  }

  set acl(acl: AppliedAcl) {
    this.#acl = acl;
    this.#page.view.setUint32(this.#at + HASH_BYTES, FORMAT_WORD | acl.bytes.length);
  }

  get mtime(): number {
    return getMs(this.#page.view, this.headerAt + HEADER_MTIME);
  }

  get version(): number {
    return this.#page.view.getInt32(this.headerAt + HEADER_VERSION);
  }

  /** Creates under this node so far: ZooKeeper keeps this and shows `2 x creates - children`. */
  get creates(): number {
    return this.#page.view.getInt32(this.headerAt + HEADER_CREATES);
  }

  get aversion(): number {
    return this.#page.view.getInt32(this.headerAt + HEADER_AVERSION);
  }

  set aversion(value: number) {
    this.#page.view.setInt32(this.headerAt + HEADER_AVERSION, value);
  }

  /** As ZooKeeper's, u64: a session, a container, a time to live, or nobody. */
  get owner(): bigint {
    const at = this.headerAt + HEADER_OWNER;
    const { view } = this.#page;
    // Most have none, and a BigInt is dear.
    return view.getUint32(at) === 0 && view.getUint32(at + 4) === 0
      ? NO_OWNER
      : view.getBigUint64(at);
  }

  get hashHigh(): number {
    return this.#page.view.getInt32(this.#at);
  }

  set hashHigh(value: number) {
    this.#page.view.setInt32(this.#at, value);
  }

  get hashLow(): number {
    return this.#page.view.getInt32(this.#at + 4);
  }

  set hashLow(value: number) {
    this.#page.view.setInt32(this.#at + 4, value);
  }

  /** As it is created. Its data are written by {@link write}. */
  created(txnid: Txnid, timeMs: number, owner: bigint): void {
    const { view } = this.#page;
    const at = this.headerAt;
    view.setBigUint64(at + HEADER_CZXID, txnid);
    view.setBigUint64(at + HEADER_MZXID, txnid);
    view.setBigUint64(at + HEADER_PZXID, txnid);
    setMs(view, at + HEADER_CTIME, timeMs);
    setMs(view, at + HEADER_MTIME, timeMs);
    if (owner !== NO_OWNER) view.setBigUint64(at + HEADER_OWNER, owner);
  }

  /** Its data were set. */
  changed(txnid: Txnid, timeMs: number, version: number): void {
    const { view } = this.#page;
    const at = this.headerAt;
    view.setBigUint64(at + HEADER_MZXID, txnid);
    setMs(view, at + HEADER_MTIME, timeMs);
    view.setInt32(at + HEADER_VERSION, version);
  }

  /** A child was created, when `creates` is given, or deleted. */
  childChanged(txnid: Txnid, creates: number | null): void {
    const { view } = this.#page;
    view.setBigUint64(this.headerAt + HEADER_PZXID, txnid);
    if (creates !== null) view.setInt32(this.headerAt + HEADER_CREATES, creates);
  }

  /** Replaces the data by a copy of these, in the place where they are if that is as large. */
  write(data: Uint8Array, pages: Pages): void {
    this.#resize(data.length, pages);
    this.#page.bytes.set(data, this.#at + DATA_AT);
  }

  /** Header and data at once, from a row without an ACL; that of the node is set behind it. */
  writeRow(row: Uint8Array, pages: Pages): void {
    this.#resize(row.length - HEADER_BYTES, pages);
    this.#page.bytes.set(row, this.headerAt);
  }

  #resize(dataLength: number, pages: Pages): void {
    const before = DATA_AT + this.dataLength;
    if (!isSamePiece(before, DATA_AT + dataLength)) {
      const page = this.#page;
      const at = this.#at;
      this.#at = pages.allocate(DATA_AT + dataLength);
      this.#page = pages.page;
      this.#page.bytes.set(page.bytes.subarray(at, at + DATA_AT), this.#at);
      pages.release(page, at, before);
    }
    this.dataLength = dataLength;
  }

  /** The whole header at once, from a row; the word about the ACL is set with the ACL. */
  writeHeader(header: Uint8Array): void {
    this.#page.bytes.set(header, this.headerAt);
  }

  /** It has left the tree: nothing of it is read any more. */
  free(pages: Pages): void {
    pages.release(this.#page, this.#at, DATA_AT + this.dataLength);
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

/** Writes the node's Stat as STAT_BYTES. */
export function writeStat(node: Znode, view: DataView, at: number): void {
  const from = node.headerAt;
  const header = node.view;
  // czxid and mzxid, and then both times, stand as they do in a Stat.
  copyWords(header, from + HEADER_CZXID, view, at, 4);
  copyWords(header, from + HEADER_CTIME, view, at + 16, 4);
  view.setInt32(at + 32, header.getInt32(from + HEADER_VERSION));
  const creates = header.getInt32(from + HEADER_CREATES);
  view.setInt32(at + 36, Math.imul(creates, 2) - node.childCount);
  copyWords(header, from + HEADER_AVERSION, view, at + 40, 3);
  view.setInt32(at + 52, node.dataLength);
  view.setInt32(at + 56, node.childCount);
  copyWords(header, from + HEADER_PZXID, view, at + 60, 2);
}

function copyWords(
  from: DataView,
  fromAt: number,
  to: DataView,
  toAt: number,
  count: number,
): void {
  for (let i = 0; i < 4 * count; i += 4) to.setInt32(toAt + i, from.getInt32(fromAt + i));
}
