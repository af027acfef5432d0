import { describe, expect, test } from "vitest";
import type { ErrorCode } from "@quorate/protocol";
import { ZkOp } from "../src/jute/op-codes.js";
import { zkErrorOf } from "../src/zk-errors.js";
import { create, Harness, OPEN, type RawClient } from "./support/harness.js";

const acl = OPEN;
const read = (path: string | null): unknown => ({ path, watch: false });
const versioned = (path: string | null, version = -1): unknown => ({ path, version });
const set = (path: string | null, version = -1): unknown => ({ path, version, data: null });
const multi = (type: number, request: unknown): unknown => [{ type, request }];
const NO_BYTES = new Uint8Array(0);

/**
 * What a ZooKeeper says to odd requests: asked of a 3.8 and, where it differs, read from 3.9.5.
 * In brackets where that is so.
 */
const odd: readonly (readonly [string, number, unknown, number])[] = [
  ["exists of null", ZkOp.exists, read(null), -5],
  ["exists of a relative path", ZkOp.exists, read("foo"), -101],
  ["exists of a NUL", ZkOp.exists, read("/a\0"), -8],
  ["exists of a / at the end", ZkOp.exists, read("/zookeeper/"), -101],
  ["getData of null", ZkOp.getData, read(null), -5],
  ["getData of a relative path", ZkOp.getData, read("foo"), -101],
  ["getChildren of null", ZkOp.getChildren, read(null), -5],
  ["getChildren2 of none", ZkOp.getChildren2, read("/none"), -101],
  ["getACL of null", ZkOp.getAcl, { path: null }, -5],
  ["getACL of none", ZkOp.getAcl, { path: "/none" }, -101],
  ["getAllChildrenNumber of null", ZkOp.getAllChildrenNumber, { path: null }, -5],
  ["getAllChildrenNumber of none", ZkOp.getAllChildrenNumber, { path: "/none" }, -101],
  ["setACL of null", ZkOp.setAcl, { path: null, acl, version: -1 }, -8],
  ["setACL of none", ZkOp.setAcl, { path: "/none", acl, version: -1 }, -101],
  ["setACL of no entries", ZkOp.setAcl, { path: "/", acl: [], version: -1 }, -114],
  ["create with an unknown flag", ZkOp.create, create("/bf", { flags: 77 }), -8],
  ["create without an ACL", ZkOp.create, create("/bf", { acl: [] }), -114],
  ["create with a null ACL", ZkOp.create, create("/bf", { acl: null }), -114],
  [
    "create with an unknown scheme",
    ZkOp.create,
    create("/bf", { acl: [{ perms: 31, id: { scheme: "x", id: "y" } }] }),
    -114,
  ],
  [
    "create with a null scheme",
    ZkOp.create,
    create("/bf", { acl: [{ perms: 31, id: { scheme: null, id: "y" } }] }),
    -114,
  ],
  ["create of a relative path", ZkOp.create, create("bf"), -8],
  ["create of null", ZkOp.create, create(null), -5],
  ["a null path in a multi", ZkOp.multi, multi(ZkOp.check, versioned(null)), -5],
  ["create of what is there", ZkOp.create, create("/zookeeper"), -110],
  ["create without a parent", ZkOp.create, create("/none/x"), -101],
  ["create with a TTL's flag", ZkOp.create, create("/t", { flags: 5 }), -8],
  ["create2 with a TTL's flag", ZkOp.create2, create("/t", { flags: 5 }), -8],
  ["createTTL with a plain flag", ZkOp.createTtl, create("/t", { flags: 0, ttl: 5n }), -8],
  ["createTTL with a negative TTL", ZkOp.createTtl, create("/t", { flags: 5, ttl: -5n }), -8],
  ["createTTL beyond 40 bits", ZkOp.createTtl, create("/t", { flags: 5, ttl: 1n << 40n }), -8],
  ["delete of null", ZkOp.delete, versioned(null), -5],
  ["delete of the root", ZkOp.delete, versioned("/"), -8],
  ["delete of a relative path", ZkOp.delete, versioned("foo"), -8],
  ["delete of a / at the end", ZkOp.delete, versioned("/zookeeper/"), -101],
  ["delete of a NUL", ZkOp.delete, versioned("/a\0"), -8],
  ["delete of slashes", ZkOp.delete, versioned("//"), -101],
  ["delete of /zookeeper", ZkOp.delete, versioned("/zookeeper"), -8],
  ["setData of null", ZkOp.setData, set(null), -8],
  ["setData of the root at a wrong version", ZkOp.setData, set("/", 77), -103],
  ["setData of a relative path", ZkOp.setData, set("foo"), -8],
  ["setData of the empty path", ZkOp.setData, set(""), -8],
  [
    "reconfig",
    ZkOp.reconfig,
    { joiningServers: "", leavingServers: "", newMembers: "", curConfigId: -1n },
    -123,
  ],
  ["addWatch with an unknown mode", ZkOp.addWatch, { path: "/", mode: 9 }, -5],
  ["addWatch of null", ZkOp.addWatch, { path: null, mode: 0 }, -5],
  ["checkWatches of an unknown type", ZkOp.checkWatches, { path: "/", type: 9 }, -5],
  ["checkWatches without one", ZkOp.checkWatches, { path: "/", type: 3 }, -121],
  ["removeWatches without one", ZkOp.removeWatches, { path: "/", type: 3 }, -121],
  ["removeWatches of null", ZkOp.removeWatches, { path: null, type: 3 }, -121],
  ["multi of reads", ZkOp.multi, multi(ZkOp.getData, read("/")), -5],
  ["multi with an unknown flag (3.9)", ZkOp.multi, multi(1, create("/q", { flags: 99 })), -5],
  ["multiRead of writes", ZkOp.multiRead, multi(ZkOp.check, versioned("/")), -5],
];

