import { writeText } from "@quorate/protocol";
import type { AclEntry } from "./acl.js";
import { spellAcl } from "./acl.js";
import { CHILDREN_BYTES_MAX, CHILDREN_MAX } from "./limits.js";
import { PartList } from "./part-list.js";
import { nameOf, ROOT } from "./paths.js";
import { Slab } from "./slab.js";
import { STAT_BYTES } from "./stat.js";
import { writeStat, type Znode } from "./znode.js";

const COUNT_BYTES = 4;
const encoder = new TextEncoder();

/** Writes the answers that answers.ts describes and reads. */
export class AnswerWriter {
  readonly #slab = new Slab();
  readonly #parts = new PartList();

  stat(node: Znode): Uint8Array {
    return this.#finish(this.#begin(node, 0), STAT_BYTES);
  }

  created(node: Znode): Uint8Array {
    const at = this.#begin(node, node.pathBytes);
    const written = writeText(node.path, this.#slab.bytes, at + STAT_BYTES);
    return this.#finish(at, STAT_BYTES + written);
  }

  data(node: Znode): Uint8Array {
    const at = this.#begin(node, node.dataLength);
    this.#slab.bytes.set(node.data, at + STAT_BYTES);
    return this.#finish(at, STAT_BYTES + node.dataLength);
  }

  acl(node: Znode, entries: readonly AclEntry[]): Uint8Array {
    const bytes = spellAcl(entries);
    const at = this.#begin(node, bytes.length);
    this.#slab.bytes.set(bytes, at + STAT_BYTES);
    return this.#finish(at, STAT_BYTES + bytes.length);
  }

  /** Null when the list exceeds its bound. */
  children(node: Znode): Uint8Array | null {
    // What cannot be given out is not gathered, let alone sorted: clients ask for it again.
    if (node.childCount > CHILDREN_MAX) return null;
    const parentBytes = node.path === ROOT ? 1 : node.pathBytes + 1;
    const paths: string[] = [];
    let length = 4;
    for (let child = node.firstChild; child !== null; child = child.nextSibling) {
      length += 2 + child.pathBytes - parentBytes;
      if (length > CHILDREN_BYTES_MAX) return null;
      paths.push(child.path);
    }
    // They may be hundreds of thousands. As paths they go in the order of their names, which are
    // slices and take three times as long to sort; an array for each takes longer than all else.
    paths.sort();
    const at = this.#begin(node, length);
    const { bytes, view } = this.#slab;
    view.setUint32(at + STAT_BYTES, paths.length);
    let nameAt = at + STAT_BYTES + 4;
    for (const path of paths) {
      const written = writeText(nameOf(path), bytes, nameAt + 2);
      view.setUint16(nameAt, written);
      nameAt += 2 + written;
    }
    return this.#finish(at, STAT_BYTES + length);
  }

  number(value: number): Uint8Array {
    const at = this.#slab.reserve(4);
    this.#slab.view.setInt32(at, value);
    return this.#finish(at, 4);
  }

  paths(paths: readonly string[]): Uint8Array {
    const encoded = paths.map((path) => encoder.encode(path));
    let length = 4;
    for (const path of encoded) length += 4 + path.length;
    const at = this.#slab.reserve(length);
    const { bytes, view } = this.#slab;
    view.setUint32(at, encoded.length);
    let pathAt = at + 4;
    for (const path of encoded) {
      view.setUint32(pathAt, path.length);
      bytes.set(path, pathAt + 4);
      pathAt += 4 + path.length;
    }
    return this.#finish(at, length);
  }

  /** The answers so far of the multi that is being applied: none. */
  startMulti(): PartList {
    this.#parts.start(COUNT_BYTES);
    return this.#parts;
  }

  /** Of the parts that {@link startMulti} began. */
  multi(parts: PartList): Uint8Array {
    const at = parts.finish(this.#slab);
    this.#slab.view.setUint32(at, parts.length);
    return this.#finish(at, parts.byteLength);
  }

  #begin(node: Znode, bytesBehindStat: number): number {
    const at = this.#slab.reserve(STAT_BYTES + bytesBehindStat);
    writeStat(node, this.#slab.view, at);
    return at;
  }

  #finish(at: number, length: number): Uint8Array {
    return this.#slab.bytes.subarray(at, at + length);
  }
}
