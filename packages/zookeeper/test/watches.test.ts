import { KEY_BYTES_MAX } from "@quorate/protocol";
import { describe, expect, test } from "vitest";
import { ZkOp } from "../src/jute/op-codes.js";
import { SENDS_PER_TURN_MAX, SET_WATCHES_PATHS_PER_TURN } from "../src/limits.js";
import { bytes, create, Harness, type RawClient, type Received } from "./support/harness.js";

const watched = (path: string): unknown => ({ path, watch: true });
const set = (path: string): unknown => ({ path, data: bytes("x"), version: -1 });
const remove = (path: string): unknown => ({ path, version: -1 });

function events(received: readonly Received[]): (readonly [number, string])[] {
  return received.flatMap((one) => (one.kind === "event" ? [[one.type, one.path] as const] : []));
}

function two(): { harness: Harness; client: RawClient; other: RawClient } {
  const harness = new Harness();
  const client = harness.client();
  const other = harness.client();
  other.call(ZkOp.create, create("/a"));
  return { harness, client, other };
}

describe("watches", () => {
  test("of data, existence and children fire once, with the zxid of the change", () => {
    const { client, other } = two();
    client.call(ZkOp.getData, watched("/a"));
    client.call(ZkOp.exists, watched("/none"));
    expect(client.call(ZkOp.exists, watched("/none")).err).toBe(-101);
    client.call(ZkOp.getChildren, watched("/a"));
    const change = other.call(ZkOp.setData, set("/a"));
    const made = other.call(ZkOp.create, create("/none"));
    const child = other.call(ZkOp.create, create("/a/b"));
    expect(client.settled()).toEqual([
      { kind: "event", zxid: change.zxid, type: 3, path: "/a" },
      { kind: "event", zxid: made.zxid, type: 1, path: "/none" },
      { kind: "event", zxid: child.zxid, type: 4, path: "/a" },
    ]);
    other.call(ZkOp.setData, set("/a"));
    expect(client.settled()).toEqual([]);
  });

  test("of one node by many: each hears once, so many of them in a turn", () => {
    const harness = new Harness({ connectionsPerAddressMax: 0 });
    const writer = harness.client();
    writer.call(ZkOp.create, create("/a"));
    const count = SENDS_PER_TURN_MAX * 2 + 1;
    const clients = Array.from({ length: count }, () => harness.client());
    for (const client of clients) client.call(ZkOp.getData, watched("/a"));
    const before = clients.map(({ channel }) => channel.writes);
    const told = (): number =>
      clients.filter(({ channel }, i) => channel.writes > (before[i] ?? 0)).length;
    harness.service.isAutomatic = false;
    writer.post(ZkOp.setData, set("/a"));
    harness.service.applyAll();
    const counts = [told()];
    while (told() < count && harness.clock.turn()) counts.push(told());
    expect(counts).toEqual([0, SENDS_PER_TURN_MAX, SENDS_PER_TURN_MAX * 2, count]);
    for (const client of clients) {
      expect(client.settled()).toMatchObject([{ kind: "event", type: 3, path: "/a" }]);
    }
  });

  test("a read that fails sets none, but that of existence", () => {
    const { harness, client } = two();
    expect(client.call(ZkOp.getData, watched("/none")).err).toBe(-101);
    expect(client.call(ZkOp.getChildren2, watched("/none")).err).toBe(-101);
    expect(harness.frontEnd.watches.size).toBe(0);
    client.call(ZkOp.exists, watched("/none"));
    expect(harness.frontEnd.watches.size).toBe(1);
  });

  test("of paths that no node can have take no memory", () => {
    const { harness, client } = two();
    const path = "/a".repeat(KEY_BYTES_MAX);
    expect(client.call(ZkOp.exists, watched(path)).err).toBe(-101);
    expect(client.call(ZkOp.addWatch, { path, mode: 1 }).err).toBe(0);
    const lists = { dataWatches: [], existWatches: [path], childWatches: [] };
    client.post(ZkOp.setWatches, { relativeZxid: 0n, ...lists }, -8);
    expect(client.settled()).toMatchObject([{ xid: -8, err: 0 }]);
    expect(harness.frontEnd.watches.size).toBe(0);
  });

  test("a deletion reaches who watches data and children once, before the reply to a later read", () => {
    const { harness, client, other } = two();
    client.call(ZkOp.getData, watched("/a"));
    client.call(ZkOp.getChildren, watched("/a"));
    harness.service.isAutomatic = false;
    other.post(ZkOp.delete, remove("/a"));
    harness.service.applyAll();
    client.post(ZkOp.exists, { path: "/a", watch: false });
    expect(client.settled()).toMatchObject([
      { kind: "event", type: 2, path: "/a" },
      { kind: "reply", err: -101 },
    ]);
  });

  test("the own write's event comes before its reply, and those of a multi in its order", () => {
    const { client } = two();
    client.call(ZkOp.getData, watched("/a"));
    client.post(ZkOp.setData, set("/a"));
    expect(client.settled().map(({ kind }) => kind)).toEqual(["event", "reply"]);
    client.call(ZkOp.addWatch, { path: "/", mode: 1 });
    client.post(ZkOp.multi, [
      { type: ZkOp.create, request: create("/m") },
      { type: ZkOp.setData, request: { path: "/a", data: null, version: -1 } },
      { type: ZkOp.delete, request: { path: "/m", version: -1 } },
    ]);
    const received = client.settled();
    expect(events(received)).toEqual([
      [1, "/m"],
      [3, "/a"],
      [2, "/m"],
    ]);
    expect(received.at(-1)?.kind).toBe("reply");
  });

  test("persistent and recursive ones stay until they are removed by their type", () => {
    const { client, other } = two();
    expect(client.call(ZkOp.addWatch, { path: "/a", mode: 0 }).body).toEqual({ err: 0 });
    client.call(ZkOp.addWatch, { path: "/a", mode: 1 });
    for (let i = 0; i < 2; i += 1) other.call(ZkOp.setData, set("/a"));
    other.call(ZkOp.create, create("/a/b"));
    expect(events(client.settled())).toEqual([
      [3, "/a"],
      [3, "/a"],
      [1, "/a/b"],
      [4, "/a"],
    ]);
    const named = (type: number): unknown => ({ path: "/a", type });
    expect(client.call(ZkOp.checkWatches, named(4)).err).toBe(0);
    expect(client.call(ZkOp.checkWatches, named(2)).err).toBe(-121);
    expect(client.call(ZkOp.removeWatches, named(4)).err).toBe(0);
    expect(client.call(ZkOp.removeWatches, named(4)).err).toBe(-121);
    expect(client.call(ZkOp.removeWatches, named(3)).err).toBe(0);
    other.call(ZkOp.setData, set("/a"));
    expect(client.settled()).toEqual([]);
  });

  test("an event is kept from who may not read the node; the watch is gone all the same", () => {
    const { harness, client, other } = two();
    client.call(ZkOp.getData, watched("/a"));
    other.call(ZkOp.getData, watched("/a"));
    const [listener] = harness.service.listeners;
    const isFirst = true;
    let asked = 0;
    listener?.onNodeChange("dataChanged", "/a", harness.service.lastApplied, (identities) => {
      expect(identities).toEqual([{ scheme: "ip", id: "127.0.0.1" }]);
      asked += 1;
      return asked === 1 ? !isFirst : isFirst;
    });
    const told = [client, other].map((one) => events(one.settled()).length);
    expect(told.sort()).toEqual([0, 1]);
    expect(harness.frontEnd.watches.size).toBe(0);
  });

  test("an event of a node that was given an ACL reaches those who may read it", () => {
    const harness = new Harness();
    const [stranger, reader, owner] = [harness.client(), harness.client(), harness.client()];
    for (const one of [reader, owner]) {
      one.post(ZkOp.auth, { type: 0, scheme: "digest", auth: bytes("u:secret") }, -4);
      one.settled();
    }
    for (const one of [stranger, reader]) {
      one.call(ZkOp.addWatch, { path: "/", mode: 1 });
      one.call(ZkOp.exists, watched("/h"));
    }
    const acl = [{ perms: 31, id: { scheme: "auth", id: "" } }];
    owner.call(ZkOp.create, create("/h", { acl }));
    owner.call(ZkOp.create, create("/h/open"));
    owner.call(ZkOp.setData, set("/h"));
    owner.call(ZkOp.delete, remove("/h/open"));
    owner.call(ZkOp.delete, remove("/h"));
    expect(events(stranger.settled())).toEqual([
      [1, "/h/open"],
      [2, "/h/open"],
    ]);
    expect(events(reader.settled())).toEqual([
      [1, "/h"],
      [1, "/h/open"],
      [3, "/h"],
      [2, "/h/open"],
      [2, "/h"],
    ]);
  });

  test("go with their connection, however many", () => {
    const { harness, client } = two();
    for (let i = 0; i < 6_000; i += 1) client.post(ZkOp.exists, watched(`/n${i}`));
    client.settled();
    client.channel.hangUp();
    expect(harness.frontEnd.watches.size).toBe(6_000);
    harness.clock.turn();
    expect(harness.frontEnd.watches.size).toBe(1_000);
    harness.clock.settle();
    expect(harness.frontEnd.watches.size).toBe(0);
  });
});

