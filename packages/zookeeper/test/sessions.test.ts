import { OpCode } from "@quorate/protocol";
import { describe, expect, test } from "vitest";
import { ZkOp } from "../src/jute/op-codes.js";
import { bytes, create, framed, Harness } from "./support/harness.js";

const read = (path: string): unknown => ({ path, watch: false });

describe("a connect request", () => {
  test("makes a session with an id of this node, and a password nobody knows", () => {
    const harness = new Harness();
    const [one, two] = [harness.client(), harness.client()];
    expect(one.session >> 56n).toBe(3n);
    expect(one.session).not.toBe(two.session);
    expect(one.password).toHaveLength(16);
    expect(one.password).not.toEqual(two.password);
    expect(one.isReadOnly).toBe(false);
    expect(harness.service.session(one.session)).toMatchObject({ timeoutMs: 10_000 });
  });

  test.each([
    [0, 4_000],
    [-5, 4_000],
    [10_000, 10_000],
    [99_999_999, 40_000],
  ])("a timeout of %i becomes %i: 2 to 20 ticks", (timeOut, timeoutMs) => {
    const client = new Harness().accept().connect({ timeOut });
    client.received();
    expect(client.timeoutMs).toBe(timeoutMs);
  });

  test("an old client, that does not say whether it would be content with reads, is told less", () => {
    const client = new Harness().accept().connect({ readOnly: null });
    client.received();
    expect(client.session).not.toBe(0n);
    expect(client.isReadOnly).toBe(null);
  });

  test("of a client that has seen more than this node is closed; a negative zxid is not more", () => {
    const harness = new Harness();
    const ahead = harness.accept().connect({ lastZxidSeen: 2n ** 62n });
    expect(ahead.channel.sent).toEqual([]);
    expect(ahead.channel.isClosed).toBe(true);
    expect(harness.accept().connect({ lastZxidSeen: -1n }).channel.isClosed).toBe(false);
  });

  test("an id that exists is tried again, and no more than a few times", () => {
    const harness = new Harness();
    harness.service.failNext("ERR_SESSION_EXISTS");
    const client = harness.client();
    expect(client.session).not.toBe(0n);
    for (let i = 0; i < 3; i += 1) harness.service.failNext("ERR_SESSION_EXISTS");
    expect(harness.client().channel.isClosed).toBe(true);
  });
});

describe("a connect request that nobody answers", () => {
  test("closes its connection after a while", () => {
    const harness = new Harness();
    harness.service.isAutomatic = false;
    const client = harness.accept().connect();
    harness.clock.advance(9_999);
    expect(client.channel.isClosed).toBe(false);
    harness.clock.advance(1);
    expect(client.channel.isClosed).toBe(true);
    harness.service.applyAll();
    expect(client.channel.sent).toEqual([]);
  });
});

describe("a session on a newer connection", () => {
  test("goes on there, and the older connection closes", () => {
    const harness = new Harness();
    const old = harness.client();
    old.call(ZkOp.create, create("/e", { flags: 1 }));
    const { session, password } = old;
    const client = harness.accept().connect({ session, password });
    client.received();
    expect(client.session).toBe(session);
    expect(client.password).toEqual(password);
    expect(old.channel.isClosed).toBe(true);
    expect(client.channel.isClosed).toBe(false);
    expect(client.call(ZkOp.exists, read("/e")).err).toBe(0);
  });

  test("has the timeout that was negotiated there", () => {
    const harness = new Harness();
    const { session, password } = harness.client();
    for (const [timeOut, timeoutMs] of [
      [20_000, 20_000],
      [1, 4000],
    ] as const) {
      const client = harness.accept().connect({ session, password, timeOut });
      client.received();
      expect(client.timeoutMs).toBe(timeoutMs);
      expect(harness.service.session(session)?.timeoutMs).toBe(timeoutMs);
    }
  });

  test.each<[string, Uint8Array | null]>([
    ["a wrong password", new Uint8Array(16).fill(1)],
    ["a short password", new Uint8Array(5)],
    ["no password", null],
  ])("%s: the session is said to be gone, and the older connection stays", (_name, password) => {
    const harness = new Harness();
    const old = harness.client();
    const client = harness.accept().connect({ session: old.session, password });
    client.received();
    expect([client.session, client.timeoutMs]).toEqual([0n, 0]);
    expect(client.password).toEqual(new Uint8Array(16));
    expect(client.channel.isClosed).toBe(true);
    expect(old.channel.isClosed).toBe(false);
  });

  test("a session that nobody knows is said to be gone", () => {
    const client = new Harness().accept().connect({ session: 12_345n });
    client.received();
    expect(client.session).toBe(0n);
    expect(client.channel.isClosed).toBe(true);
  });
});