function expectAlive(client: RawClient): void {
  expect(client.channel.isClosed).toBe(false);
  expect(client.call(ZkOp.ping).err).toBe(0);
}

describe("odd requests are told what ZooKeeper tells, and the connection goes on", () => {
  const client = new Harness().client();
  test.each(odd)("%s", (_name, op, request, err) => {
    expect(client.call(op, request)).toMatchObject({ err, body: null });
    expectAlive(client);
  });

  test.each([
    ZkOp.create,
    ZkOp.delete,
    ZkOp.exists,
    ZkOp.getData,
    ZkOp.setAcl,
    ZkOp.multi,
    ZkOp.multiRead,
    ZkOp.setWatches,
    ZkOp.setWatches2,
    ZkOp.sync,
    ZkOp.addWatch,
    ZkOp.reconfig,
    ZkOp.getEphemerals,
  ])("a body that cannot be read, of operation %i", (op) => {
    client.postRaw(op, new Uint8Array([0, 0]));
    expect(client.reply()).toMatchObject({ err: -5 });
    expectAlive(client);
  });

  test("a reconfig has the number of its code", () => {
    const request = {
      joiningServers: null,
      leavingServers: "1",
      newMembers: null,
      curConfigId: -1n,
    };
    const { err } = client.call(ZkOp.reconfig, request);
    expect(err).toBe(zkErrorOf("ERR_ZNODE_RECONFIG_DISABLED"));
    expect(err).toBe(-123);
  });

  test("a multi that does not end, or has an unknown operation", () => {
    client.postRaw(ZkOp.multi, new Uint8Array([0, 0, 0, 13, 0, 0, 0, 0, 0]));
    expect(client.reply().err).toBe(-5);
    client.postRaw(ZkOp.multi, new Uint8Array([0, 0, 0, 77, 0, 255, 255, 255, 255]));
    expect(client.reply().err).toBe(-5);
    expectAlive(client);
  });

  test("a multi of more operations than there may be", () => {
    const check = { type: ZkOp.check, request: versioned("/") };
    const many = Array.from({ length: 10_001 }, () => check);
    expect(client.call(ZkOp.multi, many).err).toBe(-8);
    const reads = many.map(() => ({ type: ZkOp.getData, request: read("/") }));
    expect(client.call(ZkOp.multiRead, reads).err).toBe(-8);
    expectAlive(client);
  });

  test("a multiRead whose answer would be too long", () => {
    client.call(ZkOp.create, create("/big", { data: new Uint8Array(1_000_000) }));
    const one = { type: ZkOp.getData, request: read("/big") };
    expect(client.call(ZkOp.multiRead, [one, one]).err).toBe(0);
    expect(client.call(ZkOp.multiRead, [one, one, one, one, one]).err).toBe(-8);
    expectAlive(client);
  });
});

