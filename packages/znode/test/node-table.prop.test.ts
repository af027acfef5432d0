import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FORMAT_WORD, HEADER_BYTES } from "../src/node-header.js";
import { NodeTable, Word } from "../src/node-table.js";
import { PathHash, pathKeyFrom } from "../src/path-hash.js";
import { PathIndex } from "../src/path-index.js";

const encoder = new TextEncoder();

describe("the index of paths", () => {
  test("finds what is there and nothing else, however hashes fall together", () => {
    // A few hashes in one shard, so that places wrap around, and paths that share them.
    const hash = fc.constantFrom(0, 1, 7, 8, 15, 16, 255, 0x00ff_ffff);
    const steps = fc.array(fc.tuple(hash, fc.nat({ max: 12 }), fc.boolean()), {
      maxLength: 300,
      size: "max",
    });
    fc.assert(
      fc.property(steps, (sequence) => {
        const numbers = new Map<string, number>();
        const names = new Map<number, string>();
        const index = new PathIndex({
          hasPath: (node, bytes, from, length) =>
            names.get(node) === Buffer.from(bytes).toString("latin1", from, from + length),
        });
        const find = (of: number, name: string): number =>
          index.find(of, encoder.encode(name), 0, name.length);
        for (const [at, [of, which, isAdded]] of sequence.entries()) {
          const name = `${of}/${which}`;
          const known = numbers.get(name);
          expect(find(of, name)).toBe(known ?? 0);
          if (known === undefined && isAdded) {
            numbers.set(name, at + 1);
            names.set(at + 1, name);
            index.add(of, at + 1);
          } else if (known !== undefined && !isAdded) {
            index.remove(of, known);
            numbers.delete(name);
            names.delete(known);
          }
        }
        for (const [name, number] of numbers) {
          expect(find(Number(name.split("/")[0]), name)).toBe(number);
        }
      }),
    );
  });

  test("refuses to forget what it does not hold", () => {
    const index = new PathIndex({ hasPath: () => false });
    expect(() => index.remove(1, 1)).toThrow(/invariant/);
    index.add(1, 2);
    expect(() => index.remove(1, 1)).toThrow(/invariant/);
  });

  test("another key is another hash", () => {
    const path = encoder.encode("/some/path");
    const drawn = [1n, 2n ** 40n].map((word) => {
      const key = pathKeyFrom({ next: () => 0, nextUint64: () => word });
      return new PathHash(key).of(path, 0, path.length);
    });
    expect(new Set(drawn).size).toBe(2);
  });

  test("a path and what it begins with differ", () => {
    const hash = new PathHash([0x0302_0100, 0x0706_0504]);
    const bytes = Uint8Array.from({ length: 8 }, (_, i) => i);
    const all = Array.from({ length: 9 }, (_, length) => hash.of(bytes, 0, length));
    expect(new Set(all).size).toBe(9);
  });
});

interface Model {
  readonly path: string;
  readonly number: number;
  data: Uint8Array;
  acl: Uint8Array;
}

describe("the table of nodes", () => {
  const name = fc.constantFrom("/a", "/b", "/ü", "/a/long-name-of-a-node", "/c/d", "/€/x");
  const size = fc.oneof(fc.nat({ max: 40 }), fc.constantFrom(1000, 20_000));
  const step = fc.tuple(fc.constantFrom("add", "data", "acl", "row", "remove"), name, size);

  test("keeps path, ACL and data of each node, whatever becomes of the others", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: "max" }), (steps) => {
        const table = new NodeTable([1, 2]);
        const model = new Map<string, Model>();
        for (const [index, [what, path, length]] of steps.entries()) {
          const bytes = new Uint8Array(length).fill(index + 1);
          const known = model.get(path);
          if (known === undefined) {
            if (what === "add") model.set(path, added(table, path, bytes));
          } else if (what === "remove") {
            remove(table, path, known.number);
            model.delete(path);
          } else change(table, known, what, bytes);
          expectSame(table, model);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("children are a list, the newest first, and gaps close", () => {
    const table = new NodeTable([0, 0]);
    const make = (path: string): number => {
      expect(table.find(path)).toBe(0);
      return table.addFound(HEADER_BYTES);
    };
    const parent = make("/p");
    const children = ["/p/1", "/p/2", "/p/3"].map(make);
    for (const child of children) table.adopt(parent, child);
    const list = (): number[] => {
      const found: number[] = [];
      let at = table.word(parent, Word.firstChild);
      for (; at !== 0; at = table.word(at, Word.nextSibling)) found.push(at);
      return found;
    };
    const [first = 0, second = 0, third = 0] = children;
    expect(list()).toEqual([third, second, first]);
    table.disown(parent, second);
    remove(table, "/p/2", second);
    expect(list()).toEqual([third, first]);
    expect(table.word(first, Word.previousSibling)).toBe(third);
    table.disown(parent, third);
    expect(list()).toEqual([first]);
    expect(table.word(parent, Word.childCount)).toBe(1);
    // The number of a node that went is the next one's.
    expect(make("/q")).toBe(second);
    expect([...table.numbers()]).toEqual([parent, first, second, third]);
  });
});

function remove(table: NodeTable, path: string, node: number): void {
  expect(table.find(path)).toBe(node);
  table.remove(node, table.hashFound);
}

function added(table: NodeTable, path: string, data: Uint8Array): Model {
  expect(table.find(path)).toBe(0);
  const number = table.addFound(HEADER_BYTES + data.length);
  table.writeData(number, data);
  return { path, number, data, acl: new Uint8Array(0) };
}

function change(table: NodeTable, node: Model, what: string, bytes: Uint8Array): void {
  if (what === "data") {
    table.writeData(node.number, bytes);
    node.data = bytes;
  } else if (what === "acl") {
    table.writeAcl(node.number, bytes);
    node.acl = bytes;
  } else if (what === "row") {
    const rest = new Uint8Array(HEADER_BYTES + bytes.length + 3);
    new DataView(rest.buffer).setUint32(0, FORMAT_WORD | 3);
    rest.fill(9, HEADER_BYTES);
    table.replaceRest(node.number, rest, 0, rest.length);
    node.acl = rest.slice(HEADER_BYTES, HEADER_BYTES + 3);
    node.data = rest.slice(HEADER_BYTES + 3);
  }
}

function expectSame(table: NodeTable, model: ReadonlyMap<string, Model>): void {
  expect(table.size).toBe(model.size);
  expect([...table.numbers()].sort((a, b) => a - b)).toEqual(
    [...model.values()].map(({ number }) => number).sort((a, b) => a - b),
  );
  for (const { path, number, data, acl } of model.values()) {
    expect(table.find(path)).toBe(number);
    expect(table.pathOf(number)).toBe(path);
    expect(table.aclBytes(number)).toBe(acl.length);
    const from = table.headerAt(number) + HEADER_BYTES;
    const page = table.bytesOf(number);
    const bytes = Buffer.from(page.buffer, page.byteOffset, page.byteLength);
    expect(bytes.subarray(from, from + acl.length).equals(acl)).toBe(true);
    expect(table.restBytes(number)).toBe(HEADER_BYTES + acl.length + data.length);
    const dataAt = from + acl.length;
    expect(bytes.subarray(dataAt, dataAt + data.length).equals(data)).toBe(true);
  }
}