describe("the end of a session elsewhere", () => {
  test("closes its connection", () => {
    const harness = new Harness();
    const client = harness.client();
    harness.service.expire(client.session);
    harness.clock.settle();
    expect(client.channel.isClosed).toBe(true);
  });

  test("ten thousand at once leave nothing behind", () => {
    const harness = new Harness({ connectionsPerAddressMax: 0 });
    const clients = Array.from({ length: 10_000 }, () => harness.client());
    for (const { session } of clients) harness.service.expire(session);
    harness.clock.settle();
    expect(clients.every(({ channel }) => channel.isClosed)).toBe(true);
    expect(harness.frontEnd.connections.size).toBe(0);
    expect(harness.clock.timerCount).toBe(0);
  });
});

describe("signs of life", () => {
  test("every packet touches the session", () => {
    const harness = new Harness();
    const client = harness.client();
    client.call(ZkOp.ping);
    client.call(ZkOp.getData, read("/"));
    expect(harness.service.touched).toEqual([client.session, client.session]);
  });

  test("a connection of which nothing is heard for its timeout is dropped", () => {
    const harness = new Harness();
    const [silent, alive] = [harness.client(), harness.client()];
    for (let i = 0; i < 5; i += 1) {
      harness.clock.advance(3_000);
      alive.post(ZkOp.ping);
    }
    expect(silent.channel.isClosed).toBe(true);
    expect(alive.channel.isClosed).toBe(false);
    // The session is for the ensemble to expire.
    expect(harness.service.session(silent.session)).toBeDefined();
  });

  test("a socket that says nothing, or half a request, is closed after a while", () => {
    const harness = new Harness();
    const [silent, half] = [harness.accept(), harness.accept()];
    half.channel.feed(new Uint8Array([0, 0, 0, 44, 0]));
    harness.clock.advance(9_999);
    expect(silent.channel.isClosed).toBe(false);
    harness.clock.advance(1);
    expect([silent.channel.isClosed, half.channel.isClosed]).toEqual([true, true]);
    expect(harness.frontEnd.connections.size).toBe(0);
  });
});

