import { encodeCaller, makeTxnid, type StateListener } from "@quorate/protocol";
import { describe, expect, test } from "vitest";
import {
  CONTAINER_OWNER,
  createsOf,
  CreateMode,
  decodeAclResult,
  decodeGetResult,
  decodeImportedNode,
  encodeImport,
  encodeImportedNode,
  operationsOf,
  Perms,
  ttlOwner,
  withCaller,
  ZnodeMachine,
  ZnodeOp,
  type NodeImage,
} from "../src/index.js";
import { Asking, ONE, SUPER } from "./asking.js";
import { bytes, readBy, rowsOf } from "./harness.js";

const OLD = (counter: number) => makeTxnid(0, counter);

function image(path: string, more: Partial<NodeImage> = {}): NodeImage {
  return {
    path,
    data: bytes(`data of ${path}`),
    acl: [{ perms: Perms.all, scheme: "world", id: "anyone" }],
    czxid: OLD(3),
    mzxid: OLD(5),
    pzxid: OLD(7),
    ctime: 1_600_000_000_000,
    mtime: 1_600_000_000_123,
    version: 4,
    creates: 0,
    aversion: 2,
    owner: 0n,
    ...more,
  };
}

const ROOT = image("/", { data: bytes(""), creates: 3, czxid: OLD(0), mzxid: OLD(0) });

class Importing extends Asking {
  import(...images: NodeImage[]): Uint8Array | string {
    this.as(null, SUPER);
    const answer = this.run(ZnodeOp.importNodes, "", contentOf(...images));
    this.as(null);
    return answer;
  }
}

function contentOf(...images: NodeImage[]): Uint8Array {
  return encodeImport(images.map(encodeImportedNode));
}

const added = (count: number): Uint8Array => new Uint8Array([0, 0, 0, count]);

