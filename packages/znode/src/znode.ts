import type { Txnid } from "@quorate/protocol";
import type { AppliedAcl } from "./acl-table.js";
import { NO_OWNER } from "./create-mode.js";
import {
  ACL_BYTES_MASK,
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
import { headerPlace, placeOf, Word, type NodeTable } from "./node-table.js";
import type { Page } from "./pages.js";
import { parentPathOf, ROOT } from "./paths.js";
import { getMs, setMs } from "./stat.js";

/** Where nodes are, and the ACLs that they have. */
export interface NodeHome {
  readonly table: NodeTable;
  /** By its number. */
  aclOf(number: number): AppliedAcl;
}

/**
 * One node of the tree, as it is now: a name for its number in the {@link NodeTable}, made for
 * whoever asks and not kept. Of a node that was deleted nothing may be read.
 */
export class Znode {
  readonly number: number;
  readonly #home: NodeHome;
  /** Where its words are; they stay there as long as it is there. */
  readonly #words: Int32Array;
  readonly #place: number;
  #path: string | null;

  constructor(home: NodeHome, number: number, path: string | null) {
    this.#home = home;
    this.number = number;
    this.#words = home.table.wordsOf(number);
    this.#place = placeOf(number);
    this.#path = path;
  }

  get path(): string {
    this.#path ??= this.#home.table.pathOf(this.number);
    return this.#path;
  }

  get rowKey(): string {
    return this.path;
  }

  get parent(): Znode | null {
    const number = this.#word(Word.parent);
    if (number === 0) return null;
    // Cheaper than to read it from the parent's row.
    const path = this.#path === null || this.#path === ROOT ? null : parentPathOf(this.#path);
    return new Znode(this.#home, number, path);
  }

  get firstChild(): Znode | null {
    return this.#relative(Word.firstChild);
  }

  get nextSibling(): Znode | null {
    return this.#relative(Word.nextSibling);
  }

  get childCount(): number {
    return this.#word(Word.childCount);
  }

  /** Where the header is; the ACL and the data follow it. Only until the node changes. */
  get bytes(): Uint8Array {
    return this.#page.bytes;
  }

  get view(): DataView {
    return this.#page.view;
  }

  get headerAt(): number {
    return headerPlace(this.#words, this.#place);
  }

  /** Of its path, which stands right before the header. */
  get pathBytes(): number {
    return this.#word(Word.path) >>> 1;
  }

  /** Of its ACL, which stands right behind the header. */
  get aclBytes(): number {
    return this.view.getUint32(this.headerAt) & ACL_BYTES_MASK;
  }

  /** Its row's value: header, ACL and data. A view, only until the node changes. */
  get rest(): Uint8Array {
    const at = this.headerAt;
    return this.bytes.subarray(at, at + this.#home.table.restBytes(this.number));
  }

  /** The whole row, packed. A view likewise. */
  get row(): Uint8Array {
    const { table } = this.#home;
    const at = table.rowAt(this.number);
    return this.bytes.subarray(at, at + table.rowBytes(this.number));
  }

  get dataLength(): number {
    const { view, headerAt } = this;
    // How much follows the path stands right before it.
    const restBytes = view.getUint32(headerAt - this.pathBytes - 4);
    return restBytes - HEADER_BYTES - (view.getUint32(headerAt) & ACL_BYTES_MASK);
  }

  /** A view: whoever keeps it copies it. */
  get data(): Uint8Array {
    const from = this.headerAt + HEADER_BYTES + this.aclBytes;
    return this.bytes.subarray(from, from + this.dataLength);
  }

  get acl(): AppliedAcl {
    return this.#home.aclOf(this.#word(Word.acl));
  }

  /** What the row says of the ACL is written elsewhere. */
  set aclNumber(value: number) {
    this.#words[this.#place + Word.acl] = value;
  }

  get mtime(): number {
    return getMs(this.view, this.headerAt + HEADER_MTIME);
  }

  get version(): number {
    return this.view.getInt32(this.headerAt + HEADER_VERSION);
  }

  /** Creates under this node so far: ZooKeeper keeps this and shows `2 x creates - children`. */
  get creates(): number {
    return this.view.getInt32(this.headerAt + HEADER_CREATES);
  }

  get aversion(): number {
    return this.view.getInt32(this.headerAt + HEADER_AVERSION);
  }

  set aversion(value: number) {
    this.view.setInt32(this.headerAt + HEADER_AVERSION, value);
  }

  /** As ZooKeeper's, u64: a session, a container, a time to live, or nobody. */
  get owner(): bigint {
    const at = this.headerAt + HEADER_OWNER;
    const { view } = this;
    // Most have none, and a BigInt is dear.
    return view.getUint32(at) === 0 && view.getUint32(at + 4) === 0
      ? NO_OWNER
      : view.getBigUint64(at);
  }

  /** As it is created. */
  created(txnid: Txnid, timeMs: number, owner: bigint): void {
    const { view } = this;
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
    const { view } = this;
    const at = this.headerAt;
    view.setBigUint64(at + HEADER_MZXID, txnid);
    setMs(view, at + HEADER_MTIME, timeMs);
    view.setInt32(at + HEADER_VERSION, version);
  }

  /** A child was created, when `creates` is given, or deleted. */
  childChanged(txnid: Txnid, creates: number | null): void {
    const { view } = this;
    const at = this.headerAt;
    view.setBigUint64(at + HEADER_PZXID, txnid);
    if (creates !== null) view.setInt32(at + HEADER_CREATES, creates);
  }

  get #page(): Page {
    return this.#home.table.page(this.#word(Word.page));
  }

  #word(word: number): number {
    return this.#words[this.#place + word] ?? 0;
  }

  #relative(word: number): Znode | null {
    const number = this.#word(word);
    return number === 0 ? null : new Znode(this.#home, number, null);
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
