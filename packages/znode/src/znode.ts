import type { Txnid } from "@quorate/protocol";
import type { AppliedAcl } from "./acl-table.js";
import { NO_OWNER } from "./create-mode.js";
import {
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
import { Flag, Word, type NodeTable } from "./node-table.js";
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
  readonly #table: NodeTable;
  #path: string | null;

  constructor(home: NodeHome, number: number, path: string | null) {
    this.#home = home;
    this.#table = home.table;
    this.number = number;
    this.#path = path;
  }

  get path(): string {
    this.#path ??= this.#table.pathOf(this.number);
    return this.#path;
  }

  get rowKey(): string {
    return this.path;
  }

  get parent(): Znode | null {
    return this.#relative(Word.parent);
  }

  get firstChild(): Znode | null {
    return this.#relative(Word.firstChild);
  }

  get nextSibling(): Znode | null {
    return this.#relative(Word.nextSibling);
  }

  get childCount(): number {
    return this.#table.word(this.number, Word.childCount);
  }

  /** Where the header is; the ACL and the data follow it. Only until the node changes. */
  get bytes(): Uint8Array {
    return this.#table.bytesOf(this.number);
  }

  get view(): DataView {
    return this.#table.viewOf(this.number);
  }

  get headerAt(): number {
    return this.#table.headerAt(this.number);
  }

  /** Of its path, which stands right before the header. */
  get pathBytes(): number {
    return this.#table.pathBytes(this.number);
  }

  /** Of its ACL, which stands right behind the header. */
  get aclBytes(): number {
    return this.#table.aclBytes(this.number);
  }

  /** Its row's value: header, ACL and data. A view, only until the node changes. */
  get rest(): Uint8Array {
    const at = this.headerAt;
    return this.bytes.subarray(at, at + this.#table.restBytes(this.number));
  }

  /** The whole row, packed. A view likewise. */
  get row(): Uint8Array {
    const at = this.#table.rowAt(this.number);
    return this.bytes.subarray(at, at + this.#table.rowBytes(this.number));
  }

  get dataLength(): number {
    const table = this.#table;
    return table.restBytes(this.number) - HEADER_BYTES - table.aclBytes(this.number);
  }

  /** A view: whoever keeps it copies it. */
  get data(): Uint8Array {
    const from = this.headerAt + HEADER_BYTES + this.#table.aclBytes(this.number);
    return this.bytes.subarray(from, from + this.dataLength);
  }

  get acl(): AppliedAcl {
    return this.#home.aclOf(this.#table.word(this.number, Word.acl));
  }

  /** What the row says of the ACL is written elsewhere. */
  set aclNumber(value: number) {
    this.#table.setWord(this.number, Word.acl, value);
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

  /** Whether hashHigh and hashLow are the node's part of the digest. */
  get isHashed(): boolean {
    return (this.#table.word(this.number, Word.flags) & Flag.hashed) !== 0;
  }

  set isHashed(value: boolean) {
    const flags = value ? Flag.there | Flag.hashed : Flag.there;
    this.#table.setWord(this.number, Word.flags, flags);
  }

  get hashHigh(): number {
    return this.view.getInt32(this.#table.hashAt(this.number));
  }

  set hashHigh(value: number) {
    this.view.setInt32(this.#table.hashAt(this.number), value);
  }

  get hashLow(): number {
    return this.view.getInt32(this.#table.hashAt(this.number) + 4);
  }

  set hashLow(value: number) {
    this.view.setInt32(this.#table.hashAt(this.number) + 4, value);
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

  #relative(word: number): Znode | null {
    const number = this.#table.word(this.number, word);
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