describe("while the node does not serve", () => {
  test("pings are answered, other requests wait, and are carried out in order", () => {
    const harness = new Harness();
    const client = harness.client();
    harness.service.serve(false);
    client.post(ZkOp.create, create("/a", { data: bytes("x") }), 1);
    client.post(ZkOp.getData, read("/a"), 2);
    client.post(ZkOp.ping, null, 3);
    expect(client.settled()).toMatchObject([{ xid: -2, err: 0 }]);
    harness.clock.advance(900);
    harness.service.serve(true);
    expect(client.settled()).toMatchObject([
      { xid: 1, err: 0 },
      { xid: 2, err: 0 },
    ]);
    expect(harness.frontEnd.outstanding).toBe(0);
  });

  test("nothing more is begun once one of those that waited has closed the connection", () => {
    const harness = new Harness();
    const client = harness.client();
    harness.service.serve(false);
    for (const path of ["/a", "/b", "/c"]) client.post(ZkOp.create, create(path));
    harness.service.refuseAtOnce("ERR_SERVER_CLOSED");
    harness.service.serve(true);
    expect(client.channel.isClosed).toBe(true);
    harness.service.applyAll();
    const asked = harness.service.submitted.filter(({ op }) => op === OpCode.add);
    expect(asked.map(({ key }) => key)).toEqual(["/a"]);
    expect(harness.frontEnd.outstanding).toBe(0);
  });

  test("requests wait no longer than a second; a connection without any stays open", () => {
    const harness = new Harness();
    const [busy, idle] = [harness.client(), harness.client()];
    harness.service.serve(false);
    busy.post(ZkOp.getData, read("/"));
    harness.clock.advance(1_000);
    expect(busy.channel.isClosed).toBe(true);
    expect(idle.channel.isClosed).toBe(false);
    harness.service.serve(true);
    expect(idle.call(ZkOp.getData, read("/")).err).toBe(0);
    expect(harness.frontEnd.outstanding).toBe(0);
  });

  test("one that only pings is closed before its session can have ended elsewhere", () => {
    const harness = new Harness({ sessionMsMin: 3000 });
    const client = harness.accept().connect({ timeOut: 3000 });
    harness.service.serve(false);
    const pingUntil = (ms: number): void => {
      for (let at = 0; at < ms; at += 500) {
        harness.clock.advance(500);
        client.post(ZkOp.ping, null);
      }
    };
    pingUntil(1500);
    expect(client.channel.isClosed).toBe(false);
    pingUntil(500);
    expect(client.channel.isClosed).toBe(true);
  });

  test("nor longer than a third of the session's timeout", () => {
    const harness = new Harness({ sessionMsMin: 300 });
    const client = harness.accept().connect({ timeOut: 300 });
    harness.service.serve(false);
    client.post(ZkOp.getData, read("/"));
    harness.clock.advance(99);
    expect(client.channel.isClosed).toBe(false);
    harness.clock.advance(1);
    expect(client.channel.isClosed).toBe(true);
  });

  test("a connect request waits too", () => {
    const harness = new Harness();
    harness.service.serve(false);
    const client = harness.accept().connect();
    expect(client.channel.sent).toEqual([]);
    harness.service.serve(true);
    harness.clock.settle();
    client.received();
    expect(client.session).not.toBe(0n);
    harness.service.serve(false);
    const late = harness.accept().connect();
    harness.clock.advance(1_000);
    expect(late.channel.isClosed).toBe(true);
  });

  test("a write in flight when the role ends closes its connection, and no other", () => {
    const harness = new Harness();
    const [busy, idle] = [harness.client(), harness.client()];
    harness.service.isAutomatic = false;
    busy.post(ZkOp.setData, { path: "/", data: null, version: -1 });
    harness.service.serve(false);
    expect([busy.channel.isClosed, idle.channel.isClosed]).toEqual([true, false]);
    harness.service.applyAll();
    expect(busy.settled()).toEqual([]);
    expect(harness.frontEnd.outstanding).toBe(0);
  });

  test("a state that was replaced closes every connection", () => {
    const harness = new Harness();
    const client = harness.client();
    harness.service.replaceState();
    expect(client.channel.isClosed).toBe(true);
  });
});