describe("setWatches", () => {
  const none = { existWatches: [], childWatches: [], dataWatches: [] };

  test("Invariant 9: tells nothing while the state is loaded, and ends the connection", () => {
    const harness = new Harness({ isReadOnlyEnabled: true });
    harness.client().call(ZkOp.create, create("/a"));
    harness.service.serve(false);
    const reader = harness.accept().connect({ readOnly: true });
    reader.received();
    harness.service.isLoading = true;
    const lists = { ...none, dataWatches: ["/a"], existWatches: ["/b"] };
    reader.post(ZkOp.setWatches, { relativeZxid: 0n, ...lists }, -8);
    expect(reader.settled()).toEqual([]);
    expect(reader.channel.isClosed).toBe(true);
    expect(harness.frontEnd.watches.size).toBe(0);
  });

  test("tells what was missed since the zxid, and arms the rest", () => {
    const { client, other } = two();
    other.call(ZkOp.create, create("/old"));
    const { zxid } = other.call(ZkOp.create, create("/old/child"));
    other.call(ZkOp.setData, set("/a"));
    other.call(ZkOp.create, create("/a/new"));
    client.post(
      ZkOp.setWatches,
      {
        relativeZxid: zxid,
        dataWatches: ["/a", "/gone", "/old", "rel"],
        existWatches: ["/a", "/gone"],
        childWatches: ["/a", "/gone", "/old"],
      },
      -8,
    );
    const received = client.settled();
    expect(received).toMatchObject([
      { kind: "event", zxid: -1n, type: 3, path: "/a" },
      { kind: "event", type: 2, path: "/gone" },
      { kind: "event", type: 2, path: "rel" },
      { kind: "event", type: 1, path: "/a" },
      { kind: "event", type: 4, path: "/a" },
      { kind: "event", type: 2, path: "/gone" },
      { kind: "reply", xid: -8, err: 0 },
    ]);
    other.call(ZkOp.setData, set("/old"));
    other.call(ZkOp.create, create("/gone"));
    other.call(ZkOp.create, create("/old/two"));
    expect(events(client.settled())).toEqual([
      [3, "/old"],
      [1, "/gone"],
      [4, "/old"],
    ]);
  });

  test("arms persistent and recursive ones, whatever has changed", () => {
    const { client, other } = two();
    const request = {
      relativeZxid: 0n,
      ...none,
      persistentWatches: ["/a"],
      persistentRecursiveWatches: ["/b"],
    };
    client.post(ZkOp.setWatches2, request, -8);
    expect(client.settled()).toMatchObject([{ kind: "reply", err: 0 }]);
    for (const path of ["/b", "/b/c", "/a/x"]) other.call(ZkOp.create, create(path));
    expect(events(client.settled())).toEqual([
      [1, "/b"],
      [1, "/b/c"],
      [4, "/a"],
    ]);
  });

  test("a null list cannot be gone through", () => {
    const { client } = two();
    client.post(ZkOp.setWatches, { relativeZxid: 0n, ...none, dataWatches: null }, -8);
    expect(client.settled()).toMatchObject([{ xid: -8, err: -5 }]);
  });

  test("of very many paths is done in pieces, and requests behind it wait", () => {
    const { harness, client } = two();
    const paths = Array.from({ length: SET_WATCHES_PATHS_PER_TURN * 3 }, (_, i) => `/n${i}`);
    client.post(ZkOp.setWatches, { relativeZxid: 0n, ...none, existWatches: paths }, -8);
    client.post(ZkOp.exists, { path: "/a", watch: false }, 5);
    expect(harness.frontEnd.watches.size).toBe(SET_WATCHES_PATHS_PER_TURN);
    expect(client.received()).toEqual([]);
    expect(client.settled()).toMatchObject([{ xid: -8 }, { xid: 5, err: 0 }]);
    expect(harness.frontEnd.watches.size).toBe(paths.length);
  });
});

