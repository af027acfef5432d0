import { assert, KEY_BYTES_MAX, ROW_HEADER_BYTES } from "@quorate/protocol";
import { ACL_BYTES_MASK, FORMAT_WORD, HEADER_BYTES } from "./node-header.js";
import { Pages, isSamePiece, type Page } from "./pages.js";
import { PathHash, type PathKey } from "./path-hash.js";
import { PathIndex } from "./path-index.js";

/** In a node's piece, before its row: its part of the digest, as two words. */
const HASH_BYTES = 8;

/** Words of a node, by their place. Numbers of other nodes are 0 where there is none. */
export const Word = {
  page: 0,
  /** Where in the page the piece begins. */
  at: 1,
  parent: 2,
  firstChild: 3,
  nextSibling: 4,
  previousSibling: 5,
  childCount: 6,
  /** The number of its ACL. */
  acl: 7,
  /**
   * Twice the bytes of its path, and one more when the words of its part of the digest are in the
   * piece. 0: the number stands for no node.
   */
  path: 8,
} as const;
const WORDS = 9;
const HASHED = 1;

const RECORDS_LOG = 10;
const RECORDS = 1 << RECORDS_LOG;

const NO_WORDS = new Int32Array(0);
/** The path that was looked for last, in UTF-8: a unit of UTF-16 takes at most three bytes. */
const pathFound = new Uint8Array(KEY_BYTES_MAX * 3);
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * All nodes, by number, in words and bytes: a number stands for a node from when it is added until
 * it is removed, and then for the next one that comes. As objects, a million nodes with paths
 * and an index take twice the memory, are walked through by the collector again and again,
 * and take most of the time of a restart to make.
 *
 * A node has a record of nine words, and a piece of a page with its row as a checkpoint has it:
 *   two words of the digest | u32 bytes of the path | u32 bytes of the rest | path | header | ACL |
 *   data
 */
