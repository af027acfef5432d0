import { describe, expect, test } from "vitest";
import { encodeCaller, OpCode } from "@quorate/protocol";
import { CHILDREN_BYTES_MAX } from "@quorate/znode";
import { ZkOp } from "../src/jute/op-codes.js";
import {
  OUTSTANDING_PER_CONNECTION_MAX,
  SET_WATCHES_PATHS_PER_TURN,
  UNTAKEN_BYTES_MAX,
  UNTAKEN_REPLY_BYTES_MAX,
} from "../src/limits.js";
import { bytes, create, Harness, type RawClient, type Received } from "./support/harness.js";

const get = (path: string, watch = false): unknown => ({ path, watch });
const set = (path: string, data: string): unknown => ({ path, data: bytes(data), version: -1 });

function xids(received: readonly Received[]): number[] {
  return received.map((one) => (one.kind === "reply" ? one.xid : -1));
}

function dataOf(received: Received | undefined): string {
  if (received?.kind !== "reply") return "";
  const body = received.body as { data: Uint8Array } | null;
  return Buffer.from(body?.data ?? []).toString();
}

/** A client at a service that applies when the test says so, with a node /a. */
function held(options = {}): { harness: Harness; client: RawClient } {
  const harness = new Harness(options);
  const client = harness.client();
  client.call(ZkOp.create, create("/a", { data: bytes("0") }));
  harness.service.isAutomatic = false;
  harness.service.submitted.length = 0;
  return { harness, client };
}

