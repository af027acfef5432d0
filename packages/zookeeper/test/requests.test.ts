import { describe, expect, test } from "vitest";
import type { Stat } from "@quorate/znode";
import { ZkOp } from "../src/jute/op-codes.js";
import { bytes, create, Harness, OPEN, type Reply } from "./support/harness.js";

function pathOf(reply: Reply): string | null {
  return (reply.body as { path: string | null }).path;
}

function statOf(reply: Reply): Stat {
  return (reply.body as { stat: Stat }).stat;
}

describe("requests and their replies", () => {
  test("create, set, get, exists, children and delete, with their Stats and zxids", () => {
    const client = new Harness().client();
    const created = client.call(ZkOp.create, create("/a", { data: bytes("one") }));
    expect(created).toMatchObject({ xid: 1, err: 0, body: { path: "/a" } });
    const second = client.call(ZkOp.create2, create("/a/b"));
    expect(pathOf(second)).toBe("/a/b");
    expect(statOf(second).czxid).toBe(second.zxid);
    expect(second.zxid).toBe(created.zxid + 1n);

    const set = client.call(ZkOp.setData, { path: "/a", data: bytes("two!"), version: 0 });
    expect(statOf(set)).toMatchObject({ version: 1, mzxid: set.zxid, dataLength: 4 });
    const got = client.call(ZkOp.getData, { path: "/a", watch: false });
    expect(Buffer.from((got.body as { data: Uint8Array }).data).toString()).toBe("two!");
    expect(statOf(got)).toEqual({ ...statOf(set), numChildren: 1 });
    expect(statOf(client.call(ZkOp.exists, { path: "/a", watch: false }))).toEqual(statOf(got));
    expect(statOf(client.call(ZkOp.exists, { path: "", watch: false })).numChildren).toBe(2);

    client.call(ZkOp.create, create("/a/ü"));
    const children = { children: ["b", "ü"] };
    expect(client.call(ZkOp.getChildren, { path: "/a", watch: false }).body).toEqual(children);
    expect(client.call(ZkOp.getChildren2, { path: "/a", watch: false }).body).toMatchObject(
      children,
    );
    const count = client.call(ZkOp.getAllChildrenNumber, { path: "/" });
    expect((count.body as { totalNumber: number }).totalNumber).toBeGreaterThanOrEqual(3);
    expect(client.call(ZkOp.delete, { path: "/a/b", version: 0 })).toMatchObject({ err: 0 });
    expect(client.call(ZkOp.exists, { path: "/a/b", watch: false })).toMatchObject({ err: -101 });
  });

  test("every create mode, by the operation that carries it", () => {
    const client = new Harness().client();
    const sequential = client.call(ZkOp.create, create("/s-", { flags: 2 }));
    expect(pathOf(sequential)).toMatch(/^\/s-\d{10}$/);
    const ephemeral = client.call(ZkOp.create2, create("/e", { flags: 1 }));
    expect(BigInt.asUintN(64, statOf(ephemeral).ephemeralOwner)).toBe(client.session);
    expect(pathOf(client.call(ZkOp.create, create("/es-", { flags: 3 })))).toMatch(/^\/es-\d{10}$/);
    const container = client.call(ZkOp.createContainer, create("/c", { flags: 4 }));
    // What tells these two apart is shown to no client, as in ZooKeeper.
    expect(statOf(container).ephemeralOwner).toBe(0n);
    const ttl = client.call(ZkOp.createTtl, create("/t", { flags: 5, ttl: 60_000n }));
    expect(statOf(ttl).ephemeralOwner).toBe(0n);
    const seen = client.call(ZkOp.exists, { path: "/c", watch: false });
    expect(statOf(seen).ephemeralOwner).toBe(0n);
    // The flags decide, whatever operation carries them: as in ZooKeeper.
    const plain = client.call(ZkOp.createContainer, create("/p", { flags: 0 }));
    expect(statOf(plain).ephemeralOwner).toBe(0n);
    expect(client.call(ZkOp.getEphemerals, { path: "/" }).body).toMatchObject({
      ephemerals: expect.arrayContaining(["/e"]),
    });
    expect(client.call(ZkOp.getEphemerals, { path: "/x" }).body).toEqual({ ephemerals: [] });
    expect(client.call(ZkOp.getEphemerals, { path: null }).err).toBe(0);
  });

  test("sync gives its path back, whatever it is; a ping is answered under its own number", () => {
    const client = new Harness().client();
    expect(pathOf(client.call(ZkOp.sync, { path: "foo" }))).toBe("foo");
    expect(pathOf(client.call(ZkOp.sync, { path: null }))).toBe(null);
    client.post(ZkOp.ping, null, 77);
    expect(client.reply()).toMatchObject({ xid: -2, err: 0 });
  });

  test("getACL, setACL and the masking of digests", () => {
    const harness = new Harness();
    const client = harness.client();
    client.post(ZkOp.auth, { type: 0, scheme: "digest", auth: bytes("u:p") }, -4);
    expect(client.reply()).toMatchObject({ xid: -4, zxid: 0n, err: 0 });
    const own = { perms: 31, id: { scheme: "digest", id: "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=" } };
    const all = [own, { perms: 1, id: { scheme: "world", id: "anyone" } }];
    client.call(ZkOp.create, create("/a", { acl: all }));
    expect(client.call(ZkOp.getAcl, { path: "/a" }).body).toMatchObject({ acl: all });
    const masked = harness.client().call(ZkOp.getAcl, { path: "/a" });
    expect(masked.body).toMatchObject({ acl: [{ id: { id: "u:x" } }, {}] });
    const set = client.call(ZkOp.setAcl, { path: "/a", acl: OPEN, version: 0 });
    expect(statOf(set).aversion).toBe(1);
    expect(client.call(ZkOp.getAcl, { path: "/a" }).body).toMatchObject({ acl: OPEN });
  });

  test("whoAmI names what the connection has proved, without hashes", () => {
    const client = new Harness({ superDigest: "super:xQJmxLMiHGwaqBvst5y6rkB6HQs=" }).client();
    client.post(ZkOp.auth, { type: 0, scheme: "digest", auth: bytes("super:admin") }, -4);
    client.reply();
    expect(client.call(ZkOp.whoAmI).body).toEqual({
      clientInfo: [
        { authScheme: "ip", user: "127.0.0.1" },
        { authScheme: "super", user: "" },
        { authScheme: "digest", user: "super" },
      ],
    });
  });

  test("a multi is all or nothing, and tells of each operation", () => {
    const client = new Harness().client();
    const check = (path: string, version: number): unknown => ({
      type: ZkOp.check,
      request: { path, version },
    });
    const done = client.call(ZkOp.multi, [
      { type: ZkOp.create, request: create("/m") },
      { type: ZkOp.create2, request: create("/m/2") },
      { type: ZkOp.createTtl, request: create("/m/t", { flags: 5, ttl: 5n }) },
      { type: ZkOp.setData, request: { path: "/m", data: bytes("x"), version: 0 } },
      check("/m", 1),
      { type: ZkOp.delete, request: { path: "/m/2", version: -1 } },
    ]);
    expect(done.body).toMatchObject([
      { type: 1, err: 0, value: { path: "/m" } },
      // As there since 3.9.0.
      { type: 15, value: { path: "/m/2", stat: { version: 0 } } },
      // As a create2, which is what Java's client can read.
      { type: 15, value: { path: "/m/t" } },
      { type: 5, value: { stat: { version: 1 } } },
      { type: 13, value: null },
      { type: 2, value: null },
    ]);
    const failed = client.call(ZkOp.multi, [check("/m", 1), check("/m", 9), check("/m", 1)]);
    const error = (err: number): unknown => ({ type: -1, err, value: { err } });
    expect(failed).toMatchObject({ err: 0, body: [error(0), error(-103), error(-2)] });
    expect(client.call(ZkOp.multi, []).body).toEqual([]);
    const relative = client.call(ZkOp.multi, [check("/m", 1), check("rel", -1)]);
    expect(relative.body).toMatchObject([error(0), error(-8)]);
    // Taken apart before it is looked at, unlike other paths that cannot be.
    const vain = (path: string): unknown => ({ type: ZkOp.delete, request: { path, version: 3 } });
    expect(client.call(ZkOp.multi, [vain("/a\0x")]).body).toMatchObject([error(-8)]);
    expect(client.call(ZkOp.multi, [vain("/a//x")]).body).toMatchObject([error(-101)]);
    const noTtl = [check("/m", 1), { type: ZkOp.create, request: create("/q", { flags: 5 }) }];
    expect(client.call(ZkOp.multi, noTtl)).toMatchObject({ err: -5, body: null });
  });

  test("within a multi a createTTL may have flags of any kind, which are judged in their turn", () => {
    const client = new Harness().client();
    const ttl = (path: string, flags: number): unknown => ({
      type: ZkOp.createTtl,
      request: create(path, { flags, ttl: 5n }),
    });
    expect(client.call(ZkOp.multi, [ttl("/t", 0), ttl("/c", 4)]).body).toMatchObject([
      { type: 1, value: { path: "/t" } },
      { type: 15, value: { path: "/c" } },
    ]);
    const error = (err: number): unknown => ({ type: -1, err, value: { err } });
    const unknown = client.call(ZkOp.multi, [ttl("/u", 5), ttl("/v", 9)]);
    expect(unknown).toMatchObject({ err: 0, body: [error(0), error(-8)] });
    const container = { type: ZkOp.createContainer, request: create("/p") };
    expect(client.call(ZkOp.multi, [container]).body).toMatchObject([{ type: 15 }]);
  });

  test("the empty path has one node more below it than the root, which is that one", () => {
    const client = new Harness().client();
    const count = (path: string): number => {
      const { body } = client.call(ZkOp.getAllChildrenNumber, { path });
      return (body as { totalNumber: number }).totalNumber;
    };
    expect(count("")).toBe(count("/") + 1);
    expect(count("/zookeeper")).toBe(2);
  });

  test("/zookeeper/config shows the members until somebody writes to it", () => {
    const ensembleText = "server.1=one:2888:3888:participant;one:2181\nversion=0";
    const superDigest = "super:xQJmxLMiHGwaqBvst5y6rkB6HQs=";
    const client = new Harness({ ensembleText, superDigest }).client();
    const path = "/zookeeper/config";
    const dataLength = ensembleText.length;
    const data = (): string => {
      const { body } = client.call(ZkOp.getData, { path, watch: false });
      const { stat } = body as { stat: Stat };
      const read = Buffer.from((body as { data: Uint8Array }).data).toString();
      expect(stat.dataLength).toBe(read.length);
      return read;
    };
    expect(data()).toBe(ensembleText);
    expect(statOf(client.call(ZkOp.exists, { path, watch: false })).dataLength).toBe(dataLength);
    const children = client.call(ZkOp.getChildren2, { path, watch: false });
    expect(children.body).toMatchObject({ children: [], stat: { dataLength } });
    expect(statOf(client.call(ZkOp.getAcl, { path })).dataLength).toBe(dataLength);
    const both = { type: ZkOp.getData, request: { path, watch: false } };
    const [read] = client.call(ZkOp.multiRead, [both]).body as [{ value: { data: Uint8Array } }];
    expect(Buffer.from(read.value.data).toString()).toBe(ensembleText);
    expect(client.call(ZkOp.getAllChildrenNumber, { path }).body).toEqual({ totalNumber: 0 });

    client.post(ZkOp.auth, { type: 0, scheme: "digest", auth: bytes("super:admin") }, -4);
    client.reply();
    client.call(ZkOp.setData, { path, data: bytes("other"), version: -1 });
    expect(data()).toBe("other");
  });

  test.each([
    ["exists", ZkOp.exists, { path: "/a", watch: true }],
    ["getData", ZkOp.getData, { path: "/a", watch: true }],
    ["getChildren", ZkOp.getChildren, { path: "/a", watch: false }],
    ["getAcl", ZkOp.getAcl, { path: "/a" }],
    ["getAllChildrenNumber", ZkOp.getAllChildrenNumber, { path: "/a" }],
    ["getEphemerals", ZkOp.getEphemerals, { path: "/a" }],
    ["multiRead", ZkOp.multiRead, [{ type: ZkOp.getData, request: { path: "/a", watch: false } }]],
  ])("%s of a state that is being loaded ends the connection", (_name, op, request) => {
    const harness = new Harness({ isReadOnlyEnabled: true });
    harness.client().call(ZkOp.create, create("/a"));
    harness.service.serve(false);
    const reader = harness.accept().connect({ readOnly: true });
    reader.received();
    harness.service.isLoading = true;
    reader.post(op, request);
    expect(reader.settled()).toEqual([]);
    expect(reader.channel.isClosed).toBe(true);
    expect(harness.frontEnd.watches.size).toBe(0);
  });

  test("a multiRead tells of each read by itself", () => {
    const client = new Harness().client();
    client.call(ZkOp.create, create("/a", { data: bytes("x") }));
    const read = (type: number, path: string): unknown => ({
      type,
      request: { path, watch: false },
    });
    const reply = client.call(ZkOp.multiRead, [
      read(ZkOp.getData, "/a"),
      read(ZkOp.getData, "/none"),
      read(ZkOp.getChildren, "/a"),
    ]);
    expect(reply.body).toMatchObject([
      { type: 4, err: 0, value: { stat: { dataLength: 1 } } },
      { type: -1, err: -101, value: { err: -101 } },
      { type: 8, err: 0, value: { children: [] } },
    ]);
  });
});