describe("what ends a connection", () => {
  test.each([
    ["an unknown operation", 77],
    ["a check outside of a multi", ZkOp.check],
    ["a notification", ZkOp.notification],
    ["an error", ZkOp.error],
    ["deleteContainer, which is the server's own", ZkOp.deleteContainer],
    ["createSession, which is the server's own", ZkOp.createSession],
  ])("%s, after -6 in its turn", (_name, op) => {
    const client = new Harness().client();
    client.post(ZkOp.create, create("/before"));
    client.postRaw(op, NO_BYTES);
    client.post(ZkOp.create, create("/behind"));
    const received = client.settled();
    expect(received).toMatchObject([
      { err: 0, body: { path: "/before" } },
      { err: -6, zxid: -1n },
    ]);
    expect(client.channel.isClosed).toBe(true);
  });

  test.each(["foo", "world", "sasl", "x509", null])("addauth of %s", (scheme) => {
    const harness = new Harness();
    const client = harness.client();
    client.post(ZkOp.auth, { type: 0, scheme, auth: new Uint8Array(1) }, -4);
    expect(client.settled()).toMatchObject([{ xid: -4, zxid: 0n, err: -115 }]);
    expect(client.channel.isClosed).toBe(true);
    expect(harness.frontEnd.stats.authFailed).toBe(1);
  });

  test("an identity too many", () => {
    const client = new Harness().client();
    const auth = (i: number): Uint8Array => new Uint8Array(Buffer.from(`u${i}:p`));
    for (let i = 0; i < 63; i += 1) {
      client.post(ZkOp.auth, { type: 0, scheme: "digest", auth: auth(i) }, -4);
    }
    expect(client.settled().every((one) => one.kind === "reply" && one.err === 0)).toBe(true);
    client.post(ZkOp.auth, { type: 0, scheme: "digest", auth: auth(64) }, -4);
    expect(client.settled()).toMatchObject([{ err: -115 }]);
  });

  test("a request before any authentication, where one is required", () => {
    const client = new Harness({ requiredSchemes: ["digest"] }).client();
    client.post(ZkOp.getData, read("/"));
    expect(client.settled()).toMatchObject([{ err: -124 }]);
    expect(client.channel.isClosed).toBe(true);
  });
});

describe("codes", () => {
  test.each<[ErrorCode, number]>([
    ["ERR_ZNODE_NO_NODE", -101],
    ["ERR_ZNODE_NO_AUTH", -102],
    ["ERR_ZNODE_BAD_VERSION", -103],
    ["ERR_ZNODE_NO_CHILDREN_FOR_EPHEMERALS", -108],
    ["ERR_ZNODE_NODE_EXISTS", -110],
    ["ERR_ZNODE_NOT_EMPTY", -111],
    ["ERR_SESSION_EXPIRED", -112],
    ["ERR_ZNODE_INVALID_ACL", -114],
    ["ERR_SESSION_READ_ONLY", -119],
    ["ERR_ZNODE_QUOTA_EXCEEDED", -125],
    ["ERR_SESSION_THROTTLED", -127],
    ["ERR_SERVER_BUSY", -127],
    ["ERR_ZNODE_TOO_MANY_EPHEMERALS", -8],
    ["ERR_ARG_TOO_LARGE", -8],
    ["ERR_ZNODE_INCONSISTENT", -2],
    ["ERR_ZNODE_UNIMPLEMENTED", -6],
    ["ERR_PROTOCOL_DECODE", -5],
  ])("%s is told as %i", (code, err) => {
    const harness = new Harness();
    const client = harness.client();
    harness.service.failNext(code);
    expect(client.call(ZkOp.setData, set("/")).err).toBe(err);
    expectAlive(client);
  });

  test.each<ErrorCode>([
    "ERR_CLIENT_OUTCOME_UNKNOWN",
    "ERR_SESSION_MOVED",
    "ERR_SERVER_NOT_READY",
    "ERR_SERVER_CLOSED",
    "ERR_STORE_IO",
  ])("%s closes the connection without a word", (code) => {
    const harness = new Harness();
    const client = harness.client();
    harness.service.failNext(code);
    client.post(ZkOp.setData, set("/"));
    expect(client.settled()).toEqual([]);
    expect(client.channel.isClosed).toBe(true);
  });

  test("the outcome of a multi is told in its header when it is of no operation", () => {
    const harness = new Harness();
    const client = harness.client();
    harness.service.failNext("ERR_SERVER_BUSY");
    expect(client.call(ZkOp.multi, multi(ZkOp.check, versioned("/"))).err).toBe(-127);
    expect(zkErrorOf("ERR_CLIENT_OUTCOME_UNKNOWN")).toBe(null);
  });
});