describe("the order of one connection", () => {
  test("writes are submitted at once and answered in order", () => {
    const { harness, client } = held();
    for (let i = 0; i < 5; i += 1) client.post(ZkOp.setData, set("/a", String(i)), 10 + i);
    expect(harness.service.submitted).toHaveLength(5);
    expect(client.settled()).toEqual([]);
    harness.service.applyAll();
    expect(xids(client.settled())).toEqual([10, 11, 12, 13, 14]);
  });

  test("each write is submitted with how many of its client wait for their outcome", () => {
    const harness = new Harness();
    const [client, other] = [harness.client(), harness.client()];
    harness.service.isAutomatic = false;
    harness.service.submitted.length = 0;
    for (const one of [client, client, other, client]) one.post(ZkOp.setData, set("/", "1"));
    harness.service.applyAll();
    client.post(ZkOp.getData, get("/"));
    client.post(ZkOp.setData, set("/", "2"));
    expect(harness.service.submitted.map(({ ofClient }) => ofClient)).toEqual([1, 2, 1, 3, 1]);
  });

  test("a read behind a write waits for it, one behind reads waits for nobody", () => {
    const { harness, client } = held();
    client.post(ZkOp.getData, get("/a"), 1);
    expect(xids(client.received())).toEqual([1]);
    client.post(ZkOp.setData, set("/a", "1"), 2);
    client.post(ZkOp.getData, get("/a"), 3);
    client.post(ZkOp.ping, null, 4);
    expect(client.settled()).toEqual([]);
    harness.service.applyAll();
    const received = client.settled();
    expect(xids(received)).toEqual([2, 3, -2]);
    expect(dataOf(received[1])).toBe("1");
    // Nor does anybody wait for the write of another.
    client.post(ZkOp.setData, set("/a", "2"));
    const other = harness.accept();
    other.connect();
    expect(other.received()).toEqual([]);
  });

  test("a read between two writes sees the first and not the second, applied in one batch", () => {
    const { harness, client } = held();
    client.post(ZkOp.setData, set("/a", "1"), 1);
    client.post(ZkOp.getData, get("/a"), 2);
    client.post(ZkOp.setData, set("/a", "2"), 3);
    client.post(ZkOp.getData, get("/a"), 4);
    expect(harness.service.submitted).toHaveLength(2);
    harness.service.applyAll();
    const received = client.settled();
    expect(xids(received)).toEqual([1, 2, 3, 4]);
    expect([dataOf(received[1]), dataOf(received[3])]).toEqual(["1", "2"]);
  });

  test("a read behind a refused write sees what was before the write behind it", () => {
    const { harness, client } = held();
    client.post(ZkOp.setData, { path: "/a", data: bytes("1"), version: 99 }, 1);
    client.post(ZkOp.getData, get("/a"), 2);
    client.post(ZkOp.setData, set("/a", "2"), 3);
    client.post(ZkOp.getData, get("/a"), 4);
    client.post(ZkOp.closeSession, null, 5);
    expect(harness.service.submitted).toHaveLength(3);
    harness.service.applyAll();
    const received = client.settled();
    expect(xids(received)).toEqual([1, 2, 3, 4, 5]);
    expect([dataOf(received[1]), dataOf(received[3])]).toEqual(["0", "2"]);
  });

  test("a write waits behind a read that waits for a sync, and others wait for none", () => {
    const { harness, client } = held();
    harness.service.isCatchUpHeld = true;
    client.post(ZkOp.setData, set("/a", "1"), 1);
    client.post(ZkOp.sync, { path: "/" }, 2);
    client.post(ZkOp.setData, set("/a", "2"), 3);
    client.post(ZkOp.getData, get("/a"), 4);
    client.post(ZkOp.setData, set("/a", "3"), 5);
    client.post(ZkOp.sync, { path: "/" }, 6);
    client.post(ZkOp.getData, get("/a"), 7);
    client.post(ZkOp.closeSession, null, 8);
    expect(harness.service.submitted).toHaveLength(2);
    harness.service.applyAll();
    harness.service.caughtUp();
    // The second sync is asked for behind the read, and one more read waits for it.
    expect(harness.service.submitted).toHaveLength(3);
    harness.service.applyAll();
    harness.service.caughtUp();
    harness.service.applyAll();
    const received = client.settled();
    expect(xids(received)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect([dataOf(received[3]), dataOf(received[6])]).toEqual(["2", "3"]);
  });

  test("a write waits behind a setWatches, which takes several turns", () => {
    const { harness, client } = held();
    const paths = Array.from({ length: 3 * SET_WATCHES_PATHS_PER_TURN }, (_, i) => `/n${i}`);
    const asked = { relativeZxid: 0n, dataWatches: [], existWatches: paths, childWatches: [] };
    client.post(ZkOp.setData, set("/a", "1"), 1);
    client.post(ZkOp.setWatches, asked, -8);
    client.post(ZkOp.setData, set("/a", "2"), 2);
    client.post(ZkOp.getData, get("/a"), 3);
    harness.service.applyAll();
    client.post(ZkOp.setData, set("/a", "3"), 4);
    expect(harness.service.submitted).toHaveLength(1);
    client.settled();
    expect(harness.service.submitted).toHaveLength(3);
    harness.service.applyAll();
    expect(dataOf(client.settled()[1])).toBe("2");
  });

  test("a read in front of a write on its way has its turn, also for a client that is slow", () => {
    const { harness, client } = held();
    const big = new Uint8Array(UNTAKEN_REPLY_BYTES_MAX / 2);
    client.post(ZkOp.setData, { path: "/a", data: big, version: -1 }, 1);
    client.channel.isTaking = false;
    for (let xid = 2; xid < 8; xid += 1) client.post(ZkOp.getData, get("/a"), xid);
    client.post(ZkOp.setData, set("/a", "2"), 8);
    for (let xid = 9; xid < 12; xid += 1) client.post(ZkOp.getData, get("/a"), xid);
    // More than a turn takes.
    harness.clock.settle();
    harness.service.applyAll();
    harness.clock.settle();
    const received = client.received();
    expect(xids(received)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(received.slice(1).every((one) => dataOf(one).length === big.length)).toBe(true);
    client.channel.take();
    // What is behind the last write waits for room, as ever.
    expect(client.settled().map(dataOf)).toEqual(["", "2", "2", "2"]);
  });

  test("one that asks for too much in front of its writes, and takes nothing, is cut off", () => {
    const { harness, client } = held();
    const big = new Uint8Array(UNTAKEN_REPLY_BYTES_MAX / 2);
    client.post(ZkOp.setData, { path: "/a", data: big, version: -1 });
    client.channel.isTaking = false;
    for (let i = 0; i < 2 * (UNTAKEN_BYTES_MAX / big.length); i += 1) {
      client.post(ZkOp.getData, get("/a"));
    }
    client.post(ZkOp.setData, set("/a", "2"));
    harness.clock.settle();
    harness.service.applyAll();
    harness.clock.settle();
    expect(client.channel.isClosed).toBe(true);
    expect(client.channel.bufferedBytes).toBeLessThan(UNTAKEN_BYTES_MAX + 2 * big.length);
  });

  test("refusals keep the order too, also those that are known at once", () => {
    const { harness, client } = held();
    client.post(ZkOp.setData, set("/a", "1"), 1);
    client.post(ZkOp.create, create("rel", { flags: 77 }), 2);
    client.postRaw(ZkOp.create, new Uint8Array(1), 3);
    client.post(ZkOp.setData, { path: "/a", data: null, version: 99 }, 4);
    client.post(ZkOp.sync, { path: "/" }, 5);
    client.post(ZkOp.getData, get("/a"), 6);
    expect(client.settled()).toEqual([]);
    harness.service.applyAll();
    const received = client.settled();
    expect(xids(received)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(received.map((one) => (one.kind === "reply" ? one.err : 0))).toEqual([
      0, -8, -5, -103, 0, 0,
    ]);
  });

  test("outcomes that come in another order are told in the order of the requests", () => {
    const { harness, client } = held();
    client.post(ZkOp.setData, set("/a", "1"), 1);
    client.post(ZkOp.setData, set("/a", "2"), 2);
    const [first, second] = harness.service.submitted;
    const answer = new Uint8Array(68).fill(7);
    second?.complete({ ok: true, txnid: harness.service.lastApplied, content: answer });
    // The state machine uses its memory again.
    answer.fill(9);
    expect(client.settled()).toEqual([]);
    first?.complete({ ok: true, txnid: harness.service.lastApplied, content: answer });
    const received = client.settled();
    expect(xids(received)).toEqual([1, 2]);
    expect(received[1]).toMatchObject({ body: { stat: { version: 0x07070707 } } });
  });

  test("authentication holds for what comes behind it, and is answered at once", () => {
    const { harness, client } = held();
    client.post(ZkOp.setData, set("/a", "1"), 1);
    client.post(ZkOp.auth, { type: 0, scheme: "digest", auth: bytes("u:p") }, -4);
    client.post(ZkOp.setData, set("/a", "2"), 2);
    expect(xids(client.settled())).toEqual([-4]);
    const [before, behind] = harness.service.submitted.map(({ content }) => content);
    const ip = { scheme: "ip", id: "127.0.0.1" };
    const digest = { scheme: "digest", id: "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=" };
    const callerOf = (...identities: { scheme: string; id: string }[]): Uint8Array =>
      encodeCaller({ session: client.session, identities });
    expect(before?.subarray(0, callerOf(ip).length)).toEqual(callerOf(ip));
    expect(behind?.subarray(0, callerOf(ip, digest).length)).toEqual(callerOf(ip, digest));
  });

  test("what is answered within a turn leaves in one write", () => {
    const { harness, client } = held();
    for (let i = 0; i < 20; i += 1) client.post(ZkOp.setData, set("/a", String(i)));
    const { writes } = client.channel;
    harness.service.applyAll();
    expect(client.settled()).toHaveLength(20);
    expect(client.channel.writes - writes).toBe(1);
  });
});

describe("closing a session", () => {
  test("is answered, in its turn, and then the connection closes; what is behind it is ignored", () => {
    const { harness, client } = held();
    client.post(ZkOp.create, create("/e", { flags: 1 }), 1);
    client.post(ZkOp.closeSession, null, 2);
    client.post(ZkOp.create, create("/x"), 3);
    harness.service.applyAll();
    expect(client.settled()).toMatchObject([
      { xid: 1, err: 0 },
      { xid: 2, err: 0 },
    ]);
    expect(client.channel.isClosed).toBe(true);
    expect(harness.service.sessionCount).toBe(0);
    expect(harness.service.submitted.map(({ op }) => op)).toEqual([
      OpCode.add,
      OpCode.closeSession,
    ]);
    expect(harness.frontEnd.outstanding).toBe(0);
  });
});

describe("bounds", () => {
  test("a connection with too many requests is not read until some are answered", () => {
    const { harness, client } = held();
    for (let i = 0; i < OUTSTANDING_PER_CONNECTION_MAX + 10; i += 1) {
      client.post(ZkOp.setData, set("/a", "x"));
      harness.clock.turn();
    }
    expect(harness.service.submitted).toHaveLength(OUTSTANDING_PER_CONNECTION_MAX);
    expect(client.channel.isPaused).toBe(true);
    harness.service.applyAll();
    harness.clock.settle();
    harness.service.applyAll();
    expect(client.settled()).toHaveLength(OUTSTANDING_PER_CONNECTION_MAX + 10);
    expect(client.channel.isPaused).toBe(false);
  });

  test("beyond the bound of all, only connections without a request are read", () => {
    const { harness, client } = held({ outstandingMax: 3 });
    harness.service.isAutomatic = true;
    const other = harness.client();
    harness.service.isAutomatic = false;
    for (let i = 0; i < 5; i += 1) client.post(ZkOp.setData, set("/a", "x"));
    harness.service.submitted.length = 0;
    other.post(ZkOp.setData, set("/a", "y"));
    other.post(ZkOp.setData, set("/a", "y"));
    expect(harness.service.submitted).toHaveLength(1);
    while (harness.service.waitingCount > 0) {
      harness.service.applyAll();
      harness.clock.settle();
    }
    expect(client.received()).toHaveLength(5);
    expect(other.received()).toHaveLength(2);
    expect(harness.frontEnd.outstanding).toBe(0);
  });

  test("for a client that does not read, no more is carried out than it may have waiting", () => {
    const harness = new Harness();
    const client = harness.client();
    client.call(ZkOp.create, create("/big", { data: new Uint8Array(100_000) }));
    client.channel.isTaking = false;
    const sentBefore = client.channel.sent.length;
    for (let i = 0; i < 100; i += 1) client.post(ZkOp.getData, get("/big"));
    harness.clock.settle();
    expect(client.channel.bufferedBytes).toBeLessThan(UNTAKEN_REPLY_BYTES_MAX + 200_000);
    expect(client.channel.isPaused).toBe(true);
    expect(client.channel.sent.length).toBeGreaterThan(sentBefore);
    client.channel.take();
    harness.clock.settle();
    expect(client.received()).toHaveLength(100);
    expect(client.channel.isPaused).toBe(false);
    // It could not be heard meanwhile, but it took what was there.
    expect(harness.service.touched.at(-1)).toBe(client.session);
  });

  test("a client that never reads is cut off after a while; one that reads slowly is not", () => {
    const harness = new Harness();
    const client = harness.client();
    client.call(ZkOp.create, create("/a", { data: bytes("x") }));
    client.channel.isTaking = false;
    client.post(ZkOp.getData, get("/a"));
    for (let i = 0; i < 4; i += 1) {
      harness.clock.advance(3_000);
      if (i === 1) client.channel.take();
      client.channel.isTaking = false;
      client.post(ZkOp.ping);
    }
    expect(client.channel.isClosed).toBe(false);
    for (let i = 0; i < 4; i += 1) {
      harness.clock.advance(3_000);
      client.post(ZkOp.ping);
    }
    expect(client.channel.isClosed).toBe(true);
  });

  test("a list of children as long as may be closes no connection, nor do events behind it", () => {
    const harness = new Harness();
    const client = harness.client();
    const other = harness.client();
    other.call(ZkOp.create, create("/p"));
    const count = Math.floor(CHILDREN_BYTES_MAX / 20_002);
    const name = (i: number): string => `/p/${String(i).padStart(20_000, "n")}`;
    for (let i = 0; i < count; i += 1) other.call(ZkOp.create, create(name(i)));
    client.channel.isTaking = false;
    client.post(ZkOp.getChildren, get("/p", true));
    harness.clock.settle();
    other.call(ZkOp.create, create("/p/m"));
    harness.clock.settle();
    expect(client.channel.isClosed).toBe(false);
    client.channel.take();
    const [list, event] = client.settled();
    const { children } = (list as { body: { children: string[] } }).body;
    expect(children).toHaveLength(count);
    expect(event).toMatchObject({ kind: "event", path: "/p" });
    for (let i = count; i < count + 2; i += 1) other.call(ZkOp.create, create(name(i)));
    expect(client.call(ZkOp.getChildren2, get("/p")).err).toBe(-8);
    expect(client.call(ZkOp.exists, get("/p")).err).toBe(0);
  });

  test("events for a client that does not read are bounded; others are unharmed", () => {
    const harness = new Harness();
    const slow = harness.client();
    const other = harness.client();
    other.call(ZkOp.create, create("/a"));
    slow.call(ZkOp.addWatch, { path: "/a", mode: 0 });
    slow.channel.isTaking = false;
    const frames = Math.ceil(UNTAKEN_BYTES_MAX / 30);
    const [listener] = harness.service.listeners;
    for (let i = 0; i < frames && !slow.channel.isClosed; i += 1) {
      listener?.onNodeChange("dataChanged", "/a", harness.service.lastApplied);
    }
    expect(slow.channel.isClosed).toBe(true);
    expect(other.call(ZkOp.getData, get("/a")).err).toBe(0);
    harness.clock.settle();
    expect(harness.frontEnd.watches.size).toBe(0);
  });
});
