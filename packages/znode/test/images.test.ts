import type { StateChanges, StateRow } from "@quorate/protocol";
import { describe, expect, test } from "vitest";
import { encodeCreate, encodeDelete, encodeSet, ZnodeOp } from "../src/index.js";
import { bytes, Driver, READ } from "./harness.js";

const create = (driver: Driver, path: string): unknown =>
  driver.run(ZnodeOp.create, path, encodeCreate({ data: bytes("old") }));
const set = (driver: Driver, path: string): unknown =>
  driver.run(ZnodeOp.set, path, encodeSet({ data: bytes("new") }));
const remove = (driver: Driver, path: string): unknown =>
  driver.run(ZnodeOp.delete, path, encodeDelete());

/** Path and data (null: a tombstone) of all rows but the root's. */
function read(image: StateChanges): [string, string | null][] {
  const seen: [string, string | null][] = [];
  for (let rows = image.next(1); rows.length > 0; rows = image.next(1)) {
    for (const { key, value } of rows) {
      const data = value === null ? null : new TextDecoder().decode(value.subarray(64));
      seen.push([new TextDecoder().decode(key), data]);
    }
  }
  return seen.filter(([path]) => path !== "/").sort();
}

/** /a is in the last image. */
function imaged(): Driver {
  const driver = new Driver();
  create(driver, "/a");
  read(driver.machine.beginChanges({ full: true }));
  return driver;
}

const begin = (driver: Driver): StateChanges => driver.machine.beginChanges({ full: false });

function rowOfA(driver: Driver): StateRow {
  const rows = driver.machine.beginChanges({ full: true }).next(2 ** 20);
  const found = [...rows].find(({ key }) => new TextDecoder().decode(key) === "/a");
  if (found === undefined) throw new Error("/a is there");
  return found;
}

describe("an image of changes", () => {
  test("gives a node that is deleted meanwhile as it was, and no tombstone", () => {
    const driver = imaged();
    set(driver, "/a");
    const image = begin(driver);
    remove(driver, "/a");
    expect(read(image)).toEqual([["/a", "new"]]);
    expect(read(begin(driver))).toEqual([["/a", null]]);
  });

  test("gives the tombstone of a node that is created again meanwhile", () => {
    const driver = imaged();
    remove(driver, "/a");
    const image = begin(driver);
    create(driver, "/a");
    remove(driver, "/a");
    create(driver, "/a");
    expect(read(image)).toEqual([["/a", null]]);
    expect(read(begin(driver))).toEqual([["/a", "old"]]);
  });

  test("that was abandoned leaves its rows to the next one", () => {
    const driver = imaged();
    set(driver, "/a");
    create(driver, "/b");
    begin(driver).abandon();
    expect(read(begin(driver))).toEqual([
      ["/a", "new"],
      ["/b", "old"],
    ]);
  });

  test("that was read to its end and lost all the same leaves its rows to the next one", () => {
    const driver = imaged();
    set(driver, "/a");
    const image = begin(driver);
    expect(read(image)).toEqual([["/a", "new"]]);
    create(driver, "/b");
    image.abandon();
    expect(read(begin(driver))).toEqual([
      ["/a", "new"],
      ["/b", "old"],
    ]);
    // Another has taken its place: it changes nothing any more.
    image.abandon();
    expect(read(begin(driver))).toEqual([]);
  });

  test("that was abandoned does not make the next one forget what the last finished one held", () => {
    const driver = imaged();
    remove(driver, "/a");
    const image = begin(driver);
    create(driver, "/a");
    image.abandon();
    remove(driver, "/a");
    expect(read(begin(driver))).toEqual([["/a", null]]);
  });
});

describe("a write of as many bytes as before", () => {
  test("changes no answer and no row that was given out", () => {
    const driver = imaged();
    const answer = driver.machine.read(ZnodeOp.get, "/a", READ);
    const image = driver.machine.beginChanges({ full: true });
    const row = [...image.next(2 ** 20)].find(({ key }) => new TextDecoder().decode(key) === "/a");
    image.abandon();
    if (row === undefined) throw new Error("/a is there");
    const before = [answer, row].map((given) => structuredClone(given));
    set(driver, "/a");
    expect([answer, row]).toEqual(before);
    expect(rowOfA(driver).value).not.toEqual(row.value);
  });

  test("does not reach the memory that a row or a transaction came in", () => {
    const from = imaged();
    const { key, value } = rowOfA(from);
    if (value === null) throw new Error("/a is there");
    // As from a frame: a Buffer amid others, whose slice is no copy.
    const frame = Buffer.concat([Buffer.alloc(8, 1), value, Buffer.alloc(8, 2)]);
    const before = frame.toString("hex");
    const to = new Driver();
    to.machine.restore([{ key, value: frame.subarray(8, -8) }]);
    set(to, "/a");
    expect(frame.toString("hex")).toBe(before);
    const content = Buffer.from(encodeSet({ data: bytes("one") }));
    const given = content.toString("hex");
    to.run(ZnodeOp.set, "/a", content);
    set(to, "/a");
    expect(content.toString("hex")).toBe(given);
  });
});

describe("pipelined requests", () => {
  test("a parent may be deleted behind its last child, and not before it", () => {
    const driver = imaged();
    create(driver, "/a/b");
    const removeLater = (path: string): unknown =>
      driver.prepare(ZnodeOp.delete, path, encodeDelete());
    expect(removeLater("/a")).toMatchObject({ code: "ERR_ZNODE_NOT_EMPTY" });
    expect(removeLater("/a/b")).toMatchObject({ ok: true });
    expect(removeLater("/a")).toMatchObject({ ok: true });
    expect(driver.machine.preparedCount).toBe(3);
    driver.applyAll();
    expect(driver.machine.nodeCount).toBe(4);
  });
});
