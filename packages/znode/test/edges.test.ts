import { KEY_BYTES_MAX } from "@quorate/protocol";
import { describe, expect, test } from "vitest";
import {
  checkPath,
  decodeChildren,
  decodeStat,
  encodeCreate,
  encodeSet,
  ZnodeMachine,
  ZnodeOp,
} from "../src/index.js";
import { bytes, Driver, READ } from "./harness.js";

const NOTHING = new Uint8Array(0);
const EMPTY = encodeCreate({ data: bytes("") });

function statOf(machine: ZnodeMachine, path: string): ReturnType<typeof decodeStat> {
  const result = machine.read(ZnodeOp.exists, path, READ);
  if (!result.ok) throw new Error(result.code);
  return decodeStat(result.content);
}

/** A machine whose node /a has these counters. */
function withCounters(version: number, creates: number): Driver {
  const value = new Uint8Array(64);
  const view = new DataView(value.buffer);
  view.setUint8(0, 1);
  view.setInt32(44, version);
  view.setInt32(48, creates);
  const machine = new ZnodeMachine();
  machine.restore([{ key: bytes("/a"), value }]);
  return new Driver(machine);
}

describe("paths", () => {
  const refused = [
    "",
    "a",
    "//",
    "/a/",
    "/a//b",
    "/.",
    "/..",
    "/a/../b",
    "/a/./b",
    "/a\u0000",
    "/\u001f",
    "/\u007f",
    "/\u009f",
    "/\ud800",
    "/\u{1f600}",
    "/\uf8ff",
    "/\ufff0",
    "/\uffff",
  ];
  for (const path of refused) {
    test(`${JSON.stringify(path)} is refused`, () => {
      expect(checkPath(path)?.code).toBe("ERR_ARG_PATH");
    });
  }

  test("the characters beside the forbidden ones are allowed", () => {
    const allowed = ["/", "/a", "/...", "/.a", "/a.", "/ ", "/~", "/\u00a0", "/\ud7ff", "/\uf900"];
    for (const path of [...allowed, "/\uffef", "/\ufeffa"]) expect(checkPath(path)).toBeNull();
  });

  test("the bound counts bytes of UTF-8", () => {
    expect(checkPath(`/${"a".repeat(KEY_BYTES_MAX - 1)}`)).toBeNull();
    expect(checkPath(`/${"a".repeat(KEY_BYTES_MAX)}`)?.code).toBe("ERR_ARG_TOO_LARGE");
    expect(checkPath(`/a${"ü".repeat(KEY_BYTES_MAX / 2 - 1)}`)).toBeNull();
    expect(checkPath(`/aa${"ü".repeat(KEY_BYTES_MAX / 2 - 1)}`)?.code).toBe("ERR_ARG_TOO_LARGE");
  });
});

describe("int32 counters", () => {
  test("a version wraps to the least int32", () => {
    const driver = withCounters(2 ** 31 - 1, 0);
    driver.run(ZnodeOp.set, "/a", encodeSet({ data: bytes(""), version: 2 ** 31 - 1 }));
    expect(statOf(driver.machine, "/a").version).toBe(-(2 ** 31));
  });

  test("creates wrap, and cversion follows as ZooKeeper computes it", () => {
    const driver = withCounters(0, 2 ** 31 - 1);
    expect(statOf(driver.machine, "/a").cversion).toBe(-2);
    driver.run(ZnodeOp.create, "/a/b", EMPTY);
    // 2 x -2^31 is 0 in int32, less one child.
    expect(statOf(driver.machine, "/a").cversion).toBe(-1);
  });
});

describe("refusals of what is not supported", () => {
  test("unreadable creates and unknown operations", () => {
    const driver = new Driver();
    expect(driver.run(ZnodeOp.create, "/a", new Uint8Array([1]))).toBe("ERR_ZNODE_BAD_ARGUMENTS");
    expect(driver.run(ZnodeOp.create, "/a", NOTHING)).toBe("ERR_ZNODE_BAD_ARGUMENTS");
    expect(driver.run(ZnodeOp.get, "/", NOTHING)).toBe("ERR_ZNODE_UNIMPLEMENTED");
    expect(driver.machine.read(ZnodeOp.create, "/", READ).ok).toBe(false);
    expect(driver.machine.read(ZnodeOp.get, "/", new Uint8Array(1)).ok).toBe(false);
  });
});