describe("a client with as many watches as it may have", () => {
  function full(): { harness: Harness; client: RawClient } {
    const harness = new Harness({ watchesMax: 3 });
    const client = harness.client();
    client.call(ZkOp.create, create("/a"));
    expect(client.call(ZkOp.getData, watched("/a")).err).toBe(0);
    expect(client.call(ZkOp.addWatch, { path: "/p", mode: 0 }).err).toBe(0);
    return { harness, client };
  }

  test("is refused the next, and told so instead of what it would read", () => {
    const { harness, client } = full();
    for (const op of [ZkOp.getData, ZkOp.exists, ZkOp.getChildren, ZkOp.getChildren2]) {
      expect(client.call(op, watched("/a"))).toMatchObject({ err: -127, body: null });
    }
    expect(client.call(ZkOp.addWatch, { path: "/q", mode: 1 }).err).toBe(-127);
    expect(harness.frontEnd.watches.size).toBe(3);
    expect(client.call(ZkOp.getData, { path: "/a", watch: false }).err).toBe(0);
  });

  test("has room again when one has fired, was removed, or is another client's", () => {
    const { harness, client } = full();
    expect(harness.client().call(ZkOp.getData, watched("/a")).err).toBe(0);
    client.call(ZkOp.setData, set("/a"));
    expect(client.call(ZkOp.exists, watched("/b")).err).toBe(-101);
    expect(client.call(ZkOp.exists, watched("/c")).err).toBe(-127);
    expect(client.call(ZkOp.removeWatches, { path: "/p", type: 3 }).err).toBe(0);
    expect(client.call(ZkOp.exists, watched("/c")).err).toBe(-101);
  });

  test("is closed when it sets more again at once: it would wait for them in vain", () => {
    const { harness, client } = full();
    const lists = { dataWatches: [], existWatches: ["/x", "/y"], childWatches: [] };
    client.post(ZkOp.setWatches, { relativeZxid: 0n, ...lists }, -8);
    expect(client.settled()).toEqual([]);
    expect(client.channel.isClosed).toBe(true);
    harness.clock.settle();
    expect(harness.frontEnd.watches.size).toBe(0);
  });
});