describe("an import", () => {
  test("keeps all that the other ensemble knew of a node", () => {
    const driver = new Importing();
    const acl = [{ perms: Perms.read, scheme: "digest", id: "bob:hash" }];
    expect(driver.import(ROOT, image("/a", { creates: 9, acl }), image("/a/b"))).toEqual(added(3));
    expect(driver.stat("/a")).toEqual({
      czxid: OLD(3),
      mzxid: OLD(5),
      pzxid: OLD(7),
      ctime: 1_600_000_000_000,
      mtime: 1_600_000_000_123,
      version: 4,
      cversion: 17,
      aversion: 2,
      ephemeralOwner: 0n,
      dataLength: 10,
      numChildren: 1,
    });
    const read = driver.machine.read(ZnodeOp.getAcl, "/a", readBy(null, SUPER));
    expect(read.ok && decodeAclResult(read.content).acl).toEqual(acl);
    const got = driver.machine.read(ZnodeOp.get, "/a/b", readBy(null));
    expect(got.ok && decodeGetResult(got.content).data).toEqual(bytes("data of /a/b"));
    expect(driver.stat("/").cversion).toBe(2 * 3 - 2);
    expect(driver.machine.preparedCount).toBe(0);
  });

  test("lets sequential names go on where they were", () => {
    const driver = new Importing();
    driver.import(ROOT, image("/queue", { creates: 41 }));
    const path = driver.made("/queue/n-", { mode: CreateMode.persistentSequential });
    expect(path).toBe("/queue/n-0000000041");
  });

  test("keeps containers and times to live, which end as before", () => {
    const driver = new Importing();
    const wait = image("/wait", { owner: ttlOwner(1000), mtime: 50_000 });
    const box = image("/box", { owner: CONTAINER_OWNER, creates: 1 });
    driver.import(ROOT, wait, box);
    expect(driver.machine.expiredNodes(50_500, 10)).toEqual(["/box"]);
    expect([...driver.machine.expiredNodes(51_001, 10)].sort()).toEqual(["/box", "/wait"]);
  });

  test("may be sent again, also in part", () => {
    const driver = new Importing();
    driver.import(ROOT, image("/a"));
    const digest = driver.machine.digest();
    expect(driver.import(ROOT, image("/a"))).toEqual(added(0));
    expect(driver.machine.digest()).toBe(digest);
    expect(driver.import(ROOT, image("/a"), image("/b"))).toEqual(added(1));
    expect(driver.import(ROOT, image("/a"), image("/b"), image("/a/c"))).toEqual(added(1));
  });

  test("overwrites nothing", () => {
    const driver = new Importing();
    driver.create("/own");
    expect(driver.import(ROOT)).toBe("ERR_ZNODE_IMPORT_CONFLICT");
    expect(driver.import(image("/own"))).toBe("ERR_ZNODE_IMPORT_CONFLICT");
    const other = new Importing();
    other.import(ROOT, image("/a"));
    expect(other.import(image("/a", { data: bytes("another") }))).toBe("ERR_ZNODE_IMPORT_CONFLICT");
    expect(other.import(image("/a", { version: 5 }))).toBe("ERR_ZNODE_IMPORT_CONFLICT");
    // Whoever writes to what was imported ends the import.
    other.create("/new");
    expect(other.import(ROOT)).toBe("ERR_ZNODE_IMPORT_CONFLICT");
    expect(other.import({ ...ROOT, creates: 4 })).toBe("ERR_ZNODE_IMPORT_CONFLICT");
  });

  test("is refused as a whole", () => {
    const driver = new Importing();
    const digest = driver.machine.digest();
    const orphan = driver.import(ROOT, image("/a"), image("/no/parent"));
    expect(orphan).toBe("ERR_ZNODE_NO_NODE");
    expect(driver.machine.digest()).toBe(digest);
    expect(driver.machine.preparedCount).toBe(0);
  });

  test("is the operator's alone", () => {
    const driver = new Importing();
    const answer = driver.run(ZnodeOp.importNodes, "", contentOf(ROOT));
    expect(answer).toBe("ERR_ZNODE_NO_AUTH");
  });

  test("takes nothing of this term or a later one", () => {
    const driver = new Importing();
    for (const field of ["czxid", "mzxid", "pzxid"] as const) {
      const late = image("/late", { [field]: makeTxnid(1, 0) });
      expect(driver.import(ROOT, late)).toBe("ERR_ZNODE_IMPORT_EPOCH");
    }
  });

  test("takes no ephemeral, nothing reserved and no node without its form", () => {
    const driver = new Importing();
    const bad = "ERR_ZNODE_BAD_ARGUMENTS";
    expect(driver.import(ROOT, image("/mine", { owner: ONE }))).toBe(bad);
    expect(driver.import(ROOT, image("/zookeeper/config"))).toBe(bad);
    expect(driver.import(ROOT, image("/late", { mtime: 9e15 }))).toBe(bad);
    expect(driver.import(ROOT, image("/a/"))).toBe("ERR_ARG_PATH");
    const whole = withCaller(encodeCaller({ session: null, identities: [SUPER] }), contentOf(ROOT));
    const context = { txnid: makeTxnid(1, 1), wallTimeMs: 0 };
    for (let end = 0; end < whole.length; end += 1) {
      const cut = driver.machine.prepare(ZnodeOp.importNodes, "", whole.subarray(0, end), context);
      expect(cut.ok).toBe(false);
    }
  });

  test("that is not committed yet is refused for now", () => {
    const driver = new Importing();
    driver.as(null, SUPER);
    driver.prepare(ZnodeOp.importNodes, "", contentOf(ROOT, image("/a")));
    const again = driver.prepare(ZnodeOp.importNodes, "", contentOf(ROOT));
    expect(again.ok ? "" : again.code).toBe("ERR_SERVER_BUSY");
    // What hangs below it needs not wait.
    expect(driver.prepare(ZnodeOp.importNodes, "", contentOf(image("/a/b"))).ok).toBe(true);
    driver.applyAll();
    expect(driver.stat("/a").numChildren).toBe(1);
  });

  test("counts for quotas, whichever comes first", () => {
    const quota = [
      image("/zookeeper/quota/a", { data: bytes("") }),
      image("/zookeeper/quota/a/zookeeper_limits", { data: bytes("count=9,bytes=-1") }),
      image("/zookeeper/quota/a/zookeeper_stats", { data: bytes("count=77,bytes=77") }),
    ];
    const nodes = [image("/a", { data: bytes("12") }), image("/a/b", { data: bytes("345") })];
    for (const order of [
      [ROOT, ...nodes, ...quota],
      [ROOT, ...quota, ...nodes],
    ]) {
      const driver = new Importing();
      expect(driver.import(...order)).toEqual(added(6));
      const path = "/zookeeper/quota/a/zookeeper_stats";
      const read = driver.machine.read(ZnodeOp.get, path, readBy(null));
      expect(read.ok && new TextDecoder().decode(decodeGetResult(read.content).data)).toBe(
        "count=2,bytes=5",
      );
      // The stats differ from the source's; they are the same node all the same.
      expect(driver.import(...order)).toEqual(added(0));
    }
  });

  test("is told to listeners and followers of the log as other writes are", () => {
    const driver = new Importing();
    const heard: string[] = [];
    const listener: StateListener = {
      onNodeChange: (kind, path) => void heard.push(`${kind} ${path}`),
      onSessionCreated: () => undefined,
      onSessionClosed: () => undefined,
    };
    driver.machine.attach(listener);
    driver.import(ROOT, image("/a", { data: bytes("x") }));
    expect(heard).toEqual(["dataChanged /", "created /a", "childrenChanged /"]);
    const [entry] = driver.applied;
    if (entry === undefined) throw new Error("it was applied");
    const timeMs = 1_600_000_000_123;
    expect(operationsOf(entry)).toEqual([
      { kind: "set", path: "/", data: bytes(""), version: 4, timeMs },
      { kind: "create", path: "/a", data: bytes("x"), timeMs },
    ]);
  });

  test("is in the next checkpoint, and restores to the same digest", () => {
    const driver = new Importing();
    rowsOf(driver.machine.beginChanges({ full: true }));
    driver.import(ROOT, image("/a", { creates: 2 }), image("/a/b", { owner: ttlOwner(5) }));
    const keys = rowsOf(driver.machine.beginChanges({ full: false }));
    expect(keys.map(({ key }) => new TextDecoder().decode(key)).sort()).toEqual([
      "/",
      "/a",
      "/a/b",
    ]);
    const restored = new ZnodeMachine();
    restored.reset();
    restored.restore(rowsOf(driver.machine.beginChanges({ full: true })));
    expect(restored.digest()).toBe(driver.machine.digest());
    const replayed = new ZnodeMachine();
    for (const entry of driver.applied) replayed.apply(entry);
    expect(replayed.digest()).toBe(driver.machine.digest());
  });
});

test("a packed node is read back as it was, and nothing else as one", () => {
  const whole = image("/a", {
    acl: [{ perms: Perms.read, scheme: "digest", id: "bob:hash" }],
    owner: ttlOwner(7),
    creates: 9,
  });
  const packed = encodeImportedNode(whole);
  const { data, ...rest } = decodeImportedNode(packed);
  expect({ ...rest, data: new Uint8Array(data) }).toEqual(whole);
  for (let end = 0; end < packed.length; end += 1) {
    expect(() => decodeImportedNode(packed.subarray(0, end))).toThrow("malformed");
  }
});

test("creates follow from what ZooKeeper shows, also when that has wrapped", () => {
  expect(createsOf({ cversion: 0, numChildren: 0 })).toBe(0);
  expect(createsOf({ cversion: 4, numChildren: 2 })).toBe(3);
  for (const [creates, numChildren] of [
    [2 ** 30, 7],
    [2 ** 31 - 1, 0],
    [1_500_000_000, 1000],
  ] as const) {
    const cversion = (Math.imul(creates, 2) - numChildren) | 0;
    expect(createsOf({ cversion, numChildren })).toBe(creates);
  }
});