describe("broadcast", () => {
  test("passes its content on unchanged, and leaves tree, digest and images alone", () => {
    const driver = new Driver();
    const digest = driver.machine.digest();
    const prepared = driver.prepare(ZnodeOp.broadcast, "any topic", bytes("news"));
    expect(prepared).toMatchObject({ ok: true, key: "any topic", content: bytes("news") });
    expect(driver.applyNext()).toHaveLength(0);
    expect(driver.machine.digest()).toBe(digest);
    expect(driver.machine.beginChanges({ full: false }).next(1)).toHaveLength(0);
    expect(driver.run(ZnodeOp.broadcast, "\ud800", NOTHING)).toBe("ERR_ARG_VALUE");
  });
});

describe("children", () => {
  test("come sorted, and not at all when the list exceeds its bound", () => {
    const driver = new Driver();
    const long = "n".repeat(60_000);
    for (const digit of [..."9876543210"]) driver.run(ZnodeOp.create, `/${digit}${long}`, EMPTY);
    const few = driver.machine.read(ZnodeOp.children, "/", READ);
    if (!few.ok) throw new Error(few.code);
    const { children } = decodeChildren(few.content);
    expect(children.map((name) => name[0]).join("")).toBe("0123456789z");
    for (let i = 10; i < 145; i += 1) driver.run(ZnodeOp.create, `/${i}${long}`, EMPTY);
    expect(driver.machine.read(ZnodeOp.children, "/", READ)).toMatchObject({
      code: "ERR_ARG_TOO_LARGE",
    });
  });
});

describe("digest", () => {
  test("is the same whether nodes were hashed when many waited or all at the end", () => {
    const driver = new Driver();
    const content = encodeCreate({ data: new Uint8Array(2000) });
    driver.run(ZnodeOp.create, "/p", EMPTY);
    for (let i = 0; i < 5000; i += 1) driver.run(ZnodeOp.create, `/p/${i}`, content);
    const set = encodeSet({ data: new Uint8Array(3000).fill(8) });
    for (let i = 0; i < 3000; i += 1) driver.run(ZnodeOp.set, `/p/${i % 7}`, set);
    for (let i = 100; i < 5000; i += 1) {
      driver.run(ZnodeOp.delete, `/p/${i}`, encodeSet({ data: bytes("") }));
    }
    const copy = new ZnodeMachine();
    copy.restore(driver.machine.beginChanges({ full: true }).next(2 ** 30));
    expect(copy.nodeCount).toBe(105);
    expect(driver.machine.digest()).toBe(copy.digest());
  });
});

describe("changes and reset", () => {
  test("what is created and deleted between two images leaves no row", () => {
    const driver = new Driver();
    driver.run(ZnodeOp.create, "/lock", EMPTY);
    driver.run(ZnodeOp.delete, "/lock", encodeSet({ data: bytes("") }));
    const rows = driver.machine.beginChanges({ full: false }).next(2 ** 20);
    expect([...rows].map((row) => new TextDecoder().decode(row.key))).toEqual(["/"]);
  });

  test("slices keep to their size", () => {
    const driver = new Driver();
    const content = encodeCreate({ data: new Uint8Array(1000) });
    for (let i = 0; i < 50; i += 1) driver.run(ZnodeOp.create, `/${i}`, content);
    const image = driver.machine.beginChanges({ full: true });
    let count = 0;
    for (let rows = image.next(5000); rows.length > 0; rows = image.next(5000)) {
      expect(rows.length).toBeLessThanOrEqual(9);
      count += rows.length;
    }
    expect(count).toBe(54);
  });

  test("reset is the empty state again, and an image begun before it cannot be finished", () => {
    const driver = new Driver();
    driver.run(ZnodeOp.create, "/a", EMPTY);
    driver.prepare(ZnodeOp.create, "/a/b", EMPTY);
    const image = driver.machine.beginChanges({ full: true });
    expect(() => driver.machine.beginChanges({ full: true })).toThrow(/invariant/);
    driver.machine.reset();
    expect(() => image.next(1)).toThrow(/invariant/);
    image.abandon();
    expect(driver.machine.digest()).toBe(new ZnodeMachine().digest());
    expect(driver.machine.nodeCount).toBe(4);
    expect(driver.machine.preparedCount).toBe(0);
    expect(driver.machine.beginChanges({ full: false }).next(1)).toHaveLength(0);
  });
});