export class NodeTable {
  readonly #hash: PathHash;
  readonly #index = new PathIndex({
    hasPath: (node, bytes, from, length) => this.hasPath(node, bytes, from, length),
  });
  readonly #pages = new Pages();
  #records: Int32Array[] = [];
  /** Numbers given out so far, the one that stands for no node included. */
  #used = 1;
  /** The last one removed; its parent's word leads to the one before. */
  #removed = 0;
  #size = 0;
  /** Of the path that was looked for last, as it stands in pathFound. */
  #pathBytes = 0;
  #pathHash = 0;

  constructor(key: PathKey) {
    this.#hash = new PathHash(key);
  }

  get size(): number {
    return this.#size;
  }

  /** 0 when there is none. */
  find(path: string): number {
    if (path.length > KEY_BYTES_MAX) return 0;
    this.#pathBytes = this.#encode(path);
    return this.#find(pathFound, 0, this.#pathBytes);
  }

  /** As {@link find}, for a path in UTF-8. */
  findBytes(bytes: Uint8Array, from: number, length: number): number {
    return this.#find(bytes, from, length);
  }

  /** The hash of the path that was looked for last. */
  get hashFound(): number {
    return this.#pathHash;
  }

  /** A node with the path that {@link find} has just not found. */
  addFound(restBytes: number): number {
    return this.add(pathFound, 0, this.#pathBytes, this.#pathHash, restBytes);
  }

  /**
   * A node with a path in UTF-8 that is not there yet; `hash` is what was told of it when it was
   * looked for. Its header is that of a node of which nothing is known, and its ACL and data, whose
   * bytes are the rest, are to be written.
   */
  add(path: Uint8Array, from: number, pathBytes: number, hash: number, restBytes: number): number {
    const node = this.#take(hash, pathBytes, ROW_HEADER_BYTES + pathBytes + restBytes);
    const { bytes, view } = this.#pages.page;
    const at = this.rowAt(node);
    const headerAt = at + ROW_HEADER_BYTES + pathBytes;
    view.setUint32(at, pathBytes);
    view.setUint32(at + 4, restBytes);
    bytes.set(path.subarray(from, from + pathBytes), at + ROW_HEADER_BYTES);
    bytes.fill(0, headerAt, headerAt + HEADER_BYTES);
    view.setUint32(headerAt, FORMAT_WORD);
    return node;
  }

  /** As {@link add}, with the whole of a packed row. */
  addRow(rows: Uint8Array, from: number, pathBytes: number, length: number, hash: number): number {
    const node = this.#take(hash, pathBytes, length);
    this.#pages.page.bytes.set(rows.subarray(from, from + length), this.rowAt(node));
    return node;
  }

  /** Header, ACL and data become these: the value of a row. */
  replaceRest(node: number, bytes: Uint8Array, from: number, restBytes: number): void {
    this.#resize(node, restBytes);
    this.bytesOf(node).set(bytes.subarray(from, from + restBytes), this.headerAt(node));
  }

  /** Its data become these; its ACL, and what the header says of it, stay. */
  writeData(node: number, data: Uint8Array): void {
    const before = HEADER_BYTES + this.aclBytes(node);
    this.#resize(node, before + data.length);
    this.bytesOf(node).set(data, this.headerAt(node) + before);
  }

  writeAcl(node: number, acl: Uint8Array): void {
    const at = this.headerAt(node) + HEADER_BYTES;
    const dataAt = at + this.aclBytes(node);
    const bytes = this.bytesOf(node);
    const data = bytes.slice(dataAt, this.headerAt(node) + this.restBytes(node));
    this.#resize(node, HEADER_BYTES + acl.length + data.length);
    const from = this.headerAt(node);
    this.viewOf(node).setUint32(from, FORMAT_WORD | acl.length);
    this.bytesOf(node).set(acl, from + HEADER_BYTES);
    this.bytesOf(node).set(data, from + HEADER_BYTES + acl.length);
  }

  /**
   * It is in nobody's list of children any more; `hash` is what was told of its path when that was
   * looked for.
   */
  remove(node: number, hash: number): void {
    this.#index.remove(hash, node);
    this.#pages.release(this.pageOf(node), this.word(node, Word.at), this.#pieceBytes(node));
    const words = this.wordsOf(node);
    const place = placeOf(node);
    for (let i = place; i < place + WORDS; i += 1) words[i] = 0;
    words[place + Word.parent] = this.#removed;
    this.#removed = node;
    this.#size -= 1;
  }

  clear(): void {
    this.#index.clear();
    this.#pages.clear();
    this.#records = [];
    this.#used = 1;
    this.#removed = 0;
    this.#size = 0;
  }

  /** In no particular order. Nodes may come and go meanwhile; a new one may be left out. */
  *numbers(): Generator<number, undefined> {
    for (let node = 1; node < this.#used; node += 1) {
      if (this.word(node, Word.path) !== 0) yield node;
    }
  }

  word(node: number, word: number): number {
    return this.wordsOf(node)[placeOf(node) + word] ?? 0;
  }

  setWord(node: number, word: number, value: number): void {
    this.wordsOf(node)[placeOf(node) + word] = value;
  }

  /** Where its words are, from {@link placeOf} on: there, until all nodes are cleared. */
  wordsOf(node: number): Int32Array {
    return this.#records[node >>> RECORDS_LOG] ?? NO_WORDS;
  }

  /** Where its piece is. Only until it grows or shrinks. */
  pageOf(node: number): Page {
    return this.#pages.get(this.word(node, Word.page));
  }

  /** As {@link pageOf}, of a page's number. */
  page(number: number): Page {
    return this.#pages.get(number);
  }

  /** Where the node's row is, and all that follows here. Only until something is written. */
  bytesOf(node: number): Uint8Array {
    return this.pageOf(node).bytes;
  }

  viewOf(node: number): DataView {
    return this.pageOf(node).view;
  }

  /** Whether the two words at {@link hashAt} are its part of the digest. */
  isHashed(node: number): boolean {
    return (this.word(node, Word.path) & HASHED) !== 0;
  }

  setHashed(node: number, isHashed: boolean): void {
    const word = this.word(node, Word.path);
    this.setWord(node, Word.path, isHashed ? word | HASHED : word & ~HASHED);
  }

  hashAt(node: number): number {
    return this.word(node, Word.at);
  }

  rowAt(node: number): number {
    return this.word(node, Word.at) + HASH_BYTES;
  }

  rowBytes(node: number): number {
    return this.#pieceBytes(node) - HASH_BYTES;
  }

  pathAt(node: number): number {
    return this.rowAt(node) + ROW_HEADER_BYTES;
  }

  pathBytes(node: number): number {
    return this.word(node, Word.path) >>> 1;
  }

  headerAt(node: number): number {
    const words = this.wordsOf(node);
    return headerPlace(words, placeOf(node));
  }

  /** Of header, ACL and data. */
  restBytes(node: number): number {
    return this.viewOf(node).getUint32(this.rowAt(node) + 4);
  }

  aclBytes(node: number): number {
    return this.viewOf(node).getUint32(this.headerAt(node)) & ACL_BYTES_MASK;
  }

  pathOf(node: number): string {
    const at = this.pathAt(node);
    return decoder.decode(this.bytesOf(node).subarray(at, at + this.pathBytes(node)));
  }

  hasPath(node: number, bytes: Uint8Array, from: number, length: number): boolean {
    const words = this.wordsOf(node);
    const place = placeOf(node);
    if ((words[place + Word.path] ?? 0) >>> 1 !== length) return false;
    const own = this.#pages.get(words[place + Word.page] ?? 0).bytes;
    const at = (words[place + Word.at] ?? 0) + HASH_BYTES + ROW_HEADER_BYTES;
    // Paths differ at their ends.
    for (let i = length - 1; i >= 0; i -= 1) if (own[at + i] !== bytes[from + i]) return false;
    return true;
  }

  adopt(parent: number, child: number): void {
    const words = this.wordsOf(parent);
    const place = placeOf(parent);
    const first = words[place + Word.firstChild] ?? 0;
    this.setWord(child, Word.parent, parent);
    this.setWord(child, Word.nextSibling, first);
    if (first !== 0) this.setWord(first, Word.previousSibling, child);
    words[place + Word.firstChild] = child;
    words[place + Word.childCount] = (words[place + Word.childCount] ?? 0) + 1;
  }

  disown(parent: number, child: number): void {
    const words = this.wordsOf(parent);
    const place = placeOf(parent);
    const previous = this.word(child, Word.previousSibling);
    const next = this.word(child, Word.nextSibling);
    if (previous === 0) words[place + Word.firstChild] = next;
    else this.setWord(previous, Word.nextSibling, next);
    if (next !== 0) this.setWord(next, Word.previousSibling, previous);
    words[place + Word.childCount] = (words[place + Word.childCount] ?? 0) - 1;
  }

  #find(bytes: Uint8Array, from: number, length: number): number {
    this.#pathHash = this.#hash.of(bytes, from, length);
    return this.#index.find(this.#pathHash, bytes, from, length);
  }

  /** Path and as much of the rest as there is room for stay what they are. */
  #resize(node: number, restBytes: number): void {
    const kept = HASH_BYTES + ROW_HEADER_BYTES + this.pathBytes(node);
    const before = kept + this.restBytes(node);
    if (!isSamePiece(before, kept + restBytes)) {
      const page = this.pageOf(node);
      const at = this.word(node, Word.at);
      const newAt = this.#pages.allocate(kept + restBytes);
      const copied = Math.min(before, kept + restBytes);
      this.#pages.page.bytes.set(page.bytes.subarray(at, at + copied), newAt);
      this.setWord(node, Word.page, this.#pages.page.number);
      this.setWord(node, Word.at, newAt);
      this.#pages.release(page, at, before);
    }
    this.viewOf(node).setUint32(this.rowAt(node) + 4, restBytes);
  }

  /** With room for its row, in the page that pages were asked for last. */
  #take(hash: number, pathBytes: number, rowBytes: number): number {
    const node = this.#takeNumber();
    const at = this.#pages.allocate(HASH_BYTES + rowBytes);
    const words = this.wordsOf(node);
    const place = placeOf(node);
    words[place + Word.page] = this.#pages.page.number;
    words[place + Word.at] = at;
    words[place + Word.path] = pathBytes << 1;
    this.#index.add(hash, node);
    this.#size += 1;
    return node;
  }

  #takeNumber(): number {
    const again = this.#removed;
    if (again !== 0) {
      this.#removed = this.word(again, Word.parent);
      this.setWord(again, Word.parent, 0);
      return again;
    }
    const node = this.#used;
    assert(node < 2 ** 31 - 1, "nodes have numbers of 31 bits");
    if (node >>> RECORDS_LOG >= this.#records.length) {
      this.#records.push(new Int32Array(RECORDS * WORDS));
    }
    this.#used += 1;
    return node;
  }

  #encode(path: string): number {
    const bytes = pathFound;
    for (let i = 0; i < path.length; i += 1) {
      const unit = path.charCodeAt(i);
      if (unit >= 0x80) return encoder.encodeInto(path, bytes).written;
      bytes[i] = unit;
    }
    return path.length;
  }

  #pieceBytes(node: number): number {
    return HASH_BYTES + ROW_HEADER_BYTES + this.pathBytes(node) + this.restBytes(node);
  }
}

/** Of a node's first word among all of its record's. */
export function placeOf(node: number): number {
  return (node & (RECORDS - 1)) * WORDS;
}

/** Where the header is in the page, of the node whose words begin there. */
export function headerPlace(words: Int32Array, place: number): number {
  const path = words[place + Word.path] ?? 0;
  return (words[place + Word.at] ?? 0) + HASH_BYTES + ROW_HEADER_BYTES + (path >>> 1);
}
