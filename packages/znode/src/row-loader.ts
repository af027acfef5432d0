import { assert, ROW_HEADER_BYTES } from "@quorate/protocol";
import { HEADER_BYTES } from "./node-header.js";
import type { NodeTable } from "./node-table.js";
import { checkRowValue, RowPath } from "./row.js";

/**
 * Places rows of a checkpoint in the table, each below its parent, in whatever order they come.
 * Nothing is made for a row but its node: a restart does this a million times.
 */
export class RowLoader {
  readonly #table: NodeTable;
  readonly #path = new RowPath();
  /** Parents named by rows and without a row of their own yet, by number. */
  readonly #awaited = new Set<number>();
  /** Of the row placed last; 0 when there was none. */
  #lastParent = 0;
  /** Characters of the paths of all nodes made here. */
  characters = 0;

  constructor(table: NodeTable) {
    this.#table = table;
  }

  reset(): void {
    this.#awaited.clear();
    this.#lastParent = 0;
    this.characters = 0;
  }

  assertWhole(): void {
    assert(this.#awaited.size === 0, "every restored node has its parent");
  }

  /**
   * The packed row that begins there.
   * @returns the number of its node.
   * @throws ERR_STORE_DAMAGED, ERR_STORE_SCHEMA.
   */
  place(rows: Uint8Array, at: number, pathBytes: number, valueBytes: number): number {
    const table = this.#table;
    const pathAt = at + ROW_HEADER_BYTES;
    const valueAt = pathAt + pathBytes;
    this.#path.read(rows, pathAt, pathBytes);
    checkRowValue(rows, valueAt, valueBytes);
    const known = table.findBytes(rows, pathAt, pathBytes);
    if (known !== 0) {
      this.#awaited.delete(known);
      table.replaceRest(known, rows, valueAt, valueBytes);
      return known;
    }
    const hash = table.hashFound;
    this.characters += this.#path.characters;
    const parent = this.#parentOf(rows, pathAt, this.#path.slash);
    const length = ROW_HEADER_BYTES + pathBytes + valueBytes;
    const node = table.addRow(rows, at, pathBytes, length, hash);
    table.adopt(parent, node);
    return node;
  }

  #parentOf(rows: Uint8Array, pathAt: number, slash: number): number {
    const length = Math.max(1, slash);
    const table = this.#table;
    // Most rows have the parent of the row before them.
    if (this.#lastParent !== 0 && table.hasPath(this.#lastParent, rows, pathAt, length)) {
      return this.#lastParent;
    }
    const known = table.findBytes(rows, pathAt, length);
    this.#lastParent = known === 0 ? this.#awaitedAt(rows, pathAt, length) : known;
    return this.#lastParent;
  }

  /**
   * Made with its own ancestors when rows come children first: a path may have tens of thousands
   * of them, more than calls fit a stack.
   */
  #awaitedAt(rows: Uint8Array, pathAt: number, pathBytes: number): number {
    const table = this.#table;
    const missing: { readonly length: number; readonly hash: number }[] = [];
    let length = pathBytes;
    let node = 0;
    // The root is there.
    while (node === 0) {
      missing.push({ length, hash: table.hashFound });
      this.#path.read(rows, pathAt, length);
      this.characters += this.#path.characters;
      length = Math.max(1, this.#path.slash);
      node = table.findBytes(rows, pathAt, length);
    }
    for (const { length: ownLength, hash } of missing.reverse()) {
      const child = table.add(rows, pathAt, ownLength, hash, HEADER_BYTES);
      table.adopt(node, child);
      this.#awaited.add(child);
      node = child;
    }
    return node;
  }
}