describe("read-only clients", () => {
  test("are served reads without a quorum, when that is enabled, and refused writes", () => {
    const harness = new Harness({ isReadOnlyEnabled: true });
    harness.client().call(ZkOp.create, create("/a"));
    harness.service.serve(false);
    const client = harness.accept().connect({ readOnly: true });
    client.received();
    expect(client.isReadOnly).toBe(true);
    expect(client.call(ZkOp.exists, read("/a")).err).toBe(0);
    expect(client.call(ZkOp.create, create("/b")).err).toBe(-119);
    expect(client.call(ZkOp.sync, { path: "/" }).err).toBe(-119);
    expect(client.call(ZkOp.multi, []).err).toBe(-119);
    const other = harness.accept().connect({ readOnly: false });
    expect(other.settled()).toEqual([]);
    client.post(ZkOp.closeSession);
    expect(client.settled()).toMatchObject([{ err: 0 }]);
    expect(client.channel.isClosed).toBe(true);
  });

  test("go on with a session that the state knows, by its password", () => {
    const harness = new Harness({ isReadOnlyEnabled: true });
    const { session, password } = harness.client();
    harness.service.serve(false);
    const known = harness.accept().connect({ session, password, readOnly: true });
    known.received();
    expect([known.session, known.isReadOnly]).toEqual([session, true]);
    const wrong = harness.accept().connect({ session, readOnly: true });
    wrong.received();
    expect(wrong.session).toBe(0n);
  });

  test("Invariant 10: are not told that a session is gone that this node does not know", () => {
    const harness = new Harness({ isReadOnlyEnabled: true });
    harness.service.serve(false);
    const session = 0x0200_0000_0000_0001n;
    const password = new Uint8Array(16).fill(7);
    const lost = harness.accept().connect({ session, password, readOnly: true });
    expect(lost.settled()).toEqual([]);
    expect(lost.channel.isClosed).toBe(true);
    expect(lost.channel.sent).toEqual([]);
  });

  test("are sent away when there is a quorum again", () => {
    const harness = new Harness({ isReadOnlyEnabled: true });
    harness.service.serve(false);
    const client = harness.accept().connect({ readOnly: true });
    harness.service.serve(true);
    expect(client.channel.isClosed).toBe(true);
  });
});

describe("connections", () => {
  test("of one address are bounded, and so are all", () => {
    const harness = new Harness({ connectionsPerAddressMax: 2, connectionsMax: 3 });
    const [one, two, three] = [1, 2, 3].map(() => harness.accept("10.0.0.1"));
    const other = harness.accept("10.0.0.2");
    const last = harness.accept("10.0.0.3");
    const closed = [one, two, three, other, last].map((client) => client?.channel.isClosed);
    expect(closed).toEqual([false, false, true, false, true]);
    one?.channel.hangUp();
    expect(harness.accept("10.0.0.1").channel.isClosed).toBe(false);
    expect(harness.frontEnd.stats.connectionsRejected).toBe(2);
  });

  test("none is taken any more once the front end is closed", () => {
    const harness = new Harness();
    const client = harness.client();
    harness.frontEnd.close();
    expect(client.channel.isClosed).toBe(true);
    expect(harness.accept().channel.isClosed).toBe(true);
    expect(harness.service.listeners).toHaveLength(0);
  });

  test("what is answered already leaves before it closes", () => {
    const harness = new Harness();
    const client = harness.client();
    client.post(ZkOp.exists, { path: "/", watch: false }, 7);
    harness.frontEnd.close();
    expect(client.received()).toMatchObject([{ kind: "reply", xid: 7, err: 0 }]);
    expect(client.channel.isClosed).toBe(true);
  });

  test.each<[string, readonly number[]]>([
    ["a negative length", [255, 255, 255, 251]],
    ["a huge length", [127, 255, 255, 255]],
    ["an empty packet", [0, 0, 0, 0]],
    ["a packet shorter than a header", [0, 0, 0, 3, 1, 2, 3]],
    ["text", [...Buffer.from("GET / HTTP/1.1\r\n\r\n")]],
  ])("%s closes one, before and after its session, and is logged", (_name, garbage) => {
    const harness = new Harness();
    const other = harness.client();
    for (const client of [harness.accept(), harness.client()]) {
      harness.log.length = 0;
      client.channel.feed(new Uint8Array(garbage));
      expect(client.channel.isClosed).toBe(true);
      expect(harness.log.map(({ level }) => level)).toContain("warn");
    }
    expect(other.call(ZkOp.ping).err).toBe(0);
  });

  test("a connect request in single bytes is one", () => {
    const harness = new Harness();
    const client = harness.accept();
    const packet = new Uint8Array(45);
    packet[43 - 16] = 16;
    for (const byte of framed(packet)) client.channel.feed(new Uint8Array([byte]));
    harness.clock.settle();
    client.received();
    expect(client.session).not.toBe(0n);
  });
});
