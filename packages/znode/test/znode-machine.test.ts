import { makeTxnid } from "@quorate/protocol";
import { describe, expect, test } from "vitest";
import {
  decodeChildren,
  decodeCreateResult,
  decodeGetResult,
  decodeStat,
  encodeCreate,
  encodeDelete,
  encodeSet,
  ZNODE_DATA_BYTES_MAX,
  ZnodeOp,
  type Stat,
} from "../src/index.js";
import { bytes, Driver, T0_MS, READ } from "./harness.js";

function create(driver: Driver, path: string, data = ""): Uint8Array | string {
  return driver.run(ZnodeOp.create, path, encodeCreate({ data: bytes(data) }));
}

function set(driver: Driver, path: string, version = -1, data = ""): Uint8Array | string {
  return driver.run(ZnodeOp.set, path, encodeSet({ data: bytes(data), version }));
}

function remove(driver: Driver, path: string, version = -1): Uint8Array | string {
  return driver.run(ZnodeOp.delete, path, encodeDelete({ version }));
}

function contentOf(driver: Driver, op: number, path: string): Uint8Array {
  const result = driver.machine.read(op, path, READ);
  if (!result.ok) throw new Error(result.code);
  return result.content;
}

function statOf(driver: Driver, path: string): Stat {
  return decodeStat(contentOf(driver, ZnodeOp.exists, path));
}

describe("a new tree", () => {
  test("holds the nodes that ZooKeeper's holds, with its Stat", () => {
    const driver = new Driver();
    expect(decodeChildren(contentOf(driver, ZnodeOp.children, "/")).children).toEqual([
      "zookeeper",
    ]);
    expect(decodeChildren(contentOf(driver, ZnodeOp.children, "/zookeeper")).children).toEqual([
      "config",
      "quota",
    ]);
    expect(statOf(driver, "/")).toMatchObject({ cversion: -1, numChildren: 1, czxid: 0n });
    expect(statOf(driver, "/zookeeper")).toMatchObject({ cversion: -2, numChildren: 2 });
  });
});

describe("create", () => {
  test("answers path and Stat, and a get returns the data", () => {
    const driver = new Driver();
    const answer = create(driver, "/a", "hello");
    if (typeof answer === "string") throw new Error(answer);
    const txnid = makeTxnid(1, 1);
    const stat = {
      czxid: txnid,
      mzxid: txnid,
      pzxid: txnid,
      ctime: T0_MS,
      mtime: T0_MS,
      version: 0,
      cversion: 0,
      aversion: 0,
      ephemeralOwner: 0n,
      dataLength: 5,
      numChildren: 0,
    };
    expect(decodeCreateResult(answer)).toEqual({ path: "/a", stat });
    const got = decodeGetResult(contentOf(driver, ZnodeOp.get, "/a"));
    expect(new TextDecoder().decode(got.data)).toBe("hello");
    expect(got.stat).toEqual(stat);
  });

  test("is refused for a missing parent, an existing node and the root", () => {
    const driver = new Driver();
    create(driver, "/a");
    expect(create(driver, "/b/c")).toBe("ERR_ZNODE_NO_NODE");
    expect(create(driver, "/a")).toBe("ERR_ZNODE_NODE_EXISTS");
    expect(create(driver, "/")).toBe("ERR_ZNODE_NODE_EXISTS");
    expect(create(driver, "/zookeeper")).toBe("ERR_ZNODE_NODE_EXISTS");
    expect(create(driver, "/zookeeper/config/x")).toBe("ERR_ZNODE_NO_AUTH");
  });

  test("counts creates and deletes in the parent's cversion and moves its pzxid", () => {
    const driver = new Driver();
    create(driver, "/p");
    create(driver, "/p/a");
    expect(statOf(driver, "/p")).toMatchObject({ cversion: 1, numChildren: 1 });
    create(driver, "/p/b");
    remove(driver, "/p/a");
    expect(statOf(driver, "/p")).toMatchObject({
      cversion: 3,
      numChildren: 1,
      pzxid: makeTxnid(1, 4),
      mzxid: makeTxnid(1, 1),
      version: 0,
    });
    set(driver, "/p/b");
    expect(statOf(driver, "/p").pzxid).toBe(makeTxnid(1, 4));
  });

  test("takes data up to its bound and no more", () => {
    const driver = new Driver();
    const full = new Uint8Array(ZNODE_DATA_BYTES_MAX);
    const over = new Uint8Array(ZNODE_DATA_BYTES_MAX + 1);
    const run = (op: number, content: Uint8Array): unknown => driver.run(op, "/a", content);
    expect(run(ZnodeOp.create, encodeCreate({ data: over }))).toBe("ERR_ARG_TOO_LARGE");
    expect(run(ZnodeOp.create, encodeCreate({ data: full }))).toBeInstanceOf(Uint8Array);
    expect(run(ZnodeOp.set, encodeSet({ data: over }))).toBe("ERR_ARG_TOO_LARGE");
    expect(statOf(driver, "/a").dataLength).toBe(ZNODE_DATA_BYTES_MAX);
  });
});

describe("set", () => {
  test("checks the version, -1 being any, and answers the new Stat", () => {
    const driver = new Driver();
    create(driver, "/a");
    expect(set(driver, "/a", 1)).toBe("ERR_ZNODE_BAD_VERSION");
    const answer = set(driver, "/a", 0, "xyz");
    if (typeof answer === "string") throw new Error(answer);
    expect(decodeStat(answer)).toMatchObject({
      version: 1,
      mzxid: makeTxnid(1, 2),
      czxid: makeTxnid(1, 1),
      mtime: T0_MS + 1,
      ctime: T0_MS,
      dataLength: 3,
    });
    set(driver, "/a", -1);
    expect(statOf(driver, "/a").version).toBe(2);
    expect(set(driver, "/b")).toBe("ERR_ZNODE_NO_NODE");
    expect(set(driver, "/zookeeper/config")).toBe("ERR_ZNODE_NO_AUTH");
    expect(set(driver, "/")).toBeInstanceOf(Uint8Array);
  });
});

describe("delete", () => {
  test("is refused for wrong versions, parents and what every tree has", () => {
    const driver = new Driver();
    create(driver, "/p");
    create(driver, "/p/a");
    expect(remove(driver, "/p", 7)).toBe("ERR_ZNODE_BAD_VERSION");
    expect(remove(driver, "/p")).toBe("ERR_ZNODE_NOT_EMPTY");
    for (const path of ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"]) {
      expect(remove(driver, path)).toBe("ERR_ZNODE_BAD_ARGUMENTS");
    }
    expect(remove(driver, "/p/a", 0)).toHaveLength(0);
    expect(remove(driver, "/p/a")).toBe("ERR_ZNODE_NO_NODE");
    expect(driver.machine.read(ZnodeOp.get, "/p/a", READ)).toMatchObject({
      code: "ERR_ZNODE_NO_NODE",
    });
  });
});
